package syncer

import (
	"context"
	"time"

	"postferry/store"
	"postferry/syncer/schedule"
)

// fillSchedule gives every account its first turn.
func (e *Engine) fillSchedule(ctx context.Context) error {
	schedules, err := e.shared.store.Schedules(ctx)
	if err != nil {
		return err
	}
	accounts, err := e.shared.store.Overview(ctx, "")
	if err != nil {
		return err
	}
	e.setSchedules(schedules)
	for i := range accounts {
		e.enter(&accounts[i], time.Now())
	}
	return nil
}

// enter schedules an account by what is known of it.
func (e *Engine) enter(o *store.Overview, now time.Time) {
	if o.State != store.Active || o.Alias != 0 || (o.Problem != nil && o.Problem.Advice == store.NeedsFix) {
		e.schedule.Drop(o.ID)
		return
	}
	t := schedule.Turn{ID: o.ID, Domain: o.Domain, Class: schedule.Rest, Due: now}
	switch {
	case o.Summary.Passes == 0:
		t.Class = schedule.InboxOnly
	case !o.Summary.Completed.IsZero():
		completed := o.Summary.Completed
		if completed.After(now) { // the clock was put back
			completed = now
		}
		due, ok := e.next(o.Domain, completed)
		if !ok {
			e.schedule.Drop(o.ID)
			return
		}
		t.Due = due
	}
	e.schedule.Put(t)
}

// startDue begins the passes whose turn has come and returns when to look again.
func (e *Engine) startDue(now time.Time) time.Duration {
	limit := passesPerPlace * max(e.shared.cfg.Sync.OldConnections, 1) * max(len(e.shared.cfg.AllDomains()), 1)
	for e.passes < limit {
		t, ok, wait := e.schedule.Next(now)
		if !ok {
			if wait == 0 {
				wait = time.Hour
			}
			return wait
		}
		e.startPass(t)
	}
	return time.Hour // the end of a pass calls the loop
}

func (e *Engine) startPass(t schedule.Turn) {
	e.begin(t, passOptions{inboxOnly: t.Class == schedule.InboxOnly, until: time.Now().Add(slice), fresh: t.Asked})
}

// begin makes a pass and then gives the account its next turn.
func (e *Engine) begin(t schedule.Turn, o passOptions) {
	e.passes++
	e.jobs.Add(1)
	ctx := e.ctx
	go func() {
		defer e.jobs.Done()
		r, err := e.passOver(ctx, t.ID, o)
		_ = e.do(ctx, func() {
			e.passes--
			e.again(t, r, err)
		})
	}()
}

// again gives an account its next turn after a pass.
func (e *Engine) again(t schedule.Turn, r passResult, err error) {
	if e.schedule.Has(t.ID) {
		return // it was given another meanwhile
	}
	if e.ledTo(t.ID) != t.ID {
		return // the account that it leads to has turns of its own
	}
	now := time.Now()
	next := schedule.Turn{ID: t.ID, Domain: t.Domain, Class: schedule.Rest, Due: now, Asked: t.Asked}
	switch {
	case err != nil, r.halted:
	case r.problem != nil && r.problem.Advice == store.NeedsFix:
	case r.problem != nil:
		if next.Due = r.problem.Retry; e.retries(t) {
			e.schedule.Put(next)
		}
	case r.yielded || t.Class == schedule.InboxOnly:
		e.schedule.Put(next)
	default:
		if p := e.accounts[t.ID]; p != nil && p.clients > 0 {
			next.Class = schedule.Connected
		}
		var ok bool
		if next.Due, ok = e.next(t.Domain, now); ok {
			next.Asked = false
			e.schedule.Put(next)
		}
	}
}

// retries tells whether an account with trouble is tried again: not once its
// domain's schedule has ended, unless somebody asked for the pass or the
// account has never been copied completely.
func (e *Engine) retries(t schedule.Turn) bool {
	if _, ok := e.next(t.Domain, time.Now()); ok || t.Asked {
		return true
	}
	s, err := e.shared.store.Summary(e.ctx, t.ID)
	return err == nil && s.Completed.IsZero()
}

// passOver makes one pass and waits for its end. An alias's is one over the account that it
// leads to, also if that turns out on the way.
func (e *Engine) passOver(ctx context.Context, id store.AccountID, o passOptions) (passResult, error) {
	at := e.leading(ctx, id)
	r, err := e.passOverOne(ctx, at, o)
	if of := e.leading(ctx, id); err == nil && of != at {
		o.inboxOnly = false // that was for a new account, which this one isn't
		return e.passOverOne(ctx, of, o)
	}
	return r, err
}

func (e *Engine) passOverOne(ctx context.Context, id store.AccountID, o passOptions) (passResult, error) {
	a, leave, err := e.acquire(ctx, id)
	if err != nil {
		return passResult{}, err
	}
	defer leave()
	var reply <-chan passResult
	if err := a.do(ctx, func() { reply = a.beginPass(o) }); err != nil {
		return passResult{}, err
	}
	select {
	case r := <-reply:
		return r, nil
	case <-a.gone:
		select {
		case r := <-reply:
			return r, nil
		default:
			return passResult{}, ErrStopping
		}
	case <-ctx.Done():
		return passResult{}, ctx.Err()
	}
}
