package runs

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"postferry/report"
	"postferry/store"
)

// Tracker follows the runs: it knows which accounts of which run are not through,
// hears of every pass that ends, and begins the runs of schedules. What it knows
// is in the store, so that it goes on after a restart.
type Tracker struct {
	store Store
	ferry passesSource
	log   zerolog.Logger

	calls chan func(context.Context)
	ended chan struct{}

	// The loop's own.
	open      map[store.RunID]*openRun
	schedules []store.Schedule
	begun     map[string]time.Time // the newest time of each schedule that was looked at
	late      map[store.AccountID]latePart
	missed    bool      // passes have ended that it has not heard of
	resting   time.Time // until when it does not catch up again
}

// openRun is a run that is not through.
type openRun struct {
	store.Run
	parts   map[store.AccountID]*openPart
	changed []store.RunAccount // not in the store yet
}

// openPart is an account's part that is open.
type openPart struct {
	store.RunAccount
	last time.Time // when the newest pass that is counted ended
}

func New(st Store, ferry passesSource, log zerolog.Logger) *Tracker {
	return &Tracker{
		store: st, ferry: ferry, log: log,
		calls: make(chan func(context.Context)), ended: make(chan struct{}), open: map[store.RunID]*openRun{}, late: map[store.AccountID]latePart{}, begun: map[string]time.Time{},
	}
}

// Run follows until ctx ends.
func (t *Tracker) Run(ctx context.Context) error {
	defer close(t.ended)
	passes := t.ferry.Passes(ctx) // before the store is read, so that nothing falls in between
	if err := t.load(ctx); err != nil {
		return err
	}
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case fn := <-t.calls:
			fn(ctx)
		case e, more := <-passes:
			if !more {
				return nil
			}
			t.hear(ctx, e)
			for n := len(passes); n > 0; n-- { // one write for all that wait
				t.hear(ctx, <-passes)
			}
		case <-tick.C:
		}
		t.catchUpInTime(ctx)
		t.beginScheduled(ctx)
		t.flush(ctx)
		tick.Reset(t.wait())
	}
}

