package syncer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/measure"
	"postferry/syncer/problem"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
)

const (
	// patience is how long a visitor waits for an old server that shows no life.
	patience = 2 * time.Second
	// mostPatience is the same for a server that has been seen to be slow.
	mostPatience = 6 * time.Second
	// atOnce is how many commands a folder's opening sends at once: EXAMINE, and a FETCH ahead. A
	// server that answers both together says nothing during either.
	atOnce = 2
	// noPatience is the same for a server that others have already waited for in vain.
	noPatience = 200 * time.Millisecond
	// exclusiveFresh is visitFresh for servers whose sessions lock the mailbox, many of which
	// allow a login only every few minutes.
	exclusiveFresh = 5 * time.Minute
	// always is within what time a folder is said to be filled that is to come in its order
	// however long that takes.
	always = 100 * 365 * 24 * time.Hour
	// visitFresh is how recently a complete folder must have been looked at for
	// another visit not to look again.
	visitFresh = 30 * time.Second
)

// visit is a client's opening of a folder.
type visit struct {
	folder *tracked
	begun  time.Time
	search *transfer.ClientSearch // in the folder; nil for none
	asked  bool                   // a client has only asked what it has
	shown  chan struct{}          // closed when the folder is worth showing
	show   func()
}

// visitList are the visits that somebody waits for.
type visitList []*visit

func newVisit(f *tracked) *visit {
	v := &visit{folder: f, begun: time.Now(), shown: make(chan struct{})}
	v.show = sync.OnceFunc(func() { close(v.shown) })
	return v
}

// beginVisit decides what a visit has to wait for: nil for nothing.
func (a *account) beginVisit(mailbox string) *visit {
	f := a.folders.byNew(mailbox)
	if !a.works() || a.tree.room != nil || f == nil || f.State != store.FolderPresent {
		return nil
	}
	if f.complete() {
		if time.Since(f.looked) > a.fresh() && f.pulling == nil && !a.visits.has(f) {
			a.visits = append(a.visits, newVisit(f)) // nobody waits; what is late arrives as EXISTS
		}
		return nil
	}
	if f.pulling != nil && f.pulling.shown {
		return nil // its newest messages are there, and the others are on their way
	}
	v := newVisit(f)
	a.visits = append(a.visits, v)
	a.visits.givesWay(f, a.folders)
	return v
}

// fresh is how recently a complete folder must have been looked at.
func (a *account) fresh() time.Duration {
	if !a.front.Traits().Exclusive {
		return visitFresh
	}
	if p := a.row.Problem; p != nil && time.Now().Before(p.Retry) {
		return time.Hour // it asked to be left alone; the pass comes back when it may
	}
	return exclusiveFresh
}

func (all visitList) has(f *tracked) bool {
	for _, v := range all {
		if v.folder == f {
			return true
		}
	}
	return false
}

// nextVisit starts the pull of the folder that was asked for first, or the look at
// the trees that a client waits for.
func (a *account) nextVisit() {
	if len(a.tree.waiting) > 0 && !a.tree.running {
		a.startTree(a.visitPair(), true)
		return
	}
	if len(a.tree.waiting) > 0 && a.tree.yield != nil {
		a.tree.yield() // the pass may be waiting for a place; people come first
	}
	slices.SortStableFunc(a.visits, func(v, w *visit) int {
		if v.asked == w.asked {
			return 0
		}
		return first(!v.asked) // who opens a folder comes before who asks about it
	})
	for _, v := range a.visits {
		f := v.folder
		switch {
		case f.mayPull():
			a.startPull(a.visitPair(), f, true, a.visitEnded)
			return
		case f.pulling != nil && !f.pulling.visit:
			f.pulling.yield() // the pass hands the folder over at its next safe point
		}
	}
}

// showFolder lets the visitors of a folder in.
func (all visitList) show(f *tracked) {
	for _, v := range all {
		if v.folder == f {
			v.show()
		}
	}
}

