package syncer

import (
	"context"
	"sync"
	"time"

	"postferry/report"
	"postferry/store"
	"postferry/syncer/schedule"
)

const (
	// slice is how long a pass may go on while other accounts wait.
	slice = 2 * time.Minute
	// passesPerPlace is how many passes may be begun for each connection a pass could use: those
	// that wait for a place cost little and keep every place taken.
	passesPerPlace = 2
)

// scheduler gives accounts their turns, and makes the passes.
type scheduler struct {
	shared   *shared
	loop     *loop
	leaders  *leaders
	registry *registry
	jobs     *sync.WaitGroup

	// The loop's own.
	ctx      context.Context
	schedule *schedule.Queue
	passes   int // begun by the schedule
	// schedules are the domains' own; background tells whether passes are begun by themselves.
	schedules  map[string]store.Schedule
	background bool
}

// fillSchedule gives every account its first turn.
func (q *scheduler) fillSchedule(ctx context.Context) error {
	schedules, err := q.shared.store.Schedules(ctx)
	if err != nil {
		return err
	}
	accounts, err := q.shared.store.Overview(ctx, "")
	if err != nil {
		return err
	}
	q.setSchedules(schedules)
	for i := range accounts {
		q.enter(&accounts[i], time.Now())
	}
	return nil
}

// enter schedules an account by what is known of it.
func (q *scheduler) enter(o *store.Overview, now time.Time) {
	if o.State != store.Active || o.Alias != 0 || (o.Problem != nil && o.Problem.Advice == store.NeedsFix) {
		q.schedule.Drop(o.ID)
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
		due, ok := q.next(o.Domain, completed)
		if !ok {
			q.schedule.Drop(o.ID)
			return
		}
		t.Due = due
	}
	q.schedule.Put(t)
}

// startDue begins the passes whose turn has come and returns when to look again.
func (q *scheduler) startDue(now time.Time) time.Duration {
	limit := passesPerPlace * max(q.shared.cfg.Sync.OldConnections, 1) * max(len(q.shared.cfg.AllDomains()), 1)
	for q.passes < limit {
		t, ok, wait := q.schedule.Next(now)
		if !ok {
			if wait == 0 {
				wait = time.Hour
			}
			return wait
		}
		q.startPass(t)
	}
	return time.Hour // the end of a pass calls the loop
}

func (q *scheduler) startPass(t schedule.Turn) {
	q.begin(t, passOptions{inboxOnly: t.Class == schedule.InboxOnly, until: time.Now().Add(slice), fresh: t.Asked})
}

// begin makes a pass and then gives the account its next turn.
func (q *scheduler) begin(t schedule.Turn, o passOptions) {
	q.passes++
	q.jobs.Add(1)
	ctx := q.ctx
	go func() {
		defer q.jobs.Done()
		r, err := q.passOver(ctx, t.ID, o)
		_ = q.loop.do(ctx, func() {
			q.passes--
			q.again(t, r, err)
		})
	}()
}

// again gives an account its next turn after a pass.
func (q *scheduler) again(t schedule.Turn, r passResult, err error) {
	if q.schedule.Has(t.ID) {
		return // it was given another meanwhile
	}
	if q.registry.ledTo(t.ID) != t.ID {
		return // the account that it leads to has turns of its own
	}
	now := time.Now()
	next := schedule.Turn{ID: t.ID, Domain: t.Domain, Class: schedule.Rest, Due: now, Asked: t.Asked}
	switch {
	case err != nil, r.halted:
	case r.problem != nil && r.problem.Advice == store.NeedsFix:
	case r.problem != nil:
		if next.Due = r.problem.Retry; q.retries(t) {
			q.schedule.Put(next)
		}
	case r.yielded || t.Class == schedule.InboxOnly:
		q.schedule.Put(next)
	default:
		if p := q.registry.accounts[t.ID]; p != nil && p.clients > 0 {
			next.Class = schedule.Connected
		}
		var ok bool
		if next.Due, ok = q.next(t.Domain, now); ok {
			next.Asked = false
			q.schedule.Put(next)
		}
	}
}

// retries tells whether an account with trouble is tried again: not once its
// domain's schedule has ended, unless somebody asked for the pass or the
// account has never been copied completely.
func (q *scheduler) retries(t schedule.Turn) bool {
	if _, ok := q.next(t.Domain, time.Now()); ok || t.Asked {
		return true
	}
	s, err := q.shared.store.Summary(q.ctx, t.ID)
	return err == nil && s.Completed.IsZero()
}

// passOver makes one pass and waits for its end. An alias's is one over the account that it
// leads to, also if that turns out on the way.
func (q *scheduler) passOver(ctx context.Context, id store.AccountID, o passOptions) (passResult, error) {
	at := q.leaders.leading(ctx, id)
	r, err := q.passOverOne(ctx, at, o)
	if of := q.leaders.leading(ctx, id); err == nil && of != at {
		o.inboxOnly = false // that was for a new account, which this one isn't
		return q.passOverOne(ctx, of, o)
	}
	return r, err
}

func (q *scheduler) passOverOne(ctx context.Context, id store.AccountID, o passOptions) (passResult, error) {
	a, leave, err := q.registry.acquire(ctx, id)
	if err != nil {
		return passResult{}, err
	}
	defer leave()
	var reply <-chan passResult
	if err := a.jobs.Do(ctx, func() { reply = a.passes.begin(o) }); err != nil {
		return passResult{}, err
	}
	select {
	case r := <-reply:
		return r, nil
	case <-a.jobs.Gone:
		select {
		case r := <-reply:
			return r, nil
		default:
			return passResult{}, report.ErrStopping
		}
	case <-ctx.Done():
		return passResult{}, ctx.Err()
	}
}

// GoesOn tells whether passes over a domain's accounts are still begun by themselves.
func (q *scheduler) GoesOn(ctx context.Context, domain string) (goesOn bool) {
	err := q.loop.do(ctx, func() { _, goesOn = q.next(domain, time.Now()) })
	return err == nil && goesOn
}

// Give gives an account a turn.
func (q *scheduler) Give(ctx context.Context, t schedule.Turn) {
	_ = q.loop.do(ctx, func() { q.schedule.Put(t) })
}

// GiveIdle gives accounts turns if no pass is under way, and tells whether it has.
func (q *scheduler) GiveIdle(ctx context.Context, all []schedule.Turn) (given bool) {
	_ = q.loop.do(ctx, func() {
		if given = q.passes == 0; given {
			for _, t := range all {
				q.schedule.Put(t)
			}
		}
	})
	return given
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
