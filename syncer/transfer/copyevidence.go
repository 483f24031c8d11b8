package transfer

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
	"postferry/syncer/recovery"
)

// askNew lets the writer read messages of the new folder.
func (r *reader) askNew(ctx context.Context, uids []imap.UID) (map[imap.UID]message.Content, error) {
	c := &comparing{uids: uids, done: make(chan error, 1)}
	if err := r.hand(ctx, c); err != nil {
		return nil, err
	}
	select {
	case err := <-c.done:
		return c.found, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// compared reads what the reader wants to compare, once nothing is under way.
func (w *writer) compared(ctx context.Context, c *comparing) error {
	err := w.settleAll(ctx)
	if err == nil {
		c.found, err = w.readNew(ctx, c.uids)
	}
	c.done <- err
	return err
}

// readNew opens the new folder and reads messages of it.
func (w *writer) readNew(ctx context.Context, uids []imap.UID) (map[imap.UID]message.Content, error) {
	sel, err := w.New.Examine(ctx, w.Row.New)
	if err != nil {
		return nil, w.Gone(err, recovery.ErrNewGone)
	}
	if sel.UIDValidity != w.Target.UIDValidity || recovery.Fleeting(sel) {
		return nil, nil // those would be others
	}
	return w.NewContents(ctx, uids)
}