func (a *account) visitEnded(f *tracked, p *transfer.Pull, err error) {
	if _, crowded := errors.AsType[*session.CrowdedError](err); crowded {
		return // it is begun again on a pair that the account may have
	}
	a.visits.show(f)
	rest := a.visits[:0]
	for _, v := range a.visits {
		if v.folder != f {
			rest = append(rest, v)
		}
	}
	a.visits = rest
	if err == nil || errors.Is(err, session.ErrYield) || session.Interrupted(a.work, err) {
		return
	}
	switch {
	case errors.Is(err, transfer.ErrOldGone):
	case errors.Is(err, recovery.ErrNewGone), errors.Is(err, transfer.ErrNewOther), errors.Is(err, transfer.ErrOldOther):
		a.doubt(f, p, err)
	default:
		a.problem(problem.Of(err, f.Title, 1))
	}
}

// doubt has the trees looked at soon, as a folder is not where it was on the new server, or another one on
// the old server.
func (a *account) doubt(f *tracked, p *transfer.Pull, err error) {
	if f.State != store.FolderPresent || f.New != p.Row.New {
		return // a client changed it; its row says how
	}
	f.doubted = f.doubted || !errors.Is(err, transfer.ErrOldOther)
	if len(a.tree.waiting) == 0 && (a.pass == nil || a.pass.tree) {
		a.tree.waiting = append(a.tree.waiting, make(chan struct{}))
	}
}

// Visit implements the relay's wait; see the contract at Engine.Visit.
func (a *account) visit(ctx context.Context, mailbox string, tell func(done, total int)) {
	a.awaitFirstLook(ctx)
	var v *visit
	var old *session.Pool
	var far func() measure.Progress
	if err := a.do(ctx, func() {
		if v = a.beginVisit(mailbox); v != nil {
			old, far = a.front.Old.End.Pool, v.folder.watch()
		}
	}); err != nil || v == nil {
		return
	}
	a.await(ctx, v.shown, old, func() {
		if now := far(); tell != nil && now.Total > 0 {
			tell(int(now.Done), int(now.Total))
		}
	})
}

// await waits for done, until ctx ends or the old server shows no life for longer
// than a person should wait while something of the account waits for it.
func (a *account) await(ctx context.Context, done <-chan struct{}, old *session.Pool, tick func()) {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	since := time.Now()
	for n := 0; ; n++ {
		select {
		case <-done:
			old.Answered(time.Since(since))
			return
		case <-a.gone:
			return
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if life := time.Unix(0, old.Life.Load()); life.After(since) {
			old.Answered(life.Sub(since))
			since = life
		}
		if !a.listening.Now() {
			since = time.Now()
		}
		if time.Since(since) > patienceWith(old) {
			old.Silent.Store(true)
			_ = a.do(ctx, a.silent)
			return
		}
		if n%10 == 9 {
			tick()
		}
	}
}

// patienceWith is how long a visitor waits for an old server that shows no life: longer for one
// that has been seen to take its time and to answer then, as it does with large folders, and hardly
// at all for one that others have already waited for in vain.
func patienceWith(old *session.Pool) time.Duration {
	if old.Silent.Load() {
		return noPatience
	}
	return min(max(patience, 3*atOnce*old.Slowest()), mostPatience)
}

// visitingOf is what a visit's pull of a folder has to bear in mind.
func (a *account) visitingOf(f *tracked) transfer.Visiting {
	begun := time.Now()
	for _, v := range a.visits {
		if v.folder == f && v.begun.Before(begun) {
			begun = v.begun
		}
	}
	ordered := a.cfg.Proxy.VisitWait / transfer.OrderShare
	if a.cfg.Proxy.VisitOrder == config.OrderArrival {
		ordered = always
	}
	return transfer.Visiting{Due: begun.Add(ordered), Spare: ordered / 4, Window: a.cfg.Proxy.VisitWindow}
}
