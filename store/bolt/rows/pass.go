package rows

import (
	"postferry/report/reason"
	"postferry/store"
)

// What a pass's row says of itself. There was passComplete alone before.
const (
	passComplete = 1 << iota
	passKind     // it has the kind of its problem and what else is known of that
)

// EncodePass makes a pass's row.
func EncodePass(p *store.Pass) []byte {
	var e encoder
	e.time(p.Started)
	e.time(p.Ended)
	e.uint(p.Copied)
	e.uint(p.Adopted)
	e.uint(p.FlagChanges)
	e.uint(p.Bytes)
	e.uint(p.Quarantined)
	flags := uint64(0)
	if p.Complete {
		flags |= passComplete
	}
	if p.Kind != "" {
		flags |= passKind
	}
	e.uint(flags)
	e.text(string(p.Error))
	if p.Kind != "" {
		e.text(string(p.Kind))
		e.text(string(p.Server))
		e.text(p.Host)
		e.text(p.Folder)
	}
	return e
}

// DecodePass reads a pass's row.
func DecodePass(row []byte) (store.Pass, error) {
	d := decoder{rest: row}
	p := store.Pass{
		Started:     d.time(),
		Ended:       d.time(),
		Copied:      d.uint64(),
		Adopted:     d.uint64(),
		FlagChanges: d.uint64(),
		Bytes:       d.uint64(),
		Quarantined: d.uint64(),
	}
	flags := d.uint(passComplete | passKind)
	p.Complete, p.Error = flags&passComplete != 0, reason.StoredProblem(d.text())
	if flags&passKind != 0 {
		p.Kind, p.Server, p.Host, p.Folder = store.ProblemKind(d.text()), store.Side(d.text()), d.text(), d.text()
	}
	return p, d.done()
}

// EncodeUsage makes the row of an account's usage.
func EncodeUsage(hours []store.Usage) []byte {
	var e encoder
	e.uint(uint64(len(hours)))
	for _, h := range hours {
		e.time(h.Hour)
		e.uint(h.Old)
		e.uint(h.New)
	}
	return e
}

// DecodeUsage reads the row of an account's usage.
func DecodeUsage(row []byte) ([]store.Usage, error) {
	d := decoder{rest: row}
	var hours []store.Usage
	for range d.uint(MaxUsage) {
		hours = append(hours, store.Usage{Hour: d.time(), Old: d.uint64(), New: d.uint64()})
	}
	return hours, d.done()
}

// MaxUsage is how many hours of an account's usage are kept: 24, and the one
// that goes on.
const MaxUsage = 25
