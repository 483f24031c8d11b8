package bolt

import (
	"context"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// maxPasses is how many passes an account's history keeps.
const maxPasses = 50

// AddPass implements store.Store.
func (b history) AddPass(ctx context.Context, id store.AccountID, p store.Pass) error {
	return b.data.update(ctx, 3, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		if err := changeSummary(tx, id, func(s *store.Summary) { s.Note(&p) }); err != nil {
			return err
		}
		return addPass(tx, id, &p)
	})
}

func addPass(tx *bbolt.Tx, id store.AccountID, p *store.Pass) error {
	passes := root(tx, bucketPasses)
	number := uint64(1)
	if last, _ := lastWithPrefix(passes, id); last != nil {
		if len(last) != rows.AccountKeyLen+8 {
			return rows.Damaged(bucketPasses, last, rows.ErrKey)
		}
		number = binary.BigEndian.Uint64(last[rows.AccountKeyLen:]) + 1
	}
	if err := passes.Put(rows.PassKey(id, number), rows.EncodePass(p)); err != nil {
		return err
	}
	if number <= maxPasses {
		return nil
	}
	return passes.Delete(rows.PassKey(id, number-maxPasses))
}

// Passes implements store.Store.
func (b history) Passes(ctx context.Context, id store.AccountID) ([]store.Pass, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) (passes []store.Pass, err error) {
		if err := checkKnown(tx, id); err != nil {
			return nil, err
		}
		err = eachWithPrefix(root(tx, bucketPasses), rows.AccountKey(id), func(key, row []byte) error {
			p, err := rows.DecodePass(row)
			if err != nil {
				return rows.Damaged(bucketPasses, key, err)
			}
			passes = append(passes, p)
			return nil
		})
		return passes, err
	})
}

// LastPasses implements store.Store.
func (b history) LastPasses(ctx context.Context, ids []store.AccountID) (map[store.AccountID]store.Pass, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) (map[store.AccountID]store.Pass, error) {
		last := make(map[store.AccountID]store.Pass, len(ids))
		for _, id := range ids {
			key, row := lastWithPrefix(root(tx, bucketPasses), id)
			if key == nil {
				continue
			}
			p, err := rows.DecodePass(row)
			if err != nil {
				return nil, rows.Damaged(bucketPasses, key, err)
			}
			last[id] = p
		}
		return last, nil
	})
}
