package runs

import (
	"context"
	"time"

	"postferry/store"
)

// load reads the runs that are open and the schedules.
func (t *Tracker) load(ctx context.Context) (err error) {
	runs, err := t.store.Runs(ctx, "")
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.State == store.RunOpen {
			t.open[r.ID] = &openRun{Run: r}
		}
	}
	if t.schedules, err = t.store.Schedules(ctx); err != nil {
		return err
	}
	return t.catchUp(ctx)
}

// catchUpShare bounds the time that catching up takes: one part of so many. With
// 100,000 accounts of a server that is away it would do nothing else.
const catchUpShare = 20

// catchUpInTime catches up if passes were missed, unless it has just done so.
func (t *Tracker) catchUpInTime(ctx context.Context) {
	began := time.Now()
	if !t.missed || began.Before(t.resting) {
		return
	}
	t.missed = false
	t.flush(ctx)
	if err := t.catchUp(ctx); err != nil {
		t.failed(ctx, err)
	}
	t.resting = time.Now().Add((catchUpShare - 1) * time.Since(began))
}

// catchUp reckons the open runs from what the store knows: the parts of their
// accounts, and the accounts' passes.
func (t *Tracker) catchUp(ctx context.Context) error {
	for _, o := range t.open {
		parts, err := t.store.RunAccounts(ctx, o.ID)
		if err != nil {
			return err
		}
		accounts, err := t.store.Overview(ctx, o.Domain)
		if err != nil {
			return err
		}
		rows := make(map[store.AccountID]*store.Overview, len(accounts))
		for i := range accounts {
			rows[accounts[i].ID] = &accounts[i]
		}
		if err := t.reckon(ctx, o, parts, rows); err != nil {
			return err
		}
	}
	return nil
}

// reckon counts a run's parts anew.
func (t *Tracker) reckon(ctx context.Context, o *openRun, parts []store.RunAccount, rows map[store.AccountID]*store.Overview) error {
	o.parts, o.Figures = map[store.AccountID]*openPart{}, store.Figures{}
	o.Complete, o.Failed, o.Stopped = 0, 0, 0
	for _, part := range parts {
		if part.Outcome == store.OutcomeOpen {
			if err := t.reckonPart(ctx, o, part.Account, rows[part.Account]); err != nil {
				return err
			}
			continue
		}
		*o.counter(part.Outcome)++
		o.Figures.Copied += part.Copied
		o.Figures.Adopted += part.Adopted
		o.Figures.FlagChanges += part.FlagChanges
		o.Figures.Bytes += part.Bytes
		o.Figures.Quarantined += part.Quarantined
	}
	return nil
}

// reckonPart counts a part that is open from the account's history. row is nil for
// an account that is gone.
func (t *Tracker) reckonPart(ctx context.Context, o *openRun, id store.AccountID, row *store.Overview) error {
	p := &openPart{RunAccount: store.RunAccount{Account: id, Outcome: store.OutcomeOpen}}
	o.parts[id] = p
	if row == nil {
		o.close(p, store.OutcomeStopped, time.Now())
		return nil
	}
	if row.Summary.LastPass.After(o.Started) {
		passes, err := t.store.Passes(ctx, id)
		if err != nil {
			return err
		}
		for _, pass := range passes {
			if p.Outcome == store.OutcomeOpen {
				o.count(p, pass, nil)
			}
		}
	}
	if p.Outcome != store.OutcomeOpen {
		return nil
	}
	p.Problem = row.Problem
	switch {
	case row.Problem != nil && row.Problem.NeedsPerson():
		o.close(p, store.OutcomeFailed, time.Now())
	case row.State != store.Active:
		o.close(p, store.OutcomeStopped, time.Now())
	}
	return nil
}

// Reschedule reads the schedules again.
func (t *Tracker) Reschedule(ctx context.Context) error {
	return t.do(ctx, func(loop context.Context) (err error) {
		t.schedules, err = t.store.Schedules(loop)
		return err
	})
}

// longWait is how long the loop waits for nothing in particular.
const longWait = time.Hour

// wait is how long it is until a schedule's next run.
func (t *Tracker) wait() time.Duration {
	now, wait := time.Now(), longWait
	for _, s := range t.schedules {
		if next, ok := s.Next(now); ok {
			wait = min(wait, next.Sub(now))
		}
	}
	if t.missed {
		wait = min(wait, t.resting.Sub(now))
	}
	return max(wait, time.Millisecond)
}

// beginScheduled begins the runs of schedules whose time has come. While one of a
// domain is open, there is no other.
func (t *Tracker) beginScheduled(ctx context.Context) {
	for _, s := range t.schedules {
		began, ok := s.Newest(time.Now())
		if !ok || t.begun[s.Domain].Equal(began) {
			continue
		}
		t.begun[s.Domain] = began
		if t.due(ctx, s.Domain, began) {
			if err := t.beginOf(ctx, s.Domain, began); err != nil {
				t.failed(ctx, err)
			}
		}
	}
}

// due tells whether the domain has had no scheduled run since a time.
func (t *Tracker) due(ctx context.Context, domain string, since time.Time) bool {
	runs, err := t.store.Runs(ctx, domain)
	if err != nil {
		t.failed(ctx, err)
		return false
	}
	for _, r := range runs {
		if r.Kind == store.ScheduledRun && (r.State == store.RunOpen || !r.Started.Before(since)) {
			return false
		}
	}
	return true
}

// beginOf begins a scheduled run of a domain's active accounts.
func (t *Tracker) beginOf(ctx context.Context, domain string, began time.Time) error {
	accounts, err := t.store.Overview(ctx, domain)
	if err != nil {
		return err
	}
	var ids []store.AccountID // of those that the engine works on
	for i := range accounts {
		if o := &accounts[i]; o.State == store.Active && (o.Problem == nil || o.Problem.Advice != store.NeedsFix) {
			ids = append(ids, o.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	r, err := t.add(ctx, store.Run{Domain: domain, Kind: store.ScheduledRun, Started: began, State: store.RunOpen}, ids)
	if err != nil {
		return err
	}
	parts, err := t.store.RunAccounts(ctx, r.ID)
	if err != nil {
		return err
	}
	rows := make(map[store.AccountID]*store.Overview, len(accounts))
	for i := range accounts {
		rows[accounts[i].ID] = &accounts[i]
	}
	return t.reckon(ctx, t.open[r.ID], parts, rows) // passes may have ended since
}
