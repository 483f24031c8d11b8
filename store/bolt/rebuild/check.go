package rebuild

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"postferry/store/bolt/rows"
	"postferry/store/bolt/segments"
)

// check compares all rows of the copy with those that it was made of.
func (c *copying) check() error {
	return c.next.View(func(tx *bbolt.Tx) error {
		return c.old.ForEach(func(name []byte, old *bbolt.Bucket) error {
			next := tx.Bucket(name)
			if next == nil {
				return differs(string(name), nil)
			}
			if string(name) == segments.Bucket {
				return sameLedger(old, next)
			}
			return sameBucket(string(name), old, next)
		})
	})
}

// differs stops an upgrade: what was copied is not what was there.
func differs(bucket string, key []byte) error {
	return fmt.Errorf("what was copied of bucket %s, key %x, is not the same; nothing has been changed", bucket, key)
}

func sameBucket(name string, old, next *bbolt.Bucket) error {
	if old.Sequence() != next.Sequence() {
		return differs(name, nil)
	}
	c := next.Cursor()
	key, value := c.First()
	err := old.ForEach(func(k, v []byte) error {
		if !bytes.Equal(k, key) || !bytes.Equal(v, value) || (v == nil) != (value == nil) {
			return differs(name, k)
		}
		if v == nil {
			if err := sameBucket(fmt.Sprintf("%s/%x", name, k), old.Bucket(k), next.Bucket(k)); err != nil {
				return err
			}
		}
		key, value = c.Next()
		return nil
	})
	if err == nil && key != nil {
		return differs(name, key)
	}
	return err
}

func sameLedger(old, next *bbolt.Bucket) error {
	return old.ForEachBucket(func(account []byte) error {
		entries := next.Bucket(account)
		if entries == nil {
			return differs(segments.Bucket, account)
		}
		w := &entryWalk{name: fmt.Sprintf("%s/%x", segments.Bucket, account), old: old.Bucket(account).Cursor()}
		w.first()
		if err := entries.ForEach(w.segment); err != nil {
			return err
		}
		if w.key != nil {
			return differs(w.name, w.key)
		}
		return nil
	})
}

// entryWalk goes along an account's rows of the earlier version, and compares them with segments.
type entryWalk struct {
	name     string
	old      *bbolt.Cursor
	key, row []byte // the next one
	seg      rows.Segment
}

// segment compares a segment with the rows that it was made of.
func (w *entryWalk) segment(key, value []byte) error {
	if row, kept := rows.KeptRow(value); kept {
		folder, message, _ := rows.SplitEntryKey(w.key)
		if !bytes.Equal(key, rows.SegmentKey(folder, message)) || !bytes.Equal(row, w.row) {
			return differs(w.name, key)
		}
		w.next()
		return nil
	}
	for w.seg.Open(key, value); w.seg.Next(); w.next() {
		if !w.same(key) {
			return differs(w.name, key)
		}
	}
	if w.seg.Err() != nil {
		return differs(w.name, key)
	}
	return nil
}

// same compares the entry that the segment is at.
func (w *entryWalk) same(segment []byte) bool {
	folder, message, ok := rows.SplitEntryKey(w.key)
	old, err := rows.DecodeEntry(w.row)
	got := &w.seg.Entry
	return ok && err == nil && bytes.HasPrefix(segment, rows.LedgerPrefix(folder)) && bytes.Equal(message, got.Key) &&
		old.UID == got.UID && old.Fingerprint == got.Fingerprint && old.Validity == got.Validity && old.Flags == got.Flags && old.Size == got.Size
}

// first and next go to rows whose key is one of a message's.
func (w *entryWalk) first() {
	w.key, w.row = w.old.First()
	w.passOver()
}

func (w *entryWalk) next() {
	w.key, w.row = w.old.Next()
	w.passOver()
}

func (w *entryWalk) passOver() {
	for w.key != nil {
		if _, _, ok := rows.SplitEntryKey(w.key); ok {
			return
		}
		w.key, w.row = w.old.Next()
	}
}
