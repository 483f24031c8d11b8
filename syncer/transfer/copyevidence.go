package transfer

import (
	"context"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
)

// byKeys is the evidence for messages of the old server with keys, about those of the new
// folder, which is open. Nothing else may be under way. An original that is gone can't say
// anything any more: then it is enough if the sizes are nearly the same.
func (p *Pull) byKeys(want []message.Wanted, keys []store.Key) message.CopyEvidence {
	return message.CopyEvidence{
		Old: func(ctx context.Context, places []int) (map[int]message.Content, error) {
			return p.oldContents(ctx, places, func(i int) (imap.UID, bool) { return p.Selected.Keys.UID(keys[i]) })
		},
		Fresh: p.newContents,
		Unread: func(i int, c message.Candidate, haveOld bool) bool {
			return !haveOld && message.WithinSlack(want[i], c)
		},
	}
}

// oldContents reads messages of the old server, which uid names.
func (p *Pull) oldContents(ctx context.Context, places []int, uid func(place int) (imap.UID, bool)) (map[int]message.Content, error) {
	found, at := map[int]message.Content{}, map[imap.UID]int{}
	var set imap.UIDSet
	for _, i := range places {
		if u, ok := uid(i); ok {
			at[u] = i
			set.AddNum(u)
		}
	}
	if len(set) == 0 || p.Pair.Prefetched != nil { // another folder is open there
		return found, nil
	}
	err := readContents(ctx, p.old, set, func(uid imap.UID, c message.Content) {
		if i, asked := at[uid]; asked {
			found[i] = c
		}
	})
	return found, err
}

// newContents reads messages of the new folder, which is open.
func (p *Pull) newContents(ctx context.Context, uids []imap.UID) (map[imap.UID]message.Content, error) {
	found := map[imap.UID]message.Content{}
	err := readContents(ctx, p.new, imap.UIDSetNum(uids...), func(uid imap.UID, c message.Content) { found[uid] = c })
	return found, err
}

// bodyReader reads messages of an open folder.
type bodyReader interface {
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
}

// readContents reads messages. Those that a server refuses are passed over.
func readContents(ctx context.Context, s bodyReader, set imap.UIDSet, fn func(imap.UID, message.Content)) error {
	err := s.Bodies(ctx, set, func(uid imap.UID, _ int64, r io.Reader) error {
		c, err := message.ReadContent(r)
		if err == nil {
			fn(uid, c)
		}
		return err
	})
	if aboutMessages(err) {
		return nil
	}
	return err
}

// comparing is what the reader wants the writer to read of the new folder.
type comparing struct {
	uids  []imap.UID
	found map[imap.UID]message.Content
	done  chan error
}

// askNew lets the writer read messages of the new folder.
func (r *Reader) askNew(ctx context.Context, uids []imap.UID) (map[imap.UID]message.Content, error) {
	c := &comparing{uids: uids, done: make(chan error, 1)}
	if err := r.hand(ctx, &item{compare: c}); err != nil {
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
	sel, err := w.new.Examine(ctx, w.Folder.New)
	if err != nil {
		return nil, w.gone(err, ErrNewGone)
	}
	if sel.UIDValidity != w.Target.UIDValidity || Fleeting(sel) {
		return nil, nil // those would be others
	}
	return w.newContents(ctx, uids)
}
