package store

import (
	"context"
	"time"

	"go.etcd.io/bbolt"
)

// maxUsage is how many hours of an account's usage are kept: 24, and the one
// that goes on.
const maxUsage = 25

// Usage is how many octets moved for an account within one hour.
type Usage struct {
	Hour time.Time // its beginning
	Old  uint64    // read from the old server
	New  uint64    // written to the new one
}

// PutUsage implements Store.
func (b *Bolt) PutUsage(ctx context.Context, id AccountID, hours []Usage) error {
	if len(hours) > maxUsage {
		return invalid("the usage of %d hours: %d are kept", len(hours), maxUsage)
	}
	return b.update(ctx, 1, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		return root(tx, bucketUsage).Put(accountKey(id), encodeUsage(hours))
	})
}

// Usage implements Store.
func (b *Bolt) Usage(ctx context.Context, id AccountID) (hours []Usage, err error) {
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

func encodeUsage(hours []Usage) []byte {
	var e encoder
	e.uint(uint64(len(hours)))
	for _, h := range hours {
		e.time(h.Hour)
		e.uint(h.Old)
		e.uint(h.New)
	}
	return e
}

func decodeUsage(row []byte) ([]Usage, error) {
	d := decoder{rest: row}
	var hours []Usage
	for range d.uint(maxUsage) {
		hours = append(hours, Usage{Hour: d.time(), Old: d.uint64(), New: d.uint64()})
	}
	return hours, d.done()
}
