package syncer

import (
	"context"
	"time"

	"postferry/syncer/measure"
	"postferry/syncer/session"
)

// firstLook is how long who opens a folder waits for the first look at the trees while the old
// server is at work on it.
const firstLook = 10 * time.Second

// awaitFirstLook has a client wait that opens a folder before the trees have been looked at for
// the first time: what is in it is not known yet, and it would seem empty. A server that has let us in
// may take some seconds to list a large mailbox, in which it says nothing; one that hasn't is waited for
// no longer than usual.
func (s *visits) awaitFirstLook(ctx context.Context) {
	var looked <-chan struct{}
	var old *session.Pool
	if err := s.jobs.Do(ctx, func() {
		if s.works() && s.mail.Trees.At.IsZero() && !s.looks.vain && len(s.mail.Folders) == 0 {
			done := make(chan struct{})
			s.looks.waiting = append(s.looks.waiting, done)
			looked, old = done, s.jobs.Front.Old.End.Pool
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
		case <-s.jobs.Gone:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		took := time.Since(began)
		if s.jobs.HeldOld.Load() == 0 && took > wait {
			return
		}
		if took > firstLook {
			_ = s.jobs.Do(ctx, func() { s.looks.vain = true }) // the next one waits no more
			return
		}
	}
}

// Visit implements the relay's wait; see the contract at Engine.Visit.
func (s *visits) visit(ctx context.Context, mailbox string, tell func(done, total int)) {
	s.awaitFirstLook(ctx)
	var v *visit
	var old *session.Pool
	var far func() measure.Progress
	if err := s.jobs.Do(ctx, func() {
		if v = s.begin(mailbox); v != nil {
			old, far = s.jobs.Front.Old.End.Pool, v.folder.Watch()
		}
	}); err != nil || v == nil {
		return
	}
	s.await(ctx, v.shown, old, func() {
		if now := far(); tell != nil && now.Total > 0 {
			tell(int(now.Done), int(now.Total))
		}
	})
}

// await waits for done, until ctx ends or the old server shows no life for longer
// than a person should wait while something of the account waits for it.
func (s *visits) await(ctx context.Context, done <-chan struct{}, old *session.Pool, tick func()) {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	since := time.Now()
	for n := 0; ; n++ {
		select {
		case <-done:
			old.Answered(time.Since(since))
			return
		case <-s.jobs.Gone:
			return
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if life := time.Unix(0, old.Life.Load()); life.After(since) {
			old.Answered(life.Sub(since))
			since = life
		}
		if !s.jobs.Listening.Now() {
			since = time.Now()
		}
		if time.Since(since) > patienceWith(old) {
			old.Silent.Store(true)
			_ = s.jobs.Do(ctx, s.problems.silent)
			return
		}
		if n%10 == 9 {
			tick()
		}
	}
}

// patienceWith is how long a visitor waits for an old server that shows no life: longer for one
// that has been seen to take its time and to answer then, as it does with large folders, and hardly
// at all for one that others have already waited for in vain.
func patienceWith(old *session.Pool) time.Duration {
	if old.Silent.Load() {
		return noPatience
	}
	return min(max(patience, 3*atOnce*old.Slowest()), mostPatience)
}
