package upstream

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
	"postferry/wire"
)

// capNotify is RFC 5465.
const capNotify imap.Cap = "NOTIFY"

// Watches tells whether the server tells of new messages by itself.
func (w *Watcher) Watches() bool { return w.conn.caps.Has(imap.CapIdle) }

// Notify asks the server to tell, from now on, of new messages in all folders of the person (RFC
// 5465), so that Idle reports changes in any of them and not in the opened one alone. It
// reports whether the server does.
func (w *Watcher) Notify(ctx context.Context) (all bool, err error) {
	if !w.conn.caps.Has(capNotify) {
		return false, nil
	}
	// Whoever asks for new messages has to ask for expunged ones as well (section 5.2).
	err = w.conn.run(ctx, "NOTIFY", func(e *wire.Encoder) {
		e.Raw("SET (SELECTED (MessageNew MessageExpunge)) (PERSONAL (MessageNew MessageExpunge))")
	}, nil)
	if link.ClassOf(err) == link.Lost || ctx.Err() != nil {
		return false, err
	}
	return err == nil, nil // one that refuses it watches the opened folder
}
