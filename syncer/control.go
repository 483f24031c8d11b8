package syncer

import (
	"context"
	"time"

	"postferry/store"
)

// Begin makes accounts active that are waiting or stopped; their problems are
// forgotten, and with a running background they are due now. It returns those
// it changed.
func (e *Engine) Begin(ctx context.Context, ids []store.AccountID) ([]store.AccountID, error) {
	begun, err := e.leaders.moveStates(ctx, ids, []store.State{store.Waiting, store.Stopped}, store.Active)
	if err != nil {
		return nil, err
	}
	if err := e.shared.store.ForgetProblems(ctx, begun.all); err != nil {
		return begun.asked, err
	}
	return begun.asked, e.scheduler.due(ctx, begun.all, false)
}

// Stop makes active accounts stopped, durably, and returns those it changed.
// What is on its way ends at the next safe point or a second later; Stop does
// not wait for it. Until they are begun again, nothing of them is copied and
// their old server is not contacted.
func (e *Engine) Stop(ctx context.Context, ids []store.AccountID) ([]store.AccountID, error) {
	stopped, err := e.leaders.moveStates(ctx, ids, []store.State{store.Active}, store.Stopped)
	if err != nil {
		return nil, err
	}
	if err := e.loop.do(ctx, func() {
		for _, id := range stopped.all {
			e.schedule.Drop(id)
		}
	}); err != nil {
		return stopped.asked, err
	}
	e.late.Stop(stopped.all)
	return stopped.asked, e.registry.tell(ctx, stopped.all, func(a *account, row store.Account) { a.halted(row) })
}

// Again makes active accounts due now and forgets their problems. One that a
// pass is running over gets another one after it. A pass that meets trouble which
// may pass by itself is tried again even if the domain's schedule has ended.
func (e *Engine) Again(ctx context.Context, ids []store.AccountID) error {
	ids = e.leaders.withLeading(ctx, ids)
	if err := e.shared.store.ForgetProblems(ctx, ids); err != nil {
		return err
	}
	return e.scheduler.due(ctx, ids, true)
}

// Updated tells that accounts were added or given other credentials: their
// problems are forgotten and they are tried again. The credentials of an alias are good for
// the account that it leads to as well.
func (e *Engine) Updated(ctx context.Context, ids []store.AccountID) error {
	var troubled []store.AccountID
	ids = e.leaders.withLeading(ctx, ids)
	for _, id := range ids {
		row, err := e.shared.store.AccountByID(ctx, id)
		if err != nil {
			return err
		}
		if row.Alias != 0 { // as a person has said
			e.shared.claims.Lead(id, row.Alias)
		}
		if row.Problem != nil && row.Problem.Advice == store.NeedsFix {
			troubled = append(troubled, id)
		}
	}
	if len(troubled) > 0 {
		if err := e.shared.store.ForgetProblems(ctx, troubled); err != nil {
			return err
		}
	}
	return e.scheduler.due(ctx, ids, false)
}

// DomainChanged tells that a domain has other servers or another schedule. Its
// accounts at work begin anew with those, and their next turns are reckoned
// from the schedule.
func (e *Engine) DomainChanged(ctx context.Context, name string) error {
	schedules, err := e.shared.store.Schedules(ctx)
	if err != nil {
		return err
	}
	accounts, err := e.shared.store.Overview(ctx, name)
	if err != nil {
		return err
	}
	return e.loop.do(ctx, func() {
		e.scheduler.setSchedules(schedules)
		for i := range accounts {
			e.registry.restart(&accounts[i])
			if e.scheduler.background {
				e.scheduler.enter(&accounts[i], time.Now())
			}
		}
	})
}
