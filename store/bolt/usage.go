package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"postferry/store"
)

// maxUsage is how many hours of an account's usage are kept: 24, and the one
// that goes on.
const maxUsage = 25

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

func encodeUsage(hours []store.Usage) []byte {
	var e encoder
	e.uint(uint64(len(hours)))
	for _, h := range hours {
		e.time(h.Hour)
		e.uint(h.Old)
		e.uint(h.New)
	}
	return e
}

func decodeUsage(row []byte) ([]store.Usage, error) {
	d := decoder{rest: row}
	var hours []store.Usage
	for range d.uint(maxUsage) {
		hours = append(hours, store.Usage{Hour: d.time(), Old: d.uint64(), New: d.uint64()})
	}
	return hours, d.done()
}
