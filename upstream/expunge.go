package upstream

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

// ExpungeUIDs removes those messages of a set from the opened folder that are marked
// \Deleted, and no others (RFC 4315 section 2.1). The server must have UIDPLUS. A NO or BAD
// is an *Error.
func (c *Changer) ExpungeUIDs(ctx context.Context, set imap.UIDSet) error {
	return c.conn.run(ctx, "UID EXPUNGE", func(e *wire.Encoder) { e.UIDs(set) }, nil)
}
