package syncer

import (
	"context"
	"reflect"
	"time"

	"postferry/store"
	"postferry/syncer/schedule"
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

// due lets accounts at work take over their rows and gives those that are
// active a turn now.
func (q *scheduler) due(ctx context.Context, ids []store.AccountID, asked bool) error {
	// Before their next pass begins: with the former row that would be over at once.
	if err := q.registry.tell(ctx, ids, func(a *account, row store.Account) { a.updated(row) }); err != nil {
		return err
	}
	turns := make([]schedule.Turn, 0, len(ids))
	for _, id := range ids {
		t, err := q.turnNow(ctx, id)
		if err != nil {
			return err
		}
		t.Asked = asked
		turns = append(turns, t)
	}
	return q.loop.do(ctx, func() {
		for _, t := range turns {
			if t.Domain == "" {
				q.schedule.Drop(t.ID)
				continue
			}
			q.schedule.Put(t)
		}
	})
}

// turnNow is a turn for an account now, without domain if it is not active.
func (q *scheduler) turnNow(ctx context.Context, id store.AccountID) (schedule.Turn, error) {
	row, err := q.shared.store.AccountByID(ctx, id)
	if err != nil || row.State != store.Active || row.Alias != 0 {
		return schedule.Turn{ID: id}, err
	}
	summary, err := q.shared.store.Summary(ctx, id)
	t := schedule.Turn{ID: id, Domain: row.Domain, Class: schedule.Rest, Due: time.Now()}
	if summary.Passes == 0 {
		t.Class = schedule.InboxOnly
	}
	return t, err
}

// tell runs fn with the store's row on the goroutines of those accounts that are
// at work. Those that are going read their row anew when they come back.
func (g *registry) tell(ctx context.Context, ids []store.AccountID, fn func(*account, store.Account)) error {
	var at []*account
	if err := g.loop.do(ctx, func() {
		for _, id := range ids {
			if p := g.accounts[id]; p != nil {
				at = append(at, p.account)
			}
		}
	}); err != nil {
		return err
	}
	for _, a := range at {
		row, err := g.shared.store.AccountByID(ctx, a.id)
		if err != nil {
			return err
		}
		if err := a.jobs.Do(ctx, func() { fn(a, row) }); err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
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

// restart lets an account at work end if its domain's servers have changed. Who
// uses it finds it again with the new ones.
func (g *registry) restart(o *store.Overview) {
	p := g.accounts[o.ID]
	if p == nil || p.going {
		return
	}
	now, known := g.shared.cfg.DomainNamed(o.Domain)
	if was := p.account.servers.Load(); was != nil && known && reflect.DeepEqual(was, now) {
		return
	}
	p.leave()
}

// setSchedules takes over the domains' schedules.
func (q *scheduler) setSchedules(all []store.Schedule) {
	q.schedules = make(map[string]store.Schedule, len(all))
	for _, s := range all {
		q.schedules[s.Domain] = s
	}
}

// next is when an account's next pass begins after one that ended at a time; ok
// is false if its domain's schedule has ended by then.
func (q *scheduler) next(domain string, after time.Time) (due time.Time, ok bool) {
	s, scheduled := q.schedules[domain]
	if !scheduled {
		return after.Add(q.shared.cfg.Sync.Interval), true
	}
	return s.Next(after)
}
