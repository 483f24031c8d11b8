package bolt

import (
	"bytes"
	"fmt"
	"sort"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

const (
	// segmentSize is how many octets the entries of a segment may take. bbolt cuts a page that has
	// become full so that up to three values go to the next, and a change writes a page: small
	// segments waste less of it and cost least where one entry in the middle of a folder changes.
	segmentSize = 400
	// maxLoaded is how many entries are kept before they are written, which bounds what it costs to
	// insert one between them.
	maxLoaded = 1024
)

// segments changes a folder's entries within a transaction. It holds one segment at a time, and
// writes it when another is wanted or at the end: entries come in the order of their keys nearly always.
type segments struct {
	bucket  *bbolt.Bucket // the account's; nil as long as it has no entry
	account store.AccountID
	folder  store.FolderID

	key     []byte // of the segment that is held; nil if none is
	stored  bool   // it is in the bucket
	changed bool
	rows    []rows.Entry
}

// find returns where an entry is among those that are held now, or belongs.
func (s *segments) find(key []byte) (at int, found bool, err error) {
	if s.bucket == nil {
		return 0, false, nil
	}
	if !s.holds(key) {
		if err := s.hold(key); err != nil {
			return 0, false, err
		}
	}
	at = sort.Search(len(s.rows), func(i int) bool { return bytes.Compare(s.rows[i].Key, key) >= 0 })
	return at, at < len(s.rows) && bytes.Equal(s.rows[at].Key, key), nil
}

// holds reports whether a key certainly belongs to the segment that is held.
func (s *segments) holds(key []byte) bool {
	return s.key != nil && len(s.rows) > 0 && len(s.rows) < maxLoaded && bytes.Compare(s.rows[0].Key, key) <= 0 &&
		bytes.Compare(rows.SegmentKey(s.folder, key), s.key) <= 0
}

// hold reads the segment that a key belongs to.
func (s *segments) hold(key []byte) error {
	want := rows.SegmentKey(s.folder, key)
	if k, _ := s.seek(want); s.key != nil && bytes.Equal(k, s.key) && len(s.rows) < maxLoaded {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	k, value := s.seek(want)
	s.key, s.stored, s.rows = bytes.Clone(k), value != nil, s.rows[:0]
	if !s.stored {
		return nil
	}
	var block []byte
	var seg rows.Segment
	for seg.Open(k, value); seg.Next(); {
		en := seg.Entry
		block = append(block, en.Key...)
		en.Key = block[len(block)-len(en.Key):]
		s.rows = append(s.rows, en)
	}
	if err := seg.Err(); err != nil {
		s.key = nil
		return rows.Damaged(ledgerName(s.account), k, err)
	}
	return nil
}

// seek finds the segment for a key: the first that doesn't end before it, or the folder's last, which
// may not be there yet.
func (s *segments) seek(want []byte) (key, value []byte) {
	key, value = s.bucket.Cursor().Seek(want)
	if !bytes.HasPrefix(key, rows.LedgerPrefix(s.folder)) {
		return rows.TailKey(s.folder), nil
	}
	return key, value
}

// put adds an entry or replaces it, and returns the size that it had.
func (s *segments) put(en rows.Entry) (size uint32, known bool, err error) {
	at, known, err := s.find(en.Key)
	if err != nil {
		return 0, false, err
	}
	s.changed = true
	if !known {
		s.rows = append(s.rows, rows.Entry{})
		copy(s.rows[at+1:], s.rows[at:])
		s.rows[at] = en
		return 0, false, nil
	}
	size = s.rows[at].Size
	s.rows[at] = en
	return size, true, nil
}

// remove removes an entry, and returns the size that it had.
func (s *segments) remove(key []byte) (size uint32, known bool, err error) {
	at, known, err := s.find(key)
	if err != nil || !known {
		return 0, known, err
	}
	size = s.rows[at].Size
	s.rows = append(s.rows[:at], s.rows[at+1:]...)
	s.changed = true
	return size, true, nil
}

// flush writes what has changed of the segment that is held.
func (s *segments) flush() error {
	key := s.key
	s.key = nil
	if key == nil || !s.changed {
		return nil
	}
	s.changed = false
	tail := bytes.Equal(key, rows.TailKey(s.folder))
	if s.stored && (len(s.rows) == 0 || !tail && !bytes.Equal(key, rows.SegmentKey(s.folder, s.rows[len(s.rows)-1].Key))) {
		if err := s.bucket.Delete(key); err != nil {
			return err
		}
	}
	limit := segmentSize
	if !tail {
		limit = evenly(s.rows)
	}
	_, err := cutSegments(s.rows, s.folder, limit, 0, tail, s.bucket.Put)
	return err
}

// evenly is how large segments may be so that entries in the middle of a folder, where more may come
// between them, fill all of theirs alike.
func evenly(list []rows.Entry) int {
	size := 0
	for rest := list; len(rest) > 0; {
		value, n := rows.EncodeSegment(rest, segmentSize)
		size, rest = size+len(value), rest[n:]
	}
	if size <= segmentSize {
		return segmentSize
	}
	pieces := (size + segmentSize - 1) / segmentSize
	return min(segmentSize, size/pieces+2*rows.MinEntry)
}

// cutSegments writes entries as segments as long as more than keep of them are left, and returns
// those. tail says that the folder's last entry is the last of them.
func cutSegments(list []rows.Entry, folder store.FolderID, limit, keep int, tail bool, put func(key, value []byte) error) ([]rows.Entry, error) {
	for len(list) > keep {
		value, n := rows.EncodeSegment(list, limit)
		key := rows.SegmentKey(folder, list[n-1].Key)
		if tail && n == len(list) {
			key = rows.TailKey(folder)
		}
		if err := put(key, value); err != nil {
			return nil, err
		}
		list = list[n:]
	}
	return list, nil
}

// segmentReader reads a folder's entries.
type segmentReader struct {
	cursor  *bbolt.Cursor
	account store.AccountID
	folder  store.FolderID

	key, value []byte // of the segment that was looked into last
	lowest     []byte // the first key of it
	current    rows.Segment
}

// first returns the folder's first entry; nil if there is none.
func (r *segmentReader) first() (*rows.Entry, error) {
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

// from calls fn for the entries from a key on.
func (r *segmentReader) from(from []byte, fn func(*rows.Entry) error) error {
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

// find looks an entry up; nil if there is none. Keys that come in their order are looked for from where the one before was.
func (r *segmentReader) find(key []byte) (*rows.Entry, error) {
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
func (r *segmentReader) open() {
	r.current.Open(r.key, r.value)
	r.current.Next()
	r.lowest = append(r.lowest[:0], r.current.Key...)
}

// seek finds the folder's first segment from a key on; nil if there is none.
func (r *segmentReader) seek(want []byte) (key, value []byte) {
	key, value = r.cursor.Seek(want)
	if !bytes.HasPrefix(key, rows.LedgerPrefix(r.folder)) {
		return nil, nil
	}
	return key, value
}

func (r *segmentReader) damaged(key []byte) error {
	return rows.Damaged(ledgerName(r.account), key, r.current.Err())
}

// eachEntry calls fn for all entries of an account.
func eachEntry(bucket *bbolt.Bucket, account store.AccountID, fn func(*rows.Entry) error) error {
	var seg rows.Segment
	return bucket.ForEach(func(key, value []byte) error {
		for seg.Open(key, value); seg.Next(); {
			if err := fn(&seg.Entry); err != nil {
				return err
			}
		}
		if err := seg.Err(); err != nil {
			return rows.Damaged(ledgerName(account), key, err)
		}
		return nil
	})
}

// ledgerName is what errors call an account's part of the ledger.
func ledgerName(account store.AccountID) string { return fmt.Sprintf("%s/%d", bucketLedger, account) }
