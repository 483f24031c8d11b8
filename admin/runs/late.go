package runs

import (
	"context"

	"postferry/report"
	"postferry/store"
)

// latePart is an account's part that was stopped while its last pass was perhaps
// still ending: what that has copied belongs to the run.
type latePart struct {
	run  store.RunID
	part store.RunAccount
}

// hearLate adds the pass that was under way when an account was stopped.
func (t *Tracker) hearLate(ctx context.Context, e report.PassEnded) {
	l, ok := t.late[e.Account]
	if !ok {
		return
	}
	delete(t.late, e.Account)
	if e.Pass.Started.After(l.part.Ended) {
		return
	}
	o := t.open[l.run]
	if o == nil {
		r, err := t.store.Run(ctx, l.run)
		if err != nil {
			t.failed(ctx, err)
			return
		}
		o = &openRun{Run: r, parts: map[store.AccountID]*openPart{}}
	}
	p := o.parts[e.Account]
	if p == nil {
		p = &openPart{RunAccount: l.part}
	} else if e.Pass.Ended.After(p.last) {
		return // it goes on, and counts the pass itself
	}
	p.Figures.Add(e.Pass)
	o.Figures.Add(e.Pass)
	if t.open[l.run] != nil {
		o.changed = append(o.changed, p.RunAccount)
		return
	}
	if err := t.store.PutRun(ctx, o.Run, []store.RunAccount{p.RunAccount}); err != nil {
		t.failed(ctx, err)
	}
}
