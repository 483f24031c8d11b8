package rows

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// An encoder builds a row: values one after the other, without names. What
// comes in which order is said by the pair of functions of each kind of row.
type encoder []byte

func (e *encoder) uint(v uint64) { *e = binary.AppendUvarint(*e, v) }

func (e *encoder) fixed32(v uint32) { *e = binary.BigEndian.AppendUint32(*e, v) }

func (e *encoder) raw(b []byte) { *e = append(*e, b...) }

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	*e = append(*e, s...)
}

func (e *encoder) bool(v bool) {
	if v {
		e.uint(1)
	} else {
		e.uint(0)
	}
}

// time keeps the instant to the nanosecond; the zone is not kept.
func (e *encoder) time(t time.Time) {
	*e = binary.AppendVarint(*e, t.Unix())
	e.uint(uint64(t.Nanosecond()))
}

func (e *encoder) duration(v time.Duration) { *e = binary.AppendVarint(*e, int64(v)) }

// Mistakes of rows. They follow "the row" in a sentence.
var (
	ErrShort = errors.New("ends too early")
	errRange = errors.New("holds a number out of range")
	errLong  = errors.New("has bytes behind its end")
	ErrKey   = errors.New("has a malformed key")
)

// A decoder takes a row apart. After the first mistake every value is zero
// and done returns the mistake.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = nil
}

func (d *decoder) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	switch {
	case n == 0:
		d.fail(ErrShort)
	case n < 0 || v > limit:
		d.fail(errRange)
	default:
		d.rest = d.rest[n:]
		return v
	}
	return 0
}

func (d *decoder) uint64() uint64 { return d.uint(math.MaxUint64) }

func (d *decoder) uint32() uint32 { return uint32(d.uint(math.MaxUint32)) }

func (d *decoder) bool() bool { return d.uint(1) == 1 }

// raw returns the next n bytes, which belong to the row, or n zeros. The
// caller bounds n.
func (d *decoder) raw(n int) []byte {
	if n > len(d.rest) {
		d.fail(ErrShort)
		return make([]byte, n)
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) fixed32() uint32 { return binary.BigEndian.Uint32(d.raw(4)) }

func (d *decoder) text() string { return string(d.octets()) }

// octets are those of a text; they belong to the row.
func (d *decoder) octets() []byte {
	n := d.uint(math.MaxInt32)
	if n > uint64(len(d.rest)) {
		d.fail(ErrShort)
		return nil
	}
	return d.raw(int(n))
}

// like is text that is most often one of some, which are not copied then.
func (d *decoder) like(known ...string) string {
	b := d.octets()
	for _, text := range known {
		if text == string(b) {
			return text
		}
	}
	return string(b)
}

// sealed is the text of a password; it is passed over unless it is to be opened.
func (d *decoder) sealed(open bool) string {
	if open {
		return d.text()
	}
	if n := d.uint(math.MaxInt32); n > uint64(len(d.rest)) {
		d.fail(ErrShort)
	} else {
		d.raw(int(n))
	}
	return ""
}

// bytes is text that the row does not own; nil if it is empty.
func (d *decoder) bytes() []byte {
	if s := d.text(); s != "" {
		return []byte(s)
	}
	return nil
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail(ErrShort)
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) duration() time.Duration { return time.Duration(d.int()) }

func (d *decoder) time() time.Time {
	sec := d.int()
	nsec := d.uint(999_999_999)
	if d.err != nil {
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// more reports whether the row goes on: what a later schema added stands behind
// what earlier ones had.
func (d *decoder) more() bool { return d.err == nil && len(d.rest) > 0 }

// done returns the first mistake; bytes that are left over are one.
func (d *decoder) done() error {
	if d.err == nil && len(d.rest) > 0 {
		d.err = errLong
	}
	return d.err
}

// Damage says which row could not be read.
type Damage struct {
	bucket string
	key    []byte
	err    error
}

func (e *Damage) Error() string {
	return fmt.Sprintf("bucket %s, key %x: the row %v", e.bucket, e.key, e.err)
}

func (e *Damage) Unwrap() error { return e.err }

// Damaged wraps the mistake of a row; a mistake of another row that was
// needed to read it passes unchanged.
func Damaged(bucket string, key []byte, err error) error {
	var inner *Damage
	if errors.As(err, &inner) {
		return err
	}
	return &Damage{bucket: bucket, key: bytes.Clone(key), err: err}
}

// EncodeNumber and decodeNumber are for the rows that are one number, fixed
// in length so that their order is the numbers' order.
func EncodeNumber(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// DecodeNumber reads a row that is one number.
func DecodeNumber(row []byte) (uint64, error) {
	switch {
	case len(row) < 8:
		return 0, ErrShort
	case len(row) > 8:
		return 0, errLong
	}
	return binary.BigEndian.Uint64(row), nil
}
