package syncer

import (
	"context"
	"time"

	"postferry/syncer/session"
)

// firstLook is how long who opens a folder waits for the first look at the trees while the old
// server is at work on it.
const firstLook = 10 * time.Second

// awaitFirstLook has a client wait that opens a folder before the trees have been looked at for
// the first time: what is in it is not known yet, and it would seem empty. A server that has let us in
// may take some seconds to list a large mailbox, in which it says nothing; one that hasn't is waited for
// no longer than usual.
func (a *account) awaitFirstLook(ctx context.Context) {
	var looked <-chan struct{}
	var old *session.Pool
	if err := a.do(ctx, func() {
		if a.works() && a.tree.at.IsZero() && !a.tree.vain && len(a.folders) == 0 {
			done := make(chan struct{})
			a.tree.waiting = append(a.tree.waiting, done)
			looked, old = done, a.front.Old.End.Pool
		}
	}); err != nil || looked == nil {
		return
	}
	wait := patienceWith(old)
	tick := time.NewTicker(noPatience / 4)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-looked:
			old.Answered(time.Since(began))
			return
		case <-a.gone:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		took := time.Since(began)
		if a.heldOld.Load() == 0 && took > wait {
			return
		}
		if took > firstLook {
			_ = a.do(ctx, func() { a.tree.vain = true }) // the next one waits no more
			return
		}
	}
}
