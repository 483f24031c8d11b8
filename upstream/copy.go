package upstream

import (
	"context"

	"github.com/emersion/go-imap/v2"
)

const verbCopy = "UID COPY"

// CopyUIDs copies messages of the opened folder to the end of another one, with their flags and dates
// (RFC 9051 section 6.4.7): From[i] has a copy that is To[i]. told is false if the server has not said where
// the copies are. A message that is gone is no error. A NO or BAD is an *Error, with which nothing was copied.
func (c *Changer) CopyUIDs(ctx context.Context, set imap.UIDSet, mailbox string) (copied Moved, told bool, err error) {
	return c.put(ctx, verbCopy, set, mailbox)
}
