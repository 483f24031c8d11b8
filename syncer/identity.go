package syncer

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// What identifies a message is its header's fingerprint and its size, as the ledger has
// them. A UID identifies it only as long as the server keeps to RFC 9051 section 2.3.1.1.

// original is what the ledger knows a line's message by on the old server.
func (p *pull) original(e *store.Entry) wanted { return originalOf(e, p.ledger.Repaired) }

// originalOf is original with the repairs of the line's folder.
func originalOf(e *store.Entry, repaired []store.Repaired) wanted {
	if r, ok := findRepaired(repaired, e.Key); ok {
		return wanted{Fingerprint: r.Fingerprint, Size: int64(r.Size)}
	}
	return wanted{Fingerprint: e.Fingerprint, Size: int64(e.Size)}
}

// is tells whether a message is the one that is looked for. A size that differs is no proof
// of the contrary: some servers announce others than those of what they send.
func (w wanted) is(m upstream.Message, header []byte) bool {
	return fingerprintOf(header, m.Size) == w.Fingerprint || fingerprintOf(header, w.Size) == w.Fingerprint
}

// isCopy tells whether a message of the new server is the copy that a line of the ledger
// stands for. Servers may make a copy larger, when they put its line ends in order.
func isCopy(e *store.Entry, m upstream.Message, header []byte) bool {
	w := wanted{Fingerprint: e.Fingerprint, Size: int64(e.Size)}
	return w.is(m, header) && w.mayHave(m.Size)
}

// mayHave tells whether a copy can have a size.
func (w wanted) mayHave(size int64) bool {
	return size >= w.Size-sizeSlack && size <= max(w.Size+sizeSlack, 2*w.Size)
}

// doubt is what may show all the same that a message which isCopy says no to is the copy: its header, unless
// its size says that it can't be.
func doubt(e *store.Entry, m upstream.Message, header []byte) []byte {
	if w := (wanted{Size: int64(e.Size)}); !w.mayHave(m.Size) {
		return []byte{}
	}
	return header
}

// sameHeader tells whether two headers are one message's although a server has rewritten
// one of them (Cyrus writes X for octets above 127).
func sameHeader(a, b []byte) bool {
	x, y := identifying(a), identifying(b)
	if x[0] != "" || y[0] != "" {
		return x[0] == y[0]
	}
	return x[1] != "" && x[1] == y[1] && (x[2] != "" && x[2] == y[2] || x[3] != "" && x[3] == y[3])
}

// identifying are Message-ID, Date, From and Subject of a header.
func identifying(header []byte) (values [4]string) {
	eachField(header, func(name, value []byte) {
		i := slices.IndexFunc([]string{"Message-ID", "Date", "From", "Subject"}, func(f string) bool { return compareFold(string(name), f) == 0 })
		if i >= 0 && values[i] == "" {
			values[i] = string(squeeze(value))
		}
	})
	return values
}

// rewritten tells which messages of the new server, by their headers, are copies all the same
// although the ledger does not know them as such: the old server's originals say so, as far as
// they are still there.
func (p *pull) rewritten(ctx context.Context, doubtful map[store.Key][]byte) (same map[store.Key]bool, err error) {
	var set imap.UIDSet
	for key := range doubtful {
		if uid, ok := p.selected.keys.uid(key); ok {
			set.AddNum(uid)
		}
	}
	same = map[store.Key]bool{}
	if len(set) == 0 {
		return same, nil
	}
	return same, p.old.Headers(ctx, set, func(m upstream.Message, header []byte) error {
		key := p.selected.keys.key(m.UID)
		if copied, ok := doubtful[key]; ok && sameHeader(header, copied) {
			same[key] = true
		}
		return nil
	})
}
