package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// PutUsage implements store.Store.
func (b *Store) PutUsage(ctx context.Context, id store.AccountID, hours []store.Usage) error {
	if len(hours) > rows.MaxUsage {
		return store.Invalid("the usage of %d hours: %d are kept", len(hours), rows.MaxUsage)
	}
	return b.update(ctx, 1, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		return root(tx, bucketUsage).Put(rows.AccountKey(id), rows.EncodeUsage(hours))
	})
}

// Usage implements store.Store.
func (b *Store) Usage(ctx context.Context, id store.AccountID) (hours []store.Usage, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		row := root(tx, bucketUsage).Get(rows.AccountKey(id))
		if row == nil {
			return nil
		}
		if hours, err = rows.DecodeUsage(row); err != nil {
			return rows.Damaged(bucketUsage, rows.AccountKey(id), err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return hours, nil
}
