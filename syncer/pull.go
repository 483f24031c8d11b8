package syncer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"postferry/syncer/foldertree"
	"postferry/syncer/measure"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
)

// pullJob is a pull of one folder, and what belongs to it on the account's side.
type pullJob struct {
	folder  *tracked
	pull    *transfer.Pull
	yield   chan struct{}
	settle  unsettledMove
	ended   func(*tracked, *transfer.Pull, error)
	follows bool // another folder's pull follows on the pair before it has been concluded
	err     error
}

// startPull runs a pull of f on a pair, and of the folders that have been asked for after it; ended is told on the
// account's goroutine.
func (a *account) startPull(l *session.Pair, f *tracked, visit bool, ended func(*tracked, *transfer.Pull, error)) {
	l.Urgent = visit || l == a.front
	if visit {
		l.GiveUpPrefetched()
	}
	j := a.newPull(l, f, visit, ended)
	if !visit && !f.alone {
		j.pull.Outstanding = &transfer.Outstanding{}
	}
	a.begin(l, j.yield, func(ctx context.Context) { j = a.runPulls(ctx, l, j) }, func() { a.pullEnded(j) })
}

// runPulls runs a pull, and those that follow it on the pair while its last answers come in. It returns
// the last one.
func (a *account) runPulls(ctx context.Context, l *session.Pair, j *pullJob) *pullJob {
	for {
		if j.err = j.settle.run(ctx); j.err == nil {
			j.err = a.expectReturns(ctx, j.pull)
		}
		if j.err == nil {
			j.err = j.pull.Run(ctx)
		}
		if j.err != nil || !j.pull.Left() {
			break
		}
		next := a.following(ctx, l, j)
		if next == nil {
			break
		}
		j = next
	}
	if lost := j.pull.EndOutstanding(ctx); lost || j.err != nil {
		l.Drop()
	}
	j.pull.Outstanding.Tell()
	return j
}

// following is the pull of the folder that has been asked for after one of which everything has been sent; nil
// if there is none, or something else comes first.
func (a *account) following(ctx context.Context, l *session.Pair, j *pullJob) (next *pullJob) {
	err := a.do(ctx, func() {
		i := slices.Index(a.backs, l)
		if p := a.pass; p == nil || p.yielded || p.stopped || p.halted || a.work.Err() != nil || i < 0 || !a.roomFor(i) {
			return
		}
		f := a.pass.takeReserved(l, a.visits)
		if f == nil {
			return
		}
		a.pass.pulling++
		next = a.newPull(l, f, false, a.passPulled)
		next.pull.Outstanding, l.Yield, j.follows = j.pull.Outstanding, next.yield, true
	})
	if err != nil {
		return nil
	}
	return next
}

// newPull makes a pull of f on a pair.
func (a *account) newPull(l *session.Pair, f *tracked, visit bool, ended func(*tracked, *transfer.Pull, error)) *pullJob {
	j := &pullJob{folder: f, yield: make(chan struct{}), ended: ended}
	p := &transfer.Pull{
		Job:       transfer.Job{Folder: a.transferred(l, f), Octets: a.tree.status[f.Old].Size, Visit: visit, Thinned: a.thinned(f)},
		Resources: transfer.Resources{Memory: a.memory, Buffers: a.bodies, Limit: a.cfg.Sync.Memory, Clock: a.clock},
		Shared:    transfer.Shared{Meter: &a.meter, RateLimits: a.traffic, Hung: &a.hung, Taking: &a.taking},
		Events:    transfer.Events{Yield: j.yield},
	}
	p.Awaited = visit
	p.Lasting, p.MovedMX = a.refusedLong(f, a.row.Problem), a.movedMX
	if !visit {
		p.Ready, p.Next = l.TakePrefetched(f.Folder, f.looked, a.pass.started), a.comingOn(l)
	}
	if visit {
		p.Visiting = a.visitingOf(f)
		p.Searches.Add(a.visits.searchesOf(f)...)
	}
	if p.Ready == nil {
		p.Early = a.askEarly(f, !l.New.There || l.New.Session.AppendLimit() != 0)
	}
	if inTime, known := p.InTime(p.Early, a.traffic); visit && p.Early > transfer.VisitShown && !(inTime && known) {
		p.Early = 0 // they would come with the oldest first, whatever turns out
	}
	if st := a.tree.status[f.Old]; visit && st.Messages > transfer.VisitShown {
		if inTime, _ := p.InTime(int(st.Messages), a.traffic); !inTime {
			p.Visiting.Next = st.UIDNext
		}
	}
	if f.AllMail {
		p.Archive, p.Octets = &transfer.Archive{Bound: a.tree.status[f.Old].UIDNext}, 0
	}
	p.Told, p.Restless = f.told, f.renumbered > renumberedMost
	id := f.ID
	p.Newest = func() error { return a.noteNewest(f, id) }
	j.pull, j.settle = p, a.unsettled(l, f, j.yield)
	p.Looked = a.lookedAt(f)
	p.Report = func(far measure.Progress) { f.made.Store(&far) }
	f.pulling = &pulling{visit: visit, pull: p, yield: sync.OnceFunc(func() { close(j.yield) })}
	p.Worth = sync.OnceFunc(func() {
		if visit {
			a.events <- func() { // the account hears its jobs to the last
				if f.pulling != nil && f.pulling.pull == p {
					f.pulling.shown = true
				}
				a.visits.show(f)
			}
		}
	})
	p.Concluded = func(err error) {
		if j.err = err; j.follows {
			a.events <- func() { a.pullEnded(j) }
		}
	}
	return j
}

// pullEnded hears of the end of a pull.
func (a *account) pullEnded(j *pullJob) {
	f, p, err := j.folder, j.pull, j.err
	j.settle.note(f)
	for _, search := range p.Searches.Take() {
		search.End()
	}
	f.pulling = nil
	f.looked = time.Now()
	f.Checkpoint = p.Row.Checkpoint
	if foldertree.IsInbox(&f.Folder) {
		a.claims.Pulled(a.id, f.Checkpoint)
	}
	switch {
	case errors.Is(err, transfer.ErrUnanswered):
		f.alone, f.told = true, p.LeftToJudge()
	case errors.Is(err, transfer.ErrOldOther):
		f.renumberedOld++
	case errors.Is(err, transfer.ErrNewOther):
		f.renumberedNew++
	}
	if err == nil {
		f.thin, f.alone, f.told = p.Thin(), false, nil
	}
	a.rows.countAgain(f, p)
	a.rows.noteNumbers(f, p, err)
	f.runSettled()
	a.count(p, err)
	a.metrics.pulled(a.row.Domain, p.Done.Stats())
	a.heedDates(f, p, a.domain.New.Host)
	j.ended(f, p, err)
}

// transferred is what a pull of f on a pair works with.
func (a *account) transferred(l *session.Pair, f *tracked) *recovery.Folder {
	return &recovery.Folder{Account: a.id, Row: f.Folder, Store: a.store, Pair: l, Quiet: a.quiet, Log: a.log.With().Str("folder", f.Title).Logger()}
}

// lookedAt is how the trees have shown a folder to be numbered, unless a server gives it other
// numbers whenever it is asked.
func (a *account) lookedAt(f *tracked) transfer.Looked {
	at := transfer.Looked{OldValidity: a.tree.status[f.Old].UIDValidity, NewValidity: a.tree.newer[f.New].UIDValidity}
	if f.renumberedOld >= looksMost {
		at.OldValidity = 0
	}
	if f.renumberedNew >= looksMost {
		at.NewValidity = 0
	}
	return at
}
