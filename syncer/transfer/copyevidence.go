package transfer

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
	"postferry/syncer/recovery"
)

// onNew lets the writer ask the new server something once nothing is under way.
func (r *reader) onNew(ctx context.Context, ask func(context.Context) error) error {
	a := &asking{ask: ask, done: make(chan error, 1)}
	if err := r.hand(ctx, a); err != nil {
		return err
	}
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// askNew lets the writer read messages of the new folder.
func (r *reader) askNew(ctx context.Context, uids []imap.UID) (map[imap.UID]message.Content, error) {
	var found map[imap.UID]message.Content
	err := r.onNew(ctx, func(ctx context.Context) (err error) {
		found, err = r.readNew(ctx, uids)
		return err
	})
	if err != nil {
		return nil, err // the writer may still be at it
	}
	return found, nil
}

// answer asks what the reader wants to know.
func (w *writer) answer(ctx context.Context, a *asking) error {
	err := w.settleAll(ctx)
	if err == nil {
		err = a.ask(ctx)
	}
	a.done <- err
	return err
}

// readNew opens the new folder and reads messages of it.
func (j *Job) readNew(ctx context.Context, uids []imap.UID) (map[imap.UID]message.Content, error) {
	sel, err := j.New.Examine(ctx, j.Row.New)
	if err != nil {
		return nil, j.Gone(err, recovery.ErrNewGone)
	}
	if sel.UIDValidity != j.Target.UIDValidity || recovery.Fleeting(sel) {
		return nil, nil // those would be others
	}
	return j.NewContents(ctx, uids)
}