// do runs fn on the loop and waits until it has, and what it changed is stored.
func (t *Tracker) do(ctx context.Context, fn func(ctx context.Context) error) error {
	done := make(chan error, 1)
	select {
	case t.calls <- func(loop context.Context) {
		err := fn(loop)
		t.flush(loop)
		done <- err
	}:
		return <-done
	case <-t.ended:
		return report.ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Begin begins a run of accounts and lets start set them going.
func (t *Tracker) Begin(ctx context.Context, r store.Run, ids []store.AccountID, start func() error) (store.RunID, error) {
	r.State, r.Started = store.RunOpen, time.Now()
	err := t.do(ctx, func(loop context.Context) (err error) {
		if r, err = t.add(loop, r, ids); err != nil {
			return err
		}
		return t.set(ids, start)
	})
	return r.ID, err
}

// set sets accounts going whose parts are open, on the loop: to one that catches up
// in between they would seem to be stopped. If it can't be done, their parts are over.
func (t *Tracker) set(ids []store.AccountID, start func() error) error {
	err := start()
	if err != nil {
		t.stopParts(ids)
	}
	return err
}

// add stores a run and follows it.
func (t *Tracker) add(ctx context.Context, r store.Run, ids []store.AccountID) (store.Run, error) {
	r, err := t.store.AddRun(ctx, r, ids)
	if err != nil {
		return r, err
	}
	o := &openRun{Run: r, parts: make(map[store.AccountID]*openPart, len(ids))}
	for _, id := range ids {
		o.parts[id] = &openPart{RunAccount: store.RunAccount{Account: id, Outcome: store.OutcomeOpen}}
	}
	t.open[r.ID] = o
	return r, nil
}

// Stopped hears that a person has stopped accounts: their parts are over.
func (t *Tracker) Stopped(ctx context.Context, ids []store.AccountID) error {
	return t.do(ctx, func(context.Context) error {
		t.stopParts(ids)
		return nil
	})
}

func (t *Tracker) stopParts(ids []store.AccountID) {
	for _, o := range t.open {
		for _, id := range ids {
			if p := o.parts[id]; p != nil {
				o.close(p, store.OutcomeStopped, time.Now())
				t.late[id] = latePart{run: o.ID, part: p.RunAccount}
			}
		}
	}
}

// Resume lets start set stopped accounts of a domain going again: those that were
// stopped in their newest run, or had failed in it, belong to it again. It returns the
// newest of these runs, 0 if there is none.
func (t *Tracker) Resume(ctx context.Context, domain string, ids []store.AccountID, start func() error) (run store.RunID, err error) {
	err = t.do(ctx, func(loop context.Context) error {
		if run, err = t.rejoin(loop, domain, ids, store.OutcomeStopped, store.OutcomeFailed); err != nil {
			return err
		}
		return t.set(ids, start)
	})
	return run, err
}

// Corrected hears that logins or passwords of accounts of a domain are other ones now:
// active ones that had failed in their newest run belong to it again.
func (t *Tracker) Corrected(ctx context.Context, domain string, ids []store.AccountID) error {
	return t.do(ctx, func(loop context.Context) error {
		active, err := t.active(loop, ids) // as they are now: a Stop that comes later is heard later
		if err == nil {
			_, err = t.rejoin(loop, domain, active, store.OutcomeFailed)
		}
		return err
	})
}

// active returns those of the accounts that are.
func (t *Tracker) active(ctx context.Context, ids []store.AccountID) (active []store.AccountID, err error) {
	for _, id := range ids {
		a, err := t.store.AccountByID(ctx, id)
		switch {
		case err == nil && a.State == store.Active:
			active = append(active, id)
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	return active, nil
}

// rejoin opens the parts that accounts have in the newest run of each again, if they
// ended in one of these ways. It returns the newest of the runs, 0 if there is none.
func (t *Tracker) rejoin(ctx context.Context, domain string, ids []store.AccountID, ended ...store.Outcome) (run store.RunID, err error) {
	runs, err := t.store.Runs(ctx, domain)
	if err != nil {
		return 0, err
	}
	left := make(map[store.AccountID]bool, len(ids))
	for _, id := range ids {
		left[id] = true
	}
	for _, r := range runs {
		if len(left) == 0 {
			break
		}
		reopened, err := t.reopen(ctx, r, ended, left)
		if err != nil {
			return run, err
		}
		if reopened && run == 0 {
			run = r.ID
		}
	}
	return run, nil
}

// reopen lets the parts of left's accounts go on that ended in one of these ways, and
// takes all accounts of the run out of left.
func (t *Tracker) reopen(ctx context.Context, r store.Run, ended []store.Outcome, left map[store.AccountID]bool) (bool, error) {
	parts, err := t.store.RunAccounts(ctx, r.ID)
	if err != nil {
		return false, err
	}
	o := t.open[r.ID]
	if o == nil {
		o = &openRun{Run: r, parts: map[store.AccountID]*openPart{}}
	}
	reopened := false
	for _, p := range parts {
		if !left[p.Account] {
			continue
		}
		delete(left, p.Account)
		if !slices.Contains(ended, p.Outcome) {
			continue
		}
		*o.counter(p.Outcome)--
		p.Outcome, p.Ended, p.Problem = store.OutcomeOpen, time.Time{}, nil
		o.parts[p.Account] = &openPart{RunAccount: p, last: time.Now()}
		o.changed = append(o.changed, p)
		reopened = true
	}
	if reopened {
		o.State, o.Ended = store.RunOpen, time.Time{}
		t.open[r.ID] = o
	}
	return reopened, nil
}

// hear counts a pass that ended.
func (t *Tracker) hear(ctx context.Context, e report.PassEnded) {
	if e.Missed {
		t.missed = true
		return
	}
	t.hearLate(ctx, e)
	for _, o := range t.open {
		if p := o.parts[e.Account]; p != nil {
			o.count(p, e.Pass, e.Problem)
		}
	}
}

// count adds a pass to an account's part, which it may end. One that began before
// the run does not belong to it.
func (o *openRun) count(p *openPart, pass store.Pass, problem *store.Problem) {
	if pass.Started.Before(o.Started) || !pass.Ended.After(p.last) {
		return
	}
	p.last = pass.Ended
	p.Passes++
	p.Figures.Add(pass)
	o.Figures.Add(pass)
	p.Problem = problem
	switch {
	case pass.Complete:
		o.close(p, store.OutcomeComplete, pass.Ended)
	case problem != nil && problem.NeedsPerson():
		o.close(p, store.OutcomeFailed, pass.Ended)
	default:
		o.changed = append(o.changed, p.RunAccount)
	}
}

// close ends an account's part.
func (o *openRun) close(p *openPart, outcome store.Outcome, when time.Time) {
	p.Outcome, p.Ended = outcome, when
	*o.counter(outcome)++
	o.changed = append(o.changed, p.RunAccount)
	delete(o.parts, p.Account)
}

// counter counts the run's accounts with an outcome. Those that are open are not
// counted.
func (o *openRun) counter(outcome store.Outcome) *uint64 {
	switch outcome {
	case store.OutcomeComplete:
		return &o.Complete
	case store.OutcomeFailed:
		return &o.Failed
	case store.OutcomeStopped:
		return &o.Stopped
	}
	return new(uint64)
}

// flush stores what has changed, and lets go of runs that are through.
func (t *Tracker) flush(ctx context.Context) {
	for id, o := range t.open {
		through := len(o.parts) == 0
		if len(o.changed) == 0 && !through {
			continue
		}
		if through {
			o.State, o.Ended = store.RunDone, time.Now()
			if o.Stopped > 0 {
				o.State = store.RunStopped
			}
		}
		err := t.store.PutRun(ctx, o.Run, o.changed)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.failed(ctx, err)
			continue // with what comes next
		}
		o.changed = nil
		if through || err != nil {
			delete(t.open, id)
		}
	}
}

func (t *Tracker) failed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		t.log.Error().Err(err).Msg("what a run came to could not be recorded")
	}
}
