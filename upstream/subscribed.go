package upstream

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

// Unsubscribe takes a folder off the list of subscriptions.
func (m *Maker) Unsubscribe(ctx context.Context, name string) error {
	if err := m.conn.checkName("UNSUBSCRIBE", name); err != nil {
		return err
	}
	return m.conn.run(ctx, "UNSUBSCRIBE", func(e *wire.Encoder) { e.Mailbox(name) }, nil)
}

// Subscribed tells whether a folder, which must have no wildcards in its name, is on the list
// of subscriptions now.
func (t *Tree) Subscribed(ctx context.Context, name string) (found bool, err error) {
	verb, args := "LSUB", func(e *wire.Encoder) { e.Raw(`"" `).Mailbox(name) }
	if t.conn.caps.Has(imap.CapListExtended) { // which IMAP4rev2 has in place of LSUB (RFC 9051 appendix E)
		verb, args = "LIST", func(e *wire.Encoder) { e.Raw(`(SUBSCRIBED) "" `).Mailbox(name) }
	}
	lines := folderLines{conn: t.conn}
	err = t.conn.run(ctx, verb, args, func(_ uint32, data string) bool {
		if data != verb {
			return false
		}
		if m, octets, ok := t.conn.parser.readList(); ok && lines.take(octets) && m.Name == name {
			found = verb == "LSUB" && !slices.Contains(m.Attrs, imap.MailboxAttrNoSelect) || slices.Contains(m.Attrs, imap.MailboxAttrSubscribed)
		}
		return true
	})
	return found, err
}
