package segments

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// Reader reads a folder's entries.
type Reader struct {
	cursor  *bbolt.Cursor // nil if the account has no entries
	account store.AccountID
	folder  store.FolderID

	key, value []byte // of the segment that was looked into last
	lowest     []byte // the first key of it
	current    rows.Segment
}

// NewReader reads a folder's entries in the bucket of the ledger.
func NewReader(ledger *bbolt.Bucket, account store.AccountID, folder store.FolderID) *Reader {
	r := &Reader{account: account, folder: folder}
	if bucket := ledger.Bucket(rows.AccountKey(account)); bucket != nil {
		r.cursor = bucket.Cursor()
	}
	return r
}

// First returns the folder's first entry; nil if there is none.
func (r *Reader) First() (*rows.Entry, error) {
	key, value := r.seek(rows.LedgerPrefix(r.folder))
	if key == nil {
		return nil, nil
	}
	r.current.Open(key, value)
	if !r.current.Next() {
		return nil, r.damaged(key)
	}
	return &r.current.Entry, nil
}

// From calls fn for the entries from a key on.
func (r *Reader) From(from []byte, fn func(*rows.Entry) error) error {
	key, value := r.seek(rows.SegmentKey(r.folder, from))
	for ; bytes.HasPrefix(key, rows.LedgerPrefix(r.folder)); key, value = r.cursor.Next() {
		for r.current.Open(key, value); r.current.Next(); {
			if bytes.Compare(r.current.Key, from) < 0 {
				continue
			}
			if err := fn(&r.current.Entry); err != nil {
				return err
			}
		}
		if r.current.Err() != nil {
			return r.damaged(key)
		}
	}
	return nil
}

// Find looks an entry up; nil if there is none. Keys that come in their order are looked for from where the one before was.
func (r *Reader) Find(key []byte) (*rows.Entry, error) {
	want := rows.SegmentKey(r.folder, key)
	if r.key == nil || bytes.Compare(want, r.key) > 0 || bytes.Compare(key, r.lowest) < 0 {
		if r.key, r.value = r.seek(want); r.key == nil {
			return nil, nil
		}
		r.open()
	} else if bytes.Compare(key, r.current.Key) < 0 {
		r.open()
	}
	for r.current.Err() == nil && bytes.Compare(r.current.Key, key) < 0 && r.current.Next() {
	}
	switch {
	case r.current.Err() != nil:
		return nil, r.damaged(r.key)
	case bytes.Equal(r.current.Key, key):
		return &r.current.Entry, nil
	}
	return nil, nil
}

// open begins with the segment that was looked into last.
func (r *Reader) open() {
	r.current.Open(r.key, r.value)
	r.current.Next()
	r.lowest = append(r.lowest[:0], r.current.Key...)
}

// seek finds the folder's first segment from a key on; nil if there is none.
func (r *Reader) seek(want []byte) (key, value []byte) {
	if r.cursor == nil {
		return nil, nil
	}
	key, value = r.cursor.Seek(want)
	if !bytes.HasPrefix(key, rows.LedgerPrefix(r.folder)) {
		return nil, nil
	}
	return key, value
}

func (r *Reader) damaged(key []byte) error {
	return rows.Damaged(nameOf(r.account), key, r.current.Err())
}

// Each calls fn for all entries of an account.
func Each(ledger *bbolt.Bucket, account store.AccountID, fn func(*rows.Entry) error) error {
	bucket := ledger.Bucket(rows.AccountKey(account))
	if bucket == nil {
		return nil
	}
	var seg rows.Segment
	return bucket.ForEach(func(key, value []byte) error {
		for seg.Open(key, value); seg.Next(); {
			if err := fn(&seg.Entry); err != nil {
				return err
			}
		}
		if err := seg.Err(); err != nil {
			return rows.Damaged(nameOf(account), key, err)
		}
		return nil
	})
}

// nameOf is what errors call an account's part of the ledger.
func nameOf(account store.AccountID) string { return fmt.Sprintf("%s/%d", Bucket, account) }
