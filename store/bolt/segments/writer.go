package segments

import (
	"bytes"
	"sort"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// Bucket is the root bucket of the ledger. Each account has one in it, in which its segments are.
const Bucket = "ledger"

// Fill is how full the pages of the ledger are packed. A folder's keys
// come in ascending order nearly always, and room left for others would be lost.
const Fill = 1.0

const (
	// MaxSize is how many octets the entries of a segment may take. bbolt cuts a page that has
	// become full so that up to three values go to the next, and a change writes a page: small
	// segments waste less of it and cost least where one entry in the middle of a folder changes.
	MaxSize = 400
	// maxLoaded is how many entries are kept before they are written, which bounds what it costs to
	// insert one between them.
	maxLoaded = 1024
)

// Writer changes a folder's entries within a transaction. It holds one segment at a time, and
// writes it when another is wanted or at the end: entries come in the order of their keys nearly always.
type Writer struct {
	ledger  *bbolt.Bucket
	bucket  *bbolt.Bucket // the account's; nil as long as it has no entry
	account store.AccountID
	folder  store.FolderID

	key     []byte // of the segment that is held; nil if none is
	stored  bool   // it is in the bucket
	changed bool
	rows    []rows.Entry
}

// NewWriter changes a folder's entries in the bucket of the ledger.
func NewWriter(ledger *bbolt.Bucket, account store.AccountID, folder store.FolderID) *Writer {
	w := &Writer{ledger: ledger, account: account, folder: folder, bucket: ledger.Bucket(rows.AccountKey(account))}
	if w.bucket != nil {
		w.bucket.FillPercent = Fill
	}
	return w
}

// open makes the account's part of the ledger, if it has none yet.
func (w *Writer) open() (err error) {
	if w.bucket != nil {
		return nil
	}
	w.ledger.FillPercent = Fill
	if w.bucket, err = w.ledger.CreateBucket(rows.AccountKey(w.account)); err != nil {
		return err
	}
	w.bucket.FillPercent = Fill
	return nil
}

// Has reports whether there is an entry.
func (w *Writer) Has(key []byte) (bool, error) {
	_, found, err := w.find(key)
	return found, err
}

// find returns where an entry is among those that are held now, or belongs.
func (w *Writer) find(key []byte) (at int, found bool, err error) {
	if w.bucket == nil {
		return 0, false, nil
	}
	if !w.holds(key) {
		if err := w.hold(key); err != nil {
			return 0, false, err
		}
	}
	at = sort.Search(len(w.rows), func(i int) bool { return bytes.Compare(w.rows[i].Key, key) >= 0 })
	return at, at < len(w.rows) && bytes.Equal(w.rows[at].Key, key), nil
}

// holds reports whether a key certainly belongs to the segment that is held.
func (w *Writer) holds(key []byte) bool {
	return w.key != nil && len(w.rows) > 0 && len(w.rows) < maxLoaded && bytes.Compare(w.rows[0].Key, key) <= 0 &&
		bytes.Compare(rows.SegmentKey(w.folder, key), w.key) <= 0
}

// hold reads the segment that a key belongs to.
func (w *Writer) hold(key []byte) error {
	want := rows.SegmentKey(w.folder, key)
	if k, _ := w.seek(want); w.key != nil && bytes.Equal(k, w.key) && len(w.rows) < maxLoaded {
		return nil
	}
	if err := w.Flush(); err != nil {
		return err
	}
	k, value := w.seek(want)
	w.key, w.stored, w.rows = bytes.Clone(k), value != nil, w.rows[:0]
	if !w.stored {
		return nil
	}
	var block []byte
	var seg rows.Segment
	for seg.Open(k, value); seg.Next(); {
		en := seg.Entry
		block = append(block, en.Key...)
		en.Key = block[len(block)-len(en.Key):]
		w.rows = append(w.rows, en)
	}
	if err := seg.Err(); err != nil {
		w.key = nil
		return rows.Damaged(nameOf(w.account), k, err)
	}
	return nil
}

// seek finds the segment for a key: the first that doesn't end before it, or the folder's last, which
// may not be there yet.
func (w *Writer) seek(want []byte) (key, value []byte) {
	key, value = w.bucket.Cursor().Seek(want)
	if !bytes.HasPrefix(key, rows.LedgerPrefix(w.folder)) {
		return rows.TailKey(w.folder), nil
	}
	return key, value
}

// Put adds an entry or replaces it, and returns the size that it had.
func (w *Writer) Put(en rows.Entry) (size uint32, known bool, err error) {
	if err := w.open(); err != nil {
		return 0, false, err
	}
	at, known, err := w.find(en.Key)
	if err != nil {
		return 0, false, err
	}
	w.changed = true
	if !known {
		w.rows = append(w.rows, rows.Entry{})
		copy(w.rows[at+1:], w.rows[at:])
		w.rows[at] = en
		return 0, false, nil
	}
	size = w.rows[at].Size
	w.rows[at] = en
	return size, true, nil
}

// Remove removes an entry, and returns the size that it had.
func (w *Writer) Remove(key []byte) (size uint32, known bool, err error) {
	at, known, err := w.find(key)
	if err != nil || !known {
		return 0, known, err
	}
	size = w.rows[at].Size
	w.rows = append(w.rows[:at], w.rows[at+1:]...)
	w.changed = true
	return size, true, nil
}

// Flush writes what has changed of the segment that is held.
func (w *Writer) Flush() error {
	key := w.key
	w.key = nil
	if key == nil || !w.changed {
		return nil
	}
	w.changed = false
	tail := bytes.Equal(key, rows.TailKey(w.folder))
	if w.stored && (len(w.rows) == 0 || !tail && !bytes.Equal(key, rows.SegmentKey(w.folder, w.rows[len(w.rows)-1].Key))) {
		if err := w.bucket.Delete(key); err != nil {
			return err
		}
	}
	limit := MaxSize
	if !tail {
		limit = evenly(w.rows)
	}
	_, err := cut(w.rows, w.folder, limit, 0, tail, w.bucket.Put)
	return err
}

// evenly is how large segments may be so that entries in the middle of a folder, where more may come
// between them, fill all of theirs alike.
func evenly(list []rows.Entry) int {
	size := 0
	for rest := list; len(rest) > 0; {
		value, n := rows.EncodeSegment(rest, MaxSize)
		size, rest = size+len(value), rest[n:]
	}
	if size <= MaxSize {
		return MaxSize
	}
	pieces := (size + MaxSize - 1) / MaxSize
	return min(MaxSize, size/pieces+2*rows.MinEntry)
}

// Cut writes entries as segments as long as more than keep of them are left, and returns
// those. tail says that the folder's last entry is the last of them.
func Cut(list []rows.Entry, folder store.FolderID, keep int, tail bool, put func(key, value []byte) error) ([]rows.Entry, error) {
	return cut(list, folder, MaxSize, keep, tail, put)
}

// cut is Cut for segments of at most limit octets.
func cut(list []rows.Entry, folder store.FolderID, limit, keep int, tail bool, put func(key, value []byte) error) ([]rows.Entry, error) {
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
