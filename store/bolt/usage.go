package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"postferry/store"
)

// PutUsage implements store.Store.
func (b *Store) PutUsage(ctx context.Context, id store.AccountID, hours []store.Usage) error {
	if len(hours) > maxUsage {
		return store.Invalid("the usage of %d hours: %d are kept", len(hours), maxUsage)
	}
	return b.update(ctx, 1, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		return root(tx, bucketUsage).Put(accountKey(id), encodeUsage(hours))
	})
}

// Usage implements store.Store.
func (b *Store) Usage(ctx context.Context, id store.AccountID) (hours []store.Usage, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		row := root(tx, bucketUsage).Get(accountKey(id))
		if row == nil {
			return nil
		}
		if hours, err = decodeUsage(row); err != nil {
			return damaged(bucketUsage, accountKey(id), err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return hours, nil
}
