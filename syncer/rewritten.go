package syncer

import (
	"context"
	"postferry/store"
	"postferry/upstream"

	"github.com/emersion/go-imap/v2"
)

// original is what the ledger knows a line's message by on the old server.
func (p *pull) original(e *store.Entry) wanted { return originalOf(e, p.ledger.Repaired) }

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
