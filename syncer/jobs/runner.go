package jobs

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
	Events chan func()
	Gone   chan struct{} // closed when it has ended
}

// Runner runs jobs on an account's pairs of sessions, for its goroutine.
type Runner struct {
	actor
	Pairs
	Context context.Context // ends the account
	Working context.Context // ends the jobs
	cut     context.CancelFunc
	Running sync.WaitGroup
	winding bool // no job is started any more
	// The credentials that jobs begin with.
	OldCreds, NewCreds store.Credentials
}

// Pairs are the pairs of an account.
type Pairs struct {
	Front       *session.Pair   // visits
	Backs       []*session.Pair // passes: the first always, the others while the servers have room
	Busy        map[*session.Pair]bool
	Connections int // how many the configuration allows; 0 for as many as there are
	Listening   session.Listening
	HeldOld     session.Held // sessions
	HeldNew     session.Held
}

// New makes one without pairs.
func New() *Runner {
	return &Runner{actor: actor{Events: make(chan func(), 16), Gone: make(chan struct{})}, Pairs: Pairs{Busy: map[*session.Pair]bool{}}}
}

// Open lets jobs begin, until ctx ends.
func (r *Runner) Open(ctx context.Context) {
	r.Context = ctx
	r.Working, r.cut = context.WithCancel(ctx)
}

// Close tells that the account's goroutine has ended.
func (r *Runner) Close() {
	r.cut()
	close(r.Gone)
}

// Wind gives what is closed when the last job has ended. None is started any more: it would be waited for by nobody.
func (r *Runner) Wind() <-chan struct{} {
	r.winding = true
	ended := make(chan struct{})
	go func() {
		r.Running.Wait()
		close(ended)
	}()
	return ended
}

// Forget lets go of what opens the servers, once the last job has ended.
func (r *Runner) Forget() {
	r.OldCreds, r.NewCreds = store.Credentials{}, store.Credentials{}
	for _, l := range r.All() {
		l.OldCreds, l.NewCreds = store.Credentials{}, store.Credentials{}
	}
}

// CutOff ends the jobs that run.
func (r *Runner) CutOff() {
	if len(r.Busy) > 0 {
		r.cut()
	}
}

// Do runs fn on the account's goroutine and waits until it has. If it returns an error, fn
// has not run and never will, so that what fn sets is the caller's again.
func (b *actor) Do(ctx context.Context, fn func()) error {
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
	case b.Events <- run:
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			err = ctx.Err()
		case <-b.Gone:
			err = report.ErrStopping
		}
	case <-ctx.Done():
		err = ctx.Err()
	case <-b.Gone:
		err = report.ErrStopping
	}
	if decided.CompareAndSwap(false, true) {
		return err
	}
	<-done
	return nil
}

// Start runs a job on a pair; yield, which may be nil, makes it give up waiting
// for a connection's place; after is run on the account's goroutine when it
// has ended. An account that winds up starts none, and runs neither.
func (r *Runner) Start(l *session.Pair, yield <-chan struct{}, job func(ctx context.Context), after func()) {
	if r.winding {
		return
	}
	l.GiveUpPrefetched()
	r.Begin(l, yield, job, after)
}

// Begin is start for a job that goes on with what has been asked for ahead.
func (r *Runner) Begin(l *session.Pair, yield <-chan struct{}, job func(ctx context.Context), after func()) {
	if r.winding {
		return
	}
	r.Busy[l] = true
	l.OldCreds, l.NewCreds, l.Yield = r.OldCreds, r.NewCreds, yield
	r.Running.Add(1)
	work := r.Working
	go func() {
		defer r.Running.Done()
		job(work)
		l.Rest(work)
		r.Events <- func() {
			delete(r.Busy, l)
			after()
		}
	}()
}

// All are all there are; none before the account is loaded.
func (s *Pairs) All() []*session.Pair {
	if s.Front == nil {
		return nil
	}
	return append([]*session.Pair{s.Front}, s.Backs...)
}

// CloseIdle ends the sessions of pairs that had nothing to do for a while.
func (r *Runner) CloseIdle(now time.Time) {
	for _, l := range r.All() {
		if r.Busy[l] || !l.Idle(now, r.Contended()) {
			continue
		}
		r.Start(l, nil, func(ctx context.Context) { l.End(ctx) }, func() {})
	}
}

// Contended tells whether others wait for the places our sessions hold.
func (s *Pairs) Contended() bool {
	return s.Front.Old.End.Pool.Contended() || s.Front.New.End.Pool.Contended()
}

// News tells whether a problem with a server concerns more than those of other accounts did.
func (s *Pairs) News(side store.Side) bool {
	switch {
	case s.Front == nil:
		return true
	case side == store.OldSide:
		return s.Front.Old.End.Pool.News()
	case side == store.NewSide:
		return s.Front.New.End.Pool.News()
	}
	return true
}

// EndIdle ends the sessions of those pairs that have nothing to do: others need the places.
func (r *Runner) EndIdle(pairs []*session.Pair) {
	if r.Context.Err() != nil {
		return // no job begins any more; all sessions are about to be ended
	}
	for _, l := range pairs {
		if !r.Busy[l] && !l.Empty() {
			r.Start(l, nil, func(ctx context.Context) { l.End(ctx) }, func() {})
		}
	}
}

// After runs fn on the account's goroutine in a while.
func (b *actor) After(d time.Duration, fn func()) *time.Timer {
	return time.AfterFunc(d, func() {
		select {
		case b.Events <- fn:
		case <-b.Gone:
		}
	})
}

// Ready tells whether jobs may begin. After a cut that is once all that it hit have ended.
func (r *Runner) Ready() bool {
	if r.Working.Err() == nil {
		return true
	}
	if len(r.Busy) > 0 {
		return false
	}
	r.cut()
	r.Working, r.cut = context.WithCancel(r.Context)
	return true
}
