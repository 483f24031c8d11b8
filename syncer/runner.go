package syncer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"postferry/report"
	"postferry/store"
	"postferry/syncer/session"
)

// actor is how others reach an account's goroutine.
type actor struct {
	events chan func()
	gone   chan struct{} // closed when it has ended
}

// runner runs jobs on an account's pairs of sessions, for its goroutine.
type runner struct {
	actor
	pairSet
	ctx     context.Context // ends the account
	work    context.Context // ends the jobs
	cut     context.CancelFunc
	jobs    sync.WaitGroup
	halting *time.Timer // until the jobs of a stopped account are cut; nil if none is
	// The credentials that jobs begin with.
	oldCreds, newCreds store.Credentials
}

// pairSet are the pairs of an account.
type pairSet struct {
	front       *session.Pair   // visits
	backs       []*session.Pair // passes: the first always, the others while the servers have room
	busy        map[*session.Pair]bool
	connections int // how many the configuration allows; 0 for as many as there are
	listening   session.Listening
	heldOld     session.Held // sessions
	heldNew     session.Held
}

// do runs fn on the account's goroutine and waits until it has. If it returns an error, fn
// has not run and never will, so that what fn sets is the caller's again.
func (b *actor) do(ctx context.Context, fn func()) error {
	done := make(chan struct{})
	var decided atomic.Bool // that fn runs, or that it doesn't
	run := func() {
		if decided.CompareAndSwap(false, true) {
			fn()
			close(done)
		}
	}
	var err error
	select {
	case b.events <- run:
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			err = ctx.Err()
		case <-b.gone:
			err = report.ErrStopping
		}
	case <-ctx.Done():
		err = ctx.Err()
	case <-b.gone:
		err = report.ErrStopping
	}
	if decided.CompareAndSwap(false, true) {
		return err
	}
	<-done
	return nil
}

// start runs a job on a pair; yield, which may be nil, makes it give up waiting
// for a connection's place; after is run on the account's goroutine when it
// has ended.
func (r *runner) start(l *session.Pair, yield <-chan struct{}, job func(ctx context.Context), after func()) {
	l.GiveUpPrefetched()
	r.begin(l, yield, job, after)
}

// begin is start for a job that goes on with what has been asked for ahead.
func (r *runner) begin(l *session.Pair, yield <-chan struct{}, job func(ctx context.Context), after func()) {
	r.busy[l] = true
	l.OldCreds, l.NewCreds, l.Yield = r.oldCreds, r.newCreds, yield
	r.jobs.Add(1)
	work := r.work
	go func() {
		defer r.jobs.Done()
		job(work)
		l.Rest(work)
		r.events <- func() {
			delete(r.busy, l)
			after()
		}
	}()
}

// pairs are all there are; none before the account is loaded.
func (s *pairSet) pairs() []*session.Pair {
	if s.front == nil {
		return nil
	}
	return append([]*session.Pair{s.front}, s.backs...)
}

// closeIdle ends the sessions of pairs that had nothing to do for a while.
func (r *runner) closeIdle(now time.Time) {
	for _, l := range r.pairs() {
		if r.busy[l] || !l.Idle(now, r.contended()) {
			continue
		}
		r.start(l, nil, func(ctx context.Context) { l.End(ctx) }, func() {})
	}
}

// contended tells whether others wait for the places our sessions hold.
func (s *pairSet) contended() bool {
	return s.front.Old.End.Pool.Contended() || s.front.New.End.Pool.Contended()
}

// news tells whether a problem with a server concerns more than those of other accounts did.
func (s *pairSet) news(side store.Side) bool {
	switch {
	case s.front == nil:
		return true
	case side == store.OldSide:
		return s.front.Old.End.Pool.News()
	case side == store.NewSide:
		return s.front.New.End.Pool.News()
	}
	return true
}
