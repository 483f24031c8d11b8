package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// Overview implements store.Store.
func (b accounts) Overview(ctx context.Context, domain string) (all []store.Overview, err error) {
	err = b.data.view(ctx, func(tx *bbolt.Tx) error {
		c := root(tx, bucketSummaries).Cursor()
		all = make([]store.Overview, 0, countAccounts(tx, domain))
		err := eachAccountOf(tx, domain, func(a *store.Account) error {
			s, err := seekSummary(c, a.ID)
			if err != nil {
				return err
			}
			all = append(all, store.Overview{Account: *a, Summary: s})
			return nil
		})
		if err != nil {
			return err
		}
		for i := range all {
			if all[i].Alias == 0 {
				continue
			}
			if err := aliasState(tx, &all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// seekSummary reads a summary through a cursor that mostly stands right before it.
func seekSummary(c *bbolt.Cursor, id store.AccountID) (store.Summary, error) {
	want := rows.AccountKey(id)
	key, row := c.Next()
	if string(key) != string(want) {
		key, row = c.Seek(want)
	}
	if string(key) != string(want) {
		return store.Summary{}, rows.Damaged(bucketSummaries, want, rows.ErrShort)
	}
	s, err := rows.DecodeSummary(row)
	if err != nil {
		return store.Summary{}, rows.Damaged(bucketSummaries, want, err)
	}
	return s, nil
}

// Summary implements store.Store.
func (b accounts) Summary(ctx context.Context, id store.AccountID) (s store.Summary, err error) {
	err = b.data.view(ctx, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		s, err = readSummary(tx, id)
		return err
	})
	return s, err
}

// SetMessages implements store.Store.
func (b accounts) SetMessages(ctx context.Context, id store.AccountID, messages uint64) error {
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		return changeSummary(tx, id, func(s *store.Summary) { s.Messages = messages })
	})
}

func readSummary(tx *bbolt.Tx, id store.AccountID) (store.Summary, error) {
	return seekSummary(root(tx, bucketSummaries).Cursor(), id)
}

func changeSummary(tx *bbolt.Tx, id store.AccountID, set func(*store.Summary)) error {
	s, err := readSummary(tx, id)
	if err != nil {
		return err
	}
	set(&s)
	return root(tx, bucketSummaries).Put(rows.AccountKey(id), rows.EncodeSummary(&s))
}

// countFolders brings the summary up to date after rows of folders changed.
func countFolders(tx *bbolt.Tx, id store.AccountID) error {
	folders, leftOut := uint64(0), uint64(0)
	err := eachWithPrefix(root(tx, bucketFolders), rows.AccountKey(id), func(key, row []byte) error {
		f, err := rows.DecodeFolder(0, row)
		if err != nil {
			return rows.Damaged(bucketFolders, key, err)
		}
		if f.State != store.FolderSkipped {
			folders++
		}
		leftOut += f.LeftOut
		return nil
	})
	if err != nil {
		return err
	}
	return changeSummary(tx, id, func(s *store.Summary) { s.Folders, s.LeftOut = folders, leftOut })
}
