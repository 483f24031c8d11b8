package transfer

import (
	"context"
	"time"

	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// A pair asks for the folder that comes next while the last messages of the present one
// are still on their way, and for several if they are small: with a server far away that saves a round trip
// or two for each folder. It is done only where the old session is surely not needed for the present one
// any more, because that is copied for the first time. Should it be needed all the same,
// as a large message was refused, the pull begins again with new sessions.

// NextFunc tells what comes next on a pair, if anything. limited says that the new
// server has a limit for messages.
type NextFunc func(ctx context.Context, limited bool) (session.NextFolder, bool)

// mayPrepare tells whether the folder that comes next may be asked for while this one
// is copied: it has never been, and nothing went wrong so far.
func (p *Pull) mayPrepare() bool {
	k := p.Known
	return p.Next != nil && !p.Pair.Cautious && p.Selected.Traits.Pipelining && p.Selected.UIDNext != 0 && p.First() && p.adopt == nil &&
		len(k.Entries)+k.Before+len(k.Refused) == 0 && p.New.UIDPlus() && !p.Fleeting
}

// openNext asks the old server for the folder that comes next. All of the present one
// has been asked for.
func (r *reader) openNext(ctx context.Context) error {
	if !r.preparing || r.Yielded() != nil {
		return nil
	}
	r.preparing = false
	for r.Pair.Ahead.Room() {
		n, ok := r.Next(ctx, r.limited)
		if !ok {
			return nil
		}
		if sent, err := r.sendOpen(ctx, n); err != nil || !sent {
			return err
		}
	}
	return nil
}

// sendOpen opens a folder behind those that were asked for before.
func (r *reader) sendOpen(ctx context.Context, n session.NextFolder) (sent bool, err error) {
	from := r.Old
	if last := r.Pair.Ahead.Last(); last != nil {
		from = last.Old
	}
	call, err := from.SendOpen(ctx, n.Folder.Old, session.OpenWith{List: n.List, First: n.Early, Headers: recovery.LastKnown(n.Folder.Checkpoint)})
	if link.ClassOf(err) == link.Refused { // shows again when it is opened
		return false, nil
	}
	if err == nil {
		r.Pair.Ahead.Add(&session.Prefetched{NextFolder: n, At: time.Now(), Old: r.Pair.ListeningSource(), Opened: call})
	}
	return err == nil, err
}

// openMore asks for more folders while the messages of the present one, of which nothing else will be
// asked for, come in.
func (r *reader) openMore(ctx context.Context) error {
	if !r.Pair.Ahead.Any() {
		return nil // it may be large: the first of its messages will tell
	}
	return r.openNext(ctx)
}

// given tells whether the old session is another folder's.
func (w *writer) given() bool { return w.left || w.Pair.Ahead.Any() }

// lookAtNext asks the new server for the folders that come next. All of the present one
// has been sent.
func (w *writer) lookAtNext(ctx context.Context) error {
	for _, p := range w.Pair.Ahead.Unasked() {
		p.New = w.New
		err := p.Ask(ctx)
		if link.ClassOf(err) == link.Refused { // shows again when it is opened
			p.Asked, p.Status = nil, nil
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// openPrepared waits for the old folder that was asked for ahead. It returns false if
// it has to be opened as usual.
func (p *Pull) openPrepared(ctx context.Context, pr *session.Prefetched) (ok bool, err error) {
	if pr == nil {
		return false, nil
	}
	p.Old = pr.Old
	p.Selected, err = pr.Opened.Wait(ctx)
	if link.ClassOf(err) != link.Refused {
		return true, err
	}
	if p.Pair.Ahead.Any() {
		return false, session.ErrGiven // nothing may be asked in between
	}
	return false, nil
}

// lookAtPrepared is lookAtNew for a folder that was asked for ahead.
func (p *Pull) lookAtPrepared(ctx context.Context, pr *session.Prefetched) error {
	p.New, p.Permanent = pr.New, pr.Asked
	if pr.Status == nil {
		return p.LookAtNew(ctx)
	}
	st, told, err := pr.Status.Wait(ctx)
	if told && err == nil {
		p.Target = st
		return nil
	}
	if err != nil && link.ClassOf(err) != link.Refused {
		return err
	}
	return p.LookAtNew(ctx)
}
