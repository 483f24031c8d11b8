package syncer

import (
	"context"
	"time"

	"postferry/upstream"
)

// A lane asks for the folder that comes next while the last messages of the present one
// are still on their way: with a server far away that saves a round trip or two for each
// folder. It is done only where the old session is surely not needed for the present one
// any more, because that is copied for the first time. Should it be needed all the same,
// as a large message was refused, the pull begins again with new sessions.

// comingFunc tells what comes next on a lane, if anything. limited says that the new
// server has a limit for messages.
type comingFunc func(ctx context.Context, limited bool) (next, bool)

// mayPrepare tells whether the folder that comes next may be asked for while this one
// is copied: it has never been, and nothing went wrong so far.
func (p *pull) mayPrepare() bool {
	k := p.known
	return p.coming != nil && !p.lane.cautious && !p.selected.pop3 && p.selected.UIDNext != 0 && p.first() && p.adopt == nil &&
		len(k.entries)+k.before+len(k.refused) == 0 && p.new.UIDPlus() && !p.fleeting
}

// openNext asks the old server for the folder that comes next. All of the present one
// has been asked for.
func (r *reader) openNext(ctx context.Context) error {
	if !r.preparing || r.yielded() != nil {
		return nil
	}
	n, ok := r.coming(ctx, r.limited)
	if !ok {
		return nil
	}
	r.preparing = false
	call, err := r.old.SendOpen(ctx, n.folder.Old, ahead{list: n.list, first: n.early, heads: lastKnown(n.folder.Checkpoint)})
	if err == nil {
		r.lane.prepared = &prepared{next: n, at: time.Now(), old: r.lane.heard(), opened: call}
	}
	if upstream.ClassOf(err) == upstream.Refused { // shows again when it is opened
		return nil
	}
	return err
}

// lookAtNext asks the new server for the folder that comes next. All of the present one
// has been sent.
func (w *writer) lookAtNext(ctx context.Context) error {
	p := w.lane.prepared
	if p == nil {
		return nil
	}
	p.new = w.new
	err := p.lookAt(ctx)
	if upstream.ClassOf(err) == upstream.Refused { // shows again when it is opened
		p.asked, p.status = nil, nil
		return nil
	}
	return err
}

// openPrepared waits for the old folder that was asked for ahead. It returns false if
// it has to be opened as usual.
func (p *pull) openPrepared(ctx context.Context, pr *prepared) (ok bool, err error) {
	if pr == nil {
		return false, nil
	}
	p.old = pr.old
	p.selected, err = pr.opened.Wait(ctx)
	if upstream.ClassOf(err) == upstream.Refused {
		return false, nil
	}
	return true, err
}

// lookAtPrepared is lookAtNew for a folder that was asked for ahead.
func (p *pull) lookAtPrepared(ctx context.Context, pr *prepared) error {
	p.new, p.asked = pr.new, pr.asked
	if pr.status == nil {
		return p.lookAtNew(ctx)
	}
	st, told, err := pr.status.Wait(ctx)
	if told && err == nil {
		p.target = st
		return nil
	}
	if err != nil && upstream.ClassOf(err) != upstream.Refused {
		return err
	}
	return p.lookAtNew(ctx)
}
