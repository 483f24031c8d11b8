package transfer

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/upstream"
)

// original is what the ledger knows a line's message by on the old server.
func (p *Pull) original(e *store.Entry) message.Wanted {
	return message.OriginalOf(e, p.ledger.Repaired)
}

// rewritten tells which messages of the new server, by their headers, are copies all the same
// although the ledger does not know them as such: the old server's originals say so, as far as
// they are still there.
func (p *Pull) rewritten(ctx context.Context, doubtful map[store.Key][]byte) (same map[store.Key]bool, err error) {
	var set imap.UIDSet
	for key := range doubtful {
		if uid, ok := p.Selected.Keys.UID(key); ok {
			set.AddNum(uid)
		}
	}
	same = map[store.Key]bool{}
	if len(set) == 0 {
		return same, nil
	}
	return same, p.old.Headers(ctx, set, func(m upstream.Message, header []byte) error {
		key := p.Selected.Keys.Key(m.UID)
		if copied, ok := doubtful[key]; ok && message.SameHeader(header, copied) {
			same[key] = true
		}
		return nil
	})
}
