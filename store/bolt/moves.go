package bolt

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// Move implements store.Store.
func (b moves) Move(ctx context.Context, domain string) (store.Move, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) (store.Move, error) { return getMove(tx, domain) })
}

// getMove reads what is known of a domain's move.
func getMove(tx *bbolt.Tx, domain string) (store.Move, error) {
	row := root(tx, bucketMoves).Get([]byte(domain))
	if row == nil {
		return store.Move{Domain: domain}, nil
	}
	m, err := rows.DecodeMove(domain, row)
	if err != nil {
		return store.Move{}, rows.Damaged(bucketMoves, []byte(domain), err)
	}
	return m, nil
}

// Moves implements store.Store.
func (b moves) Moves(ctx context.Context) ([]store.Move, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) ([]store.Move, error) {
		return allRows(tx, bucketMoves, func(key, row []byte) (store.Move, error) { return rows.DecodeMove(string(key), row) })
	})
}

// NoteChecked implements store.Store.
func (b moves) NoteChecked(ctx context.Context, domain string, c store.Checked) error {
	return b.changeMove(ctx, domain, func(m *store.Move) { m.Checked = c })
}

// NoteNames implements store.Store.
func (b moves) NoteNames(ctx context.Context, domain string, n store.NamesSeen) error {
	return b.changeMove(ctx, domain, func(m *store.Move) { m.Names = n })
}

func (b moves) changeMove(ctx context.Context, domain string, set func(*store.Move)) error {
	if err := store.CheckMoveOf(domain); err != nil {
		return err
	}
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		m, err := getMove(tx, domain)
		if err != nil {
			return err
		}
		set(&m)
		return root(tx, bucketMoves).Put([]byte(domain), rows.EncodeMove(&m))
	})
}

// NoteVerified implements store.Store.
func (b moves) NoteVerified(ctx context.Context, id store.AccountID, v store.Verified) error {
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		return changeSummary(tx, id, func(s *store.Summary) { s.Verified = v })
	})
}

// Approve implements store.Store.
func (b moves) Approve(ctx context.Context, ids []store.AccountID, a store.Approval) error {
	return b.data.update(ctx, len(ids), func(tx *bbolt.Tx) error {
		for _, id := range ids {
			if err := checkKnown(tx, id); err != nil {
				return err
			}
			if err := changeSummary(tx, id, func(s *store.Summary) { s.Approved = a }); err != nil {
				return err
			}
		}
		return nil
	})
}

// Finish implements store.Store.
func (b moves) Finish(ctx context.Context, ids []store.AccountID, r store.Report) (store.Report, []store.AccountID, error) {
	if err := store.CheckMoveOf(r.Domain); err != nil {
		return r, nil, err
	}
	r.Made = r.Made.Round(0).UTC() // as it will be read
	var finished []store.AccountID
	err := b.data.update(ctx, 3*len(ids), func(tx *bbolt.Tx) (err error) {
		if finished, err = b.finishAccounts(tx, ids); err != nil || len(finished) == 0 {
			return err
		}
		if r.Number, err = root(tx, bucketReports).NextSequence(); err != nil {
			return err
		}
		return errors.Join(root(tx, bucketReports).Put(rows.EncodeNumber(r.Number), rows.EncodeReport(&r)), pruneReports(tx, r.Domain),
			auditFinish(tx, &r, len(finished)), markScrub(tx))
	})
	if err != nil {
		return r, nil, err
	}
	if len(finished) == 0 {
		return r, nil, nil
	}
	return r, finished, b.data.scrubNow(ctx)
}

// auditFinish notes who has finished accounts, together with their being finished.
func auditFinish(tx *bbolt.Tx, r *store.Report, accounts int) error {
	e := store.AuditEntry{When: r.Made, Who: r.By, Action: store.FinishAccounts, Domain: r.Domain, Detail: fmt.Sprintf("%d accounts, report %d", accounts, r.Number)}
	if err := store.CheckAuditEntry(&e); err != nil {
		return err
	}
	return addAudit(tx, &e)
}

// finishAccounts makes accounts finished, and those that lead to them.
func (b moves) finishAccounts(tx *bbolt.Tx, ids []store.AccountID) (finished []store.AccountID, err error) {
	wanted := make(map[store.AccountID]bool, len(ids))
	for _, id := range ids {
		if err := checkKnown(tx, id); err != nil {
			return nil, err
		}
		wanted[id] = true
	}
	if err := eachAccount(tx, func(a *store.Account) error {
		if a.State != store.Finished && (wanted[a.ID] || a.Alias != 0 && wanted[a.Alias]) {
			finished = append(finished, a.ID)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for _, id := range finished {
		if err := changeAccount(tx, b.data.sealer, id, func(a *store.Account) {
			a.State, a.Problem, a.OldOpens, a.Old.Password, a.New.Password = store.Finished, nil, false, "", ""
		}); err != nil {
			return nil, err
		}
		a, err := getAccount(tx, id, nil)
		if err != nil {
			return nil, err
		}
		if err := b.data.removeConsents(tx, &a); err != nil {
			return nil, err
		}
	}
	return finished, b.data.forgetSignIns(tx, finished)
}

// forgetSignIns removes how Postferry signs in for domains of which all accounts are finished now.
func (b *database) forgetSignIns(tx *bbolt.Tx, finished []store.AccountID) error {
	domains := map[string]bool{}
	for _, id := range finished {
		a, err := getAccount(tx, id, nil)
		if err != nil {
			return err
		}
		domains[a.Domain] = true
	}
	if err := eachAccount(tx, func(a *store.Account) error {
		if a.State != store.Finished {
			delete(domains, a.Domain)
		}
		return nil
	}); err != nil {
		return err
	}
	for domain := range domains {
		if err := errors.Join(b.deleteSignIn(tx, domain, store.OldSide), b.deleteSignIn(tx, domain, store.NewSide)); err != nil {
			return err
		}
	}
	return nil
}

// maxReports is how many reports of a domain are kept.
const maxReports = 50

// pruneReports removes the oldest reports of a domain that are not kept.
func pruneReports(tx *bbolt.Tx, domain string) error {
	reports, err := readReports(tx, domain)
	if err != nil {
		return err
	}
	for _, r := range reports[min(len(reports), maxReports):] {
		if err := root(tx, bucketReports).Delete(rows.EncodeNumber(r.Number)); err != nil {
			return err
		}
	}
	return nil
}

// Reports implements store.Store.
func (b moves) Reports(ctx context.Context, domain string) ([]store.Report, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) ([]store.Report, error) { return readReports(tx, domain) })
}

// readReports reads the reports of a domain, of all if it is "", newest first.
func readReports(tx *bbolt.Tx, domain string) (reports []store.Report, err error) {
	c := root(tx, bucketReports).Cursor()
	for key, row := c.Last(); key != nil; key, row = c.Prev() {
		number, err := rows.DecodeNumber(key)
		if err != nil {
			return nil, rows.Damaged(bucketReports, key, err)
		}
		r, err := rows.DecodeReport(number, row)
		if err != nil {
			return nil, rows.Damaged(bucketReports, key, err)
		}
		if domain == "" || r.Domain == domain {
			reports = append(reports, r)
		}
	}
	return reports, nil
}
