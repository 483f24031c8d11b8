package rows

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// A segment is a run of a folder's ledger entries in one value, in the order of their keys. What is
// between two neighbours nearly always (the next key, the next UID, few different sets of flags) takes
// no octets of its own, so that an entry is little more than its fingerprint and size:
//
//	format, first key behind its length, entries
//
//	entry  mark: segmentKeyGap, segmentUIDStep, segmentValidity; number of the flag set in the 5 bits above them
//	       key, unless it is the first: in segmentNumbers the gap to the key before, less one, if marked;
//	       in segmentTexts how many octets it shares with the key before, and the rest behind its length
//	       UID: what it is off the one after the UID before, if marked
//	       distance of the UIDVALIDITY from the folder's, if marked
//	       number of the flag set, less segmentManyFlags, if that is what the mark has
//	       fingerprint, 8 octets; size
const (
	segmentRow     = 0 // the row of one entry as schema 3 had it, which could not be read when it was copied
	segmentNumbers = 1 // keys of one length that differ in their last 4 octets only, as those of IMAP do
	segmentTexts   = 2 // other keys
)

const (
	segmentKeyGap = 1 << iota
	segmentUIDStep
	segmentValidity
	segmentFlagShift = iota
)

// segmentManyFlags in the mark says that the number of the flag set follows.
const segmentManyFlags = 31

// MinEntry is what an entry takes at least. It bounds what a damaged count can make a reader allocate.
const MinEntry = 10

// maxKey is what package store allows for a message's key.
const maxKey = 255

// Entry is an entry as the ledger's rows have it.
type Entry struct {
	Key         []byte
	UID         imap.UID
	Fingerprint store.Fingerprint
	Validity    uint32 // how far its UIDVALIDITY is from the folder's
	Flags       uint32 // number of its set
	Size        uint32
}

// EncodeSegment makes a segment of as many entries, which are sorted by key, as
// limit octets take, of one at least, and returns how many those are.
func EncodeSegment(list []Entry, limit int) (value []byte, n int) {
	e := make(encoder, 0, limit+maxKey)
	format := byte(segmentNumbers)
	if len(list[0].Key) < 4 || len(list) > 1 && !numbered(list[0].Key, list[1].Key) {
		format = segmentTexts
	}
	e = append(e, format)
	e.octets(list[0].Key)
	before := Entry{UID: math.MaxUint32}
	for i := range list {
		if i > 0 && format == segmentNumbers && !numbered(before.Key, list[i].Key) {
			break
		}
		end := len(e)
		e.entry(&before, &list[i], format)
		if i > 0 && len(e) > limit {
			e = e[:end]
			break
		}
		before = list[i]
		n++
	}
	return e, n
}

// entry writes one entry of a segment. The one before the first has no key.
func (e *encoder) entry(before, en *Entry, format byte) {
	gap := uint64(0)
	if format == segmentNumbers && before.Key != nil {
		gap = uint64(lastOctets(en.Key) - lastOctets(before.Key) - 1)
	}
	step := int32(en.UID - before.UID - 1)
	flags := min(en.Flags, segmentManyFlags)
	mark := byte(flags << segmentFlagShift)
	if gap != 0 {
		mark |= segmentKeyGap
	}
	if step != 0 {
		mark |= segmentUIDStep
	}
	if en.Validity != 0 {
		mark |= segmentValidity
	}
	*e = append(*e, mark)
	switch {
	case gap != 0:
		e.uint(gap)
	case format == segmentTexts && before.Key != nil:
		n := shared(before.Key, en.Key)
		e.uint(uint64(n))
		e.octets(en.Key[n:])
	}
	if step != 0 {
		*e = binary.AppendVarint(*e, int64(step))
	}
	if en.Validity != 0 {
		e.uint(uint64(en.Validity))
	}
	if flags == segmentManyFlags {
		e.uint(uint64(en.Flags - segmentManyFlags))
	}
	e.raw(en.Fingerprint[:])
	e.uint(uint64(en.Size))
}

// octets writes what text writes.
func (e *encoder) octets(b []byte) {
	e.uint(uint64(len(b)))
	e.raw(b)
}

// numbered reports whether two keys differ in their last 4 octets only.
func numbered(a, b []byte) bool {
	n := len(a) - 4
	return len(a) == len(b) && n >= 0 && bytes.Equal(a[:n], b[:n])
}

func lastOctets(key []byte) uint32 { return binary.BigEndian.Uint32(key[len(key)-4:]) }

