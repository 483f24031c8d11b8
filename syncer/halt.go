package syncer

import (
	"context"
	"time"

	"postferry/store"
)

// haltGrace is how long the jobs of an account that was stopped may take to reach
// a safe point. After that their connections are cut, as at the end of the
// engine: what was on its way is reconciled when the account is begun again.
const haltGrace = time.Second

// halted takes over that a person has stopped the account.
func (a *account) halted(row store.Account) {
	a.takeRow(row)
	if row.State == store.Active || a.jobs.Context.Err() != nil {
		return // begun again meanwhile, or winding up in any case
	}
	for _, v := range a.visits.list {
		v.show()
	}
	a.visits.list = nil
	a.looks.tell()
	if a.looks.yield != nil {
		a.looks.yield()
	}
	if a.passes.pass != nil {
		a.passes.pass.yielded, a.passes.pass.halted = true, true
	}
	for _, f := range a.mail.Folders {
		if f.Pulling != nil {
			f.Pulling.Yield()
		}
	}
	for _, l := range a.jobs.All() {
		if !a.jobs.Busy[l] && !l.Empty() {
			a.jobs.Start(l, nil, func(ctx context.Context) { l.End(ctx) }, func() {})
		}
	}
	if a.halting != nil {
		a.halting.Stop()
	}
	a.halting = a.jobs.After(haltGrace, a.cutOff)
}

// cutOff ends the jobs of an account that is still stopped.
func (a *account) cutOff() {
	if a.row.State != store.Active {
		a.jobs.CutOff()
	}
}
