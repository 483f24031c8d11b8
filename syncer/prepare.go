package syncer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// A lane asks for the folder that comes next while the last messages of the present one
// are still on their way: with a server far away that saves a round trip or two for each
// folder. It is done only where the old session is surely not needed for the present one
// any more, because that is copied for the first time. Should it be needed all the same,
// as a large message was refused, the pull begins again with new sessions.

// errGiven: the session is needed, but has been given to the next folder.
var errGiven = errors.New("the connection has been given to the next folder")

// prepared is a folder that has been asked for ahead on the sessions of a lane.
type prepared struct {
	next
	at     time.Time
	old    oldSession
	opened openCall
	new    newSession
	asked  permanentCall // nil if it was not asked for
	status statusCall    // likewise
}

// next is the folder that comes next on a lane.
type next struct {
	folder store.Folder
	list   imap.UIDSet // to be listed along
	early  int         // of its messages are to be asked for along, instead of the listing
}

// fits tells whether what was prepared is of use for a folder as it is now, in a pass
// that began at since: it must not miss what came before that.
func (p *prepared) fits(f *tracked, since time.Time) bool {
	was := p.folder
	return !p.at.Before(since) && was.ID == f.ID && was.Old == f.Old && was.New == f.New && was.Checkpoint == f.Checkpoint && f.looked.Before(p.at)
}

// takePrepared returns what a lane has prepared for a folder in a pass. Anything else that
// it has prepared is given up.
func (l *lane) takePrepared(f *tracked, pass *passRun) *prepared {
	p := l.prepared
	if p == nil || !p.fits(f, pass.started) {
		l.giveUpPrepared()
		return nil
	}
	l.prepared = nil
	return p
}

// giveUpPrepared ends the old session if it has been asked for something that nobody
// will wait for. On the new one what comes in is passed over.
func (l *lane) giveUpPrepared() {
	if l.prepared != nil {
		l.prepared = nil
		l.old.hangUp()
	}
}

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

func (p *prepared) lookAt(ctx context.Context) (err error) {
	if p.early > 0 { // it is empty: nothing there is \Recent
		if p.asked, err = p.new.SendPermanent(ctx, p.folder.New); err != nil {
			return err
		}
	}
	p.status, err = p.new.SendStatus(ctx, p.folder.New)
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

// comingOn lets a pull on a lane ask what comes after it.
func (a *account) comingOn(l *lane) comingFunc {
	return func(ctx context.Context, limited bool) (n next, ok bool) {
		if err := a.do(ctx, func() { n, ok = a.reserve(l, limited) }); err != nil {
			return next{}, false
		}
		return n, ok
	}
}

// reserve picks the folder that a lane is to pull next.
func (a *account) reserve(l *lane, limited bool) (n next, ok bool) {
	p := a.pass
	i := slices.Index(a.backs, l)
	if p == nil || p.yielded || p.stopped || p.reserved[l] != nil || i < 0 || l == a.visitLane() || a.front.pop3() || !a.roomFor(i) {
		return n, false
	}
	at := a.nextInQueue(p)
	if at < 0 {
		return n, false
	}
	f := p.queue[at]
	p.queue = slices.Delete(p.queue, at, at+1)
	p.reserved[l] = f
	return next{folder: f.Folder, list: firstWindow(f.Checkpoint), early: a.askEarly(f, limited)}, true
}

// unreserve puts the folder that a lane was to pull next back to where it is picked
// from.
func (p *passRun) unreserve(l *lane) {
	if f := p.reserved[l]; f != nil {
		delete(p.reserved, l)
		p.queue = append([]*tracked{f}, p.queue...)
	}
}

// nextInQueue is where the first folder is that may be pulled; -1 for none.
func (a *account) nextInQueue(p *passRun) int {
	return slices.IndexFunc(p.queue, func(f *tracked) bool { return f.mayPull() && !a.visiting(f) })
}

// preparedInQueue is nextInQueue for the folder that the lane has prepared.
func (a *account) preparedInQueue(p *passRun, l *lane) int {
	return slices.IndexFunc(p.queue, func(f *tracked) bool {
		return f.ID == l.prepared.folder.ID && f.mayPull() && !a.visiting(f)
	})
}