// shared is how many octets two keys have in common at their beginning.
func shared(a, b []byte) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// KeepRow makes a segment of a row of schema 3 that can't be read.
func KeepRow(row []byte) []byte { return append([]byte{segmentRow}, row...) }

// KeptRow is the row that KeepRow was given; ok is false for any other segment.
func KeptRow(value []byte) (row []byte, ok bool) {
	if len(value) == 0 || value[0] != segmentRow {
		return nil, false
	}
	return value[1:], true
}

// Segment reads segments, entry by entry.
type Segment struct {
	Entry // the current one; Key is overwritten by Next
	d     decoder
	last  []byte // the key that it must end with; nil if that is not known
	kind  byte
	begun bool
}

// Open begins to read a segment.
func (s *Segment) Open(key, value []byte) {
	*s = Segment{Entry: Entry{Key: s.Key[:0], UID: math.MaxUint32}, d: decoder{rest: value}}
	switch {
	case len(key) == ledgerPrefixLen+1 && key[ledgerPrefixLen] == segmentTail:
	case len(key) > ledgerPrefixLen+1 && len(key) <= ledgerPrefixLen+1+maxKey && key[ledgerPrefixLen] == segmentWithEnd:
		s.last = key[ledgerPrefixLen+1:]
	default:
		s.d.fail(ErrKey)
	}
	s.kind = s.d.raw(1)[0]
}

// Err is why Next has ended before the segment's end.
func (s *Segment) Err() error { return s.d.err }

// Next goes to the next entry, if there is one.
func (s *Segment) Next() bool {
	switch {
	case s.d.err != nil:
		return false
	case s.begun && len(s.d.rest) == 0:
		if s.last != nil && !bytes.Equal(s.Key, s.last) {
			s.d.fail(ErrKey)
		}
		return false
	case s.kind == segmentRow && s.last != nil:
		s.row()
	case s.kind == segmentNumbers, s.kind == segmentTexts:
		s.next()
	default:
		s.d.fail(errRange)
	}
	s.begun = true
	return s.d.err == nil
}

// row reads an entry as schema 3 had it.
func (s *Segment) row() {
	en, err := DecodeEntry(s.d.rest)
	en.Key = append(s.Key[:0], s.last...)
	s.Entry, s.d.rest = en, nil
	if err != nil {
		s.d.fail(err)
	}
}

func (s *Segment) next() {
	d := &s.d
	if !s.begun {
		s.firstKey()
	}
	mark := d.raw(1)[0]
	switch {
	case s.begun && s.kind == segmentNumbers:
		s.nextNumber(mark)
	case mark&segmentKeyGap != 0:
		d.fail(errRange)
	case s.begun:
		s.nextText()
	}
	s.UID++
	if mark&segmentUIDStep != 0 {
		s.UID += imap.UID(d.step())
	}
	s.Validity = 0
	if mark&segmentValidity != 0 {
		s.Validity = d.uint32()
	}
	s.Flags = uint32(mark >> segmentFlagShift)
	if s.Flags == segmentManyFlags {
		s.Flags += uint32(d.uint(math.MaxUint32 - segmentManyFlags))
	}
	s.Fingerprint = store.Fingerprint(d.raw(8))
	s.Size = d.uint32()
}

func (s *Segment) firstKey() {
	n := int(s.d.uint(maxKey))
	if n == 0 || s.kind == segmentNumbers && n < 4 {
		s.d.fail(ErrKey)
		return
	}
	s.Key = append(s.Key[:0], s.d.raw(n)...)
}

func (s *Segment) nextNumber(mark byte) {
	number := uint64(lastOctets(s.Key)) + 1
	if mark&segmentKeyGap != 0 {
		number += s.d.uint(math.MaxUint32)
	}
	if number > math.MaxUint32 {
		s.d.fail(errRange)
		return
	}
	binary.BigEndian.PutUint32(s.Key[len(s.Key)-4:], uint32(number))
}

// nextText refuses keys that are not in ascending order.
func (s *Segment) nextText() {
	n := int(s.d.uint(uint64(len(s.Key))))
	length := int(s.d.uint(uint64(maxKey - n)))
	rest := s.d.raw(length)
	if s.d.err == nil && bytes.Compare(rest, s.Key[n:]) <= 0 {
		s.d.fail(ErrKey)
		return
	}
	s.Key = append(s.Key[:n], rest...)
}

// step reads a difference between two numbers of 32 bits.
func (d *decoder) step() int32 {
	v := d.int()
	if v < math.MinInt32 || v > math.MaxInt32 {
		d.fail(errRange)
		return 0
	}
	return int32(v)
}
