package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// WaysBack implements store.Store.
func (b waysBack) WaysBack(ctx context.Context, id store.AccountID) (ways []store.WayBack, all []store.Return, err error) {
	err = b.data.view(ctx, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		return eachWithPrefix(root(tx, bucketReturns), rows.AccountKey(id), func(key, row []byte) error {
			w, r, err := rows.DecodeReturns(key, row)
			switch {
			case err != nil:
				return rows.Damaged(bucketReturns, key, err)
			case w != nil:
				ways = append(ways, *w)
			default:
				all = append(all, *r)
			}
			return nil
		})
	})
	if err != nil {
		return nil, nil, err
	}
	return ways, all, nil
}

// WayBackOf implements store.Store.
func (b waysBack) WayBackOf(ctx context.Context, domain string) (sum store.WayBackSum, err error) {
	err = b.data.view(ctx, func(tx *bbolt.Tx) error {
		if key, _ := root(tx, bucketReturns).Cursor().First(); key == nil {
			return nil
		}
		return eachAccount(tx, func(a *store.Account) error {
			if a.Domain != domain {
				return nil
			}
			return eachWithPrefix(root(tx, bucketReturns), rows.AccountKey(a.ID), func(key, row []byte) error {
				w, r, err := rows.DecodeReturns(key, row)
				if err != nil {
					return rows.Damaged(bucketReturns, key, err)
				}
				sumUp(&sum, w, r)
				return nil
			})
		})
	})
	if err != nil {
		return store.WayBackSum{}, err
	}
	return sum, nil
}

// sumUp takes a row in, which is one or the other.
func sumUp(sum *store.WayBackSum, w *store.WayBack, r *store.Return) {
	switch {
	case w != nil:
		sum.Copied += w.Copied
		if w.Last.After(sum.Last) {
			sum.Last = w.Last
		}
		if w.Trouble != "" {
			sum.Troubled++
			sum.Trouble = w.Trouble
		}
	case r.State == store.ReturnRefused:
		sum.Refused++
	case r.State != store.ReturnProved:
		sum.Open++
	}
}

// applyReturns writes what a batch says of mail on its way back.
func applyReturns(tx *bbolt.Tx, b *store.Batch) error {
	returns := root(tx, bucketReturns)
	for _, k := range b.Returned {
		if err := returns.Delete(rows.ReturnKey(b.Account, b.Folder, k)); err != nil {
			return err
		}
	}
	for i := range b.Returns {
		r := &b.Returns[i]
		if err := returns.Put(rows.ReturnKey(b.Account, b.Folder, r.Key()), rows.EncodeReturn(r)); err != nil {
			return err
		}
	}
	if b.WayBack == nil {
		return nil
	}
	return returns.Put(rows.FolderKey(b.Account, b.Folder), rows.EncodeWayBack(b.WayBack))
}
