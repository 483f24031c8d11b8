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
	if row.State == store.Active || a.ctx.Err() != nil {
		return // begun again meanwhile, or winding up in any case
	}
	for _, v := range a.visits {
		v.show()
	}
	a.visits = nil
	a.tree.tell()
	if a.tree.yield != nil {
		a.tree.yield()
	}
	if a.pass != nil {
		a.pass.yielded, a.pass.halted = true, true
	}
	for _, f := range a.folders {
		if f.pulling != nil {
			f.pulling.yield()
		}
	}
	for _, l := range a.pairs() {
		if !a.busy[l] && !l.Empty() {
			a.start(l, nil, func(ctx context.Context) { l.End(ctx) }, func() {})
		}
	}
	if a.halting != nil {
		a.halting.Stop()
	}
	a.halting = time.AfterFunc(haltGrace, func() {
		select {
		case a.events <- a.cutOff:
		case <-a.gone:
		}
	})
}

// cutOff ends the jobs of an account that is still stopped.
func (a *account) cutOff() {
	if a.row.State != store.Active && len(a.busy) > 0 {
		a.cut()
	}
}

// ready tells whether jobs may begin. After a cut that is once all that it hit have ended.
func (r *runner) ready() bool {
	if r.work.Err() == nil {
		return true
	}
	if len(r.busy) > 0 {
		return false
	}
	r.cut()
	r.work, r.cut = context.WithCancel(r.ctx)
	return true
}
