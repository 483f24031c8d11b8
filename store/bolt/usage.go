package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// PutUsage implements store.Store.
func (b history) PutUsage(ctx context.Context, id store.AccountID, hours []store.Usage) error {
	if len(hours) > rows.MaxUsage {
		return store.Invalid("the usage of %d hours: %d are kept", len(hours), rows.MaxUsage)
	}
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		return root(tx, bucketUsage).Put(rows.AccountKey(id), rows.EncodeUsage(hours))
	})
}

// Usage implements store.Store.
func (b history) Usage(ctx context.Context, id store.AccountID) ([]store.Usage, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) ([]store.Usage, error) {
		if err := checkKnown(tx, id); err != nil {
			return nil, err
		}
		row := root(tx, bucketUsage).Get(rows.AccountKey(id))
		if row == nil {
			return nil, nil
		}
		hours, err := rows.DecodeUsage(row)
		if err != nil {
			return nil, rows.Damaged(bucketUsage, rows.AccountKey(id), err)
		}
		return hours, nil
	})
}
