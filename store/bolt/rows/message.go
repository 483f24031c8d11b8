package rows

import (
	"encoding/binary"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
)

// This file says what the rows look like. The keys are in keys.go.

// DecodeEntry reads an entry's row as it was up to schema 3, which had one for every message. The key is
// not in it.
func DecodeEntry(row []byte) (Entry, error) {
	d := decoder{rest: row}
	en := Entry{
		UID:         imap.UID(d.fixed32()),
		Fingerprint: store.Fingerprint(d.raw(8)),
		Validity:    d.uint32(),
		Flags:       d.uint32(),
		Size:        d.uint32(),
	}
	return en, d.done()
}

// intentTaken stands beside the size for Taken, so that rows of earlier versions,
// which have none, read as before.
const intentTaken = 1 << 32

// EncodeIntent spells the flags out: an intent lives for moments only, and
// its flags need no place in the account's table.
func EncodeIntent(in *store.Intent) []byte {
	e := make(encoder, 0, 64)
	e.fixed32(in.UIDValidity)
	e.fixed32(uint32(in.UIDNext))
	e.raw(in.Fingerprint[:])
	size := uint64(in.Size)
	if in.Taken {
		size |= intentTaken
	}
	e.uint(size)
	e.time(in.Written)
	e.raw(EncodeFlags(in.Flags))
	encodePlace(&e, in)
	return e
}

// encodePlace writes where a message stood in its batch, which schema 2 did not keep.
func encodePlace(e *encoder, in *store.Intent) {
	if in.Batch == 0 {
		return
	}
	e.uint(in.Batch)
	e.uint(uint64(in.Place))
	e.bool(in.Together)
}

// DecodeIntent reads an intent's row.
func DecodeIntent(key store.Key, row []byte) (store.Intent, error) {
	d := decoder{rest: row}
	in := store.Intent{
		Key:         key,
		UIDValidity: d.fixed32(),
		UIDNext:     imap.UID(d.fixed32()),
		Fingerprint: store.Fingerprint(d.raw(8)),
	}
	size := d.uint(2*intentTaken - 1)
	in.Size, in.Taken = uint32(size), size&intentTaken != 0
	in.Written = d.time()
	in.Flags = decodeFlags(&d)
	if d.more() {
		in.Batch, in.Place, in.Together = d.uint64(), d.uint32(), d.bool()
	}
	return in, d.done()
}

// EncodeFlags makes the row of a set of flags.
func EncodeFlags(flags []imap.Flag) []byte {
	e := make(encoder, 0, 16)
	e.uint(uint64(len(flags)))
	for _, f := range flags {
		e.text(string(f))
	}
	return e
}

// DecodeFlagSet reads a set that has a row of its own; nil for the empty set.
func DecodeFlagSet(row []byte) ([]imap.Flag, error) {
	d := decoder{rest: row}
	flags := decodeFlags(&d)
	return flags, d.done()
}

// EncodeFlagNumber is what the index of flag sets has of each.
func EncodeFlagNumber(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// DecodeFlagNumber reads what the index of flag sets has of each.
func DecodeFlagNumber(row []byte) (uint32, error) {
	d := decoder{rest: row}
	n := d.fixed32()
	return n, d.done()
}

// decodeFlags returns nil for the empty set.
func decodeFlags(d *decoder) []imap.Flag {
	n := d.uint(uint64(len(d.rest))) // each flag takes at least one byte
	if n == 0 {
		return nil
	}
	flags := make([]imap.Flag, 0, n)
	for range n {
		flags = append(flags, imap.Flag(d.text()))
	}
	return flags
}

// quarantinedAgain stands beside the attempts for Again, so that rows of
// earlier versions, which have none, read as before.
const quarantinedAgain = 1 << 32

// EncodeQuarantined makes the row of a message in quarantine.
func EncodeQuarantined(q *store.Quarantined) []byte {
	var e encoder
	e.text(string(q.Reason))
	e.text(q.Cause)
	attempts := uint64(q.Attempts)
	if q.Again {
		attempts |= quarantinedAgain
	}
	e.uint(attempts)
	e.time(q.Since)
	e.time(q.Last)
	return e
}

// DecodeQuarantined reads the row of a message in quarantine.
func DecodeQuarantined(key store.Key, row []byte) (store.Quarantined, error) {
	d := decoder{rest: row}
	q := store.Quarantined{Key: key, Reason: reason.Stored(d.text()), Cause: d.text()}
	attempts := d.uint(2*quarantinedAgain - 1)
	q.Attempts, q.Again = uint32(attempts), attempts&quarantinedAgain != 0
	q.Since, q.Last = d.time(), d.time()
	return q, d.done()
}

// EncodeRepaired makes the row of a message that was repaired.
func EncodeRepaired(r *store.Repaired) []byte {
	var e encoder
	e.text(string(r.What))
	e.raw(r.Fingerprint[:])
	e.uint(uint64(r.Size))
	e.time(r.When)
	return e
}

// DecodeRepaired reads the row of a message that was repaired.
func DecodeRepaired(key store.Key, row []byte) (store.Repaired, error) {
	d := decoder{rest: row}
	r := store.Repaired{
		Key:         key,
		What:        reason.StoredRepairs(d.text()),
		Fingerprint: store.Fingerprint(d.raw(8)),
		Size:        d.uint32(),
		When:        d.time(),
	}
	return r, d.done()
}
