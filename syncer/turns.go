package syncer

import (
	"context"
	"time"

	"postferry/store"
)

// fillSchedule gives every account its first turn.
func (e *Engine) fillSchedule(ctx context.Context) error {
	accounts, err := e.shared.store.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if err := e.enter(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// enter schedules an account by what is known of it.
func (e *Engine) enter(ctx context.Context, a store.Account) error {
	if a.State != store.Active || (a.Problem != nil && a.Problem.Advice == store.NeedsFix) {
		e.schedule.drop(a.ID)
		return nil
	}
	passes, err := e.shared.store.Passes(ctx, a.ID)
	if err != nil {
		return err
	}
	c, due := classInbox, time.Now()
	for _, p := range passes {
		c = classRest
		if p.Complete {
			due = p.Ended.Add(e.shared.cfg.Sync.Interval)
		}
	}
	e.schedule.put(a.ID, c, due)
	return nil
}

// startDue begins the passes whose turn has come and returns when to look again.
func (e *Engine) startDue(now time.Time) time.Duration {
	limit := passesPerPlace * max(e.shared.cfg.Sync.OldConnections, 1) * max(len(e.shared.cfg.AllDomains()), 1)
	for e.passes < limit {
		t, ok, wait := e.schedule.next(now)
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

func (e *Engine) startPass(t turn) {
	e.begin(t, passOptions{inboxOnly: t.class == classInbox, until: time.Now().Add(slice)})
}

// begin makes a pass and then gives the account its next turn.
func (e *Engine) begin(t turn, o passOptions) {
	e.passes++
	e.jobs.Add(1)
	ctx := e.ctx
	go func() {
		defer e.jobs.Done()
		r, err := e.passOver(ctx, t.id, o)
		_ = e.do(ctx, func() {
			e.passes--
			e.again(t, r, err)
		})
	}()
}

// again gives an account its next turn after a pass.
func (e *Engine) again(t turn, r passResult, err error) {
	if e.schedule.byID[t.id] != nil {
		return // it was given another meanwhile
	}
	now := time.Now()
	switch {
	case err != nil:
	case r.problem != nil && r.problem.Advice == store.NeedsFix:
	case r.problem != nil:
		e.schedule.put(t.id, classRest, r.problem.Retry)
	case r.yielded || t.class == classInbox:
		e.schedule.put(t.id, classRest, now)
	default:
		c := classRest
		if p := e.accounts[t.id]; p != nil && p.clients > 0 {
			c = classConnected
		}
		e.schedule.put(t.id, c, now.Add(e.shared.cfg.Sync.Interval))
	}
}

// passOver makes one pass and waits for its end.
func (e *Engine) passOver(ctx context.Context, id store.AccountID, o passOptions) (passResult, error) {
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
			return passResult{}, errStopping
		}
	case <-ctx.Done():
		return passResult{}, ctx.Err()
	}
}
