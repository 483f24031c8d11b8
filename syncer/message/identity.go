package message

import (
	"cmp"
	"slices"
	"sort"

	"postferry/internal/asciifold"
	"postferry/store"
	"postferry/upstream"
)

// What identifies a message is its header's fingerprint and its size, as the ledger has
// them. A UID identifies it only as long as the server keeps to RFC 9051 section 2.3.1.1.

// OriginalOf is original with the repairs of the line's folder.
func OriginalOf(e *store.Entry, repaired []store.Repaired) Wanted {
	if r, ok := FindRepaired(repaired, e.Key); ok {
		return Wanted{Fingerprint: r.Fingerprint, Size: int64(r.Size)}
	}
	return Wanted{Fingerprint: e.Fingerprint, Size: int64(e.Size)}
}

// Is tells whether a message is the one that is looked for. A size that differs is no proof
// of the contrary: some servers announce others than those of what they send.
func (w Wanted) Is(m upstream.Message, header []byte) bool {
	return Fingerprint(header, m.Size) == w.Fingerprint || Fingerprint(header, w.Size) == w.Fingerprint
}

// IsCopy tells whether a message of the new server is the copy that a line of the ledger
// stands for. Servers may make a copy larger, when they put its line ends in order.
func IsCopy(e *store.Entry, m upstream.Message, header []byte) bool {
	w := Wanted{Fingerprint: e.Fingerprint, Size: int64(e.Size)}
	return w.Is(m, header) && w.mayHave(m.Size)
}

// mayHave tells whether a copy can have a size.
func (w Wanted) mayHave(size int64) bool {
	return size >= w.Size-SizeSlack && size <= max(w.Size+SizeSlack, 2*w.Size)
}

// HeaderInDoubt is what may show all the same that a message which isCopy says no to is the copy: its header, unless
// its size says that it can't be.
func HeaderInDoubt(e *store.Entry, m upstream.Message, header []byte) []byte {
	if w := (Wanted{Size: int64(e.Size)}); !w.mayHave(m.Size) {
		return []byte{}
	}
	return header
}

// SameHeader tells whether two headers are one message's although a server has rewritten
// one of them (Cyrus writes X for octets above 127).
func SameHeader(a, b []byte) bool {
	x, y := identifying(a), identifying(b)
	if x[0] != "" || y[0] != "" {
		return x[0] == y[0]
	}
	return x[1] != "" && x[1] == y[1] && (x[2] != "" && x[2] == y[2] || x[3] != "" && x[3] == y[3])
}

// identifying are Message-ID, Date, From and Subject of a header.
func identifying(header []byte) (values [4]string) {
	EachField(header, func(name, value []byte) {
		i := slices.IndexFunc([]string{"Message-ID", "Date", "From", "Subject"}, func(f string) bool { return asciifold.Compare(string(name), f) == 0 })
		if i >= 0 && values[i] == "" {
			values[i] = string(CollapseSpace(value))
		}
	})
	return values
}

// FindRepaired looks a key up in repairs, which are sorted.
func FindRepaired(repaired []store.Repaired, key store.Key) (store.Repaired, bool) {
	at, ok := slices.BinarySearchFunc(repaired, key, func(r store.Repaired, k store.Key) int { return cmp.Compare(r.Key, k) })
	if !ok {
		return store.Repaired{}, false
	}
	return repaired[at], true
}

// FindEntry looks a key up in entries, which are sorted.
func FindEntry(entries []store.Entry, key store.Key) (store.Entry, bool) {
	i := sort.Search(len(entries), func(i int) bool { return entries[i].Key >= key })
	if i < len(entries) && entries[i].Key == key {
		return entries[i], true
	}
	return store.Entry{}, false
}
