package bolt

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

const (
	// maxRuns is how many runs of a domain are kept.
	maxRuns = 50
	// maxRunParts is how many accounts they may have together before even fewer are kept.
	maxRunParts = 1_000_000
)

// AddRun implements store.Store.
func (b runs) AddRun(ctx context.Context, r store.Run, accounts []store.AccountID) (store.Run, error) {
	if err := store.CheckRun(&r); err != nil {
		return store.Run{}, err
	}
	accounts = slices.Compact(slices.Sorted(slices.Values(accounts)))
	r.Accounts = uint64(len(accounts))
	r.Started, r.Ended = r.Started.Round(0).UTC(), r.Ended.Round(0).UTC() // as they will be read
	err := b.data.update(ctx, 1+len(accounts), func(tx *bbolt.Tx) error {
		number, err := root(tx, bucketRuns).NextSequence()
		if err != nil {
			return err
		}
		r.ID = store.RunID(number)
		for _, id := range accounts {
			if err := checkKnown(tx, id); err != nil {
				return err
			}
			part := store.RunAccount{Account: id, Outcome: store.OutcomeOpen}
			if err := root(tx, bucketRunParts).Put(rows.RunPartKey(r.ID, id), rows.EncodeRunAccount(&part)); err != nil {
				return err
			}
		}
		if err := root(tx, bucketRuns).Put(rows.RunKey(r.ID), rows.EncodeRun(&r)); err != nil {
			return err
		}
		return pruneRuns(tx, r.Domain)
	})
	if err != nil {
		return store.Run{}, err
	}
	return r, nil
}

// pruneRuns removes the oldest runs of a domain that are not kept.
func pruneRuns(tx *bbolt.Tx, domain string) error {
	runs, err := readRuns(tx, domain)
	if err != nil {
		return err
	}
	kept, parts := 0, uint64(0)
	for _, r := range runs {
		kept++
		parts += r.Accounts
		if r.State == store.RunOpen || kept <= maxRuns && (kept == 1 || parts <= maxRunParts) {
			continue
		}
		if err := removeRun(tx, r.ID); err != nil {
			return err
		}
	}
	return nil
}

func removeRun(tx *bbolt.Tx, id store.RunID) error {
	parts := root(tx, bucketRunParts)
	var keys [][]byte
	if err := eachWithPrefix(parts, rows.RunKey(id), func(key, _ []byte) error {
		keys = append(keys, bytes.Clone(key))
		return nil
	}); err != nil {
		return err
	}
	for _, key := range keys {
		if err := parts.Delete(key); err != nil {
			return err
		}
	}
	return root(tx, bucketRuns).Delete(rows.RunKey(id))
}

// PutRun implements store.Store.
func (b runs) PutRun(ctx context.Context, r store.Run, changed []store.RunAccount) error {
	err := store.CheckRun(&r)
	for i := range changed {
		err = errors.Join(err, store.CheckRunAccount(&changed[i]))
	}
	if err != nil {
		return err
	}
	return b.data.update(ctx, 1+len(changed), func(tx *bbolt.Tx) error {
		if root(tx, bucketRuns).Get(rows.RunKey(r.ID)) == nil {
			return store.ErrNotFound
		}
		for _, a := range changed {
			key := rows.RunPartKey(r.ID, a.Account)
			if root(tx, bucketRunParts).Get(key) == nil {
				return store.ErrNotFound
			}
			if err := root(tx, bucketRunParts).Put(key, rows.EncodeRunAccount(&a)); err != nil {
				return err
			}
		}
		return root(tx, bucketRuns).Put(rows.RunKey(r.ID), rows.EncodeRun(&r))
	})
}

// Run implements store.Store.
func (b runs) Run(ctx context.Context, id store.RunID) (r store.Run, err error) {
	err = b.data.view(ctx, func(tx *bbolt.Tx) error {
		row := root(tx, bucketRuns).Get(rows.RunKey(id))
		if row == nil {
			return store.ErrNotFound
		}
		if r, err = rows.DecodeRun(id, row); err != nil {
			return rows.Damaged(bucketRuns, rows.RunKey(id), err)
		}
		return nil
	})
	return r, err
}

// Runs implements store.Store.
func (b runs) Runs(ctx context.Context, domain string) ([]store.Run, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) ([]store.Run, error) { return readRuns(tx, domain) })
}

// readRuns reads the runs of a domain, of all if it is "", newest first.
func readRuns(tx *bbolt.Tx, domain string) (runs []store.Run, err error) {
	c := root(tx, bucketRuns).Cursor()
	for key, row := c.Last(); key != nil; key, row = c.Prev() {
		id, err := rows.DecodeNumber(key)
		if err != nil {
			return nil, rows.Damaged(bucketRuns, key, err)
		}
		r, err := rows.DecodeRun(store.RunID(id), row)
		if err != nil {
			return nil, rows.Damaged(bucketRuns, key, err)
		}
		if domain == "" || r.Domain == domain {
			runs = append(runs, r)
		}
	}
	return runs, nil
}

// RunAccounts implements store.Store.
func (b runs) RunAccounts(ctx context.Context, id store.RunID) (accounts []store.RunAccount, err error) {
	err = b.data.view(ctx, func(tx *bbolt.Tx) error {
		if root(tx, bucketRuns).Get(rows.RunKey(id)) == nil {
			return store.ErrNotFound
		}
		return eachWithPrefix(root(tx, bucketRunParts), rows.RunKey(id), func(key, row []byte) error {
			account, err := rows.DecodeNumber(key[len(rows.RunKey(id)):])
			if err != nil {
				return rows.Damaged(bucketRunParts, key, err)
			}
			a, err := rows.DecodeRunAccount(store.AccountID(account), row)
			if err != nil {
				return rows.Damaged(bucketRunParts, key, err)
			}
			accounts = append(accounts, a)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return accounts, nil
}
