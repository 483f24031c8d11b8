package syncer

import (
	"context"
	"sync"
	"time"

	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/session"
)

// Hold makes the pulls of folders of the new server rest, by raw names, with all that is
// below them, and returns when they do or ctx ends. None of them begins again before release
// is called: what a client is about to do to a folder decides where its messages have to go.
// A pull that waits for an old server that shows no life is not waited for longer than a visitor would: it is cut.
func (e *Engine) Hold(ctx context.Context, id store.AccountID, mailboxes ...string) (release func()) {
	a, leave, err := e.registry.acquire(ctx, id)
	if err != nil {
		return func() {}
	}
	var held []*folders.Folder
	var resting []<-chan struct{}
	var old *session.Pool
	if err := a.jobs.Do(ctx, func() {
		if held, resting = a.mail.Folders.Hold(a.mail.AllSpelled(mailboxes), a.mail.Trees.Delim); len(resting) > 0 {
			old = a.jobs.Front.Old.End.Pool
		}
	}); err != nil {
		leave()
		return func() {}
	}
	for _, rests := range resting {
		if a.restsOnItsOwn(ctx, rests, old) {
			continue
		}
		_ = a.jobs.Do(ctx, func() { folders.Cut(held) })
		select {
		case <-rests:
		case <-ctx.Done():
		}
	}
	return sync.OnceFunc(func() {
		defer leave()
		_ = a.jobs.Do(context.Background(), func() { folders.LetGo(held) }) // an account that has ended holds nothing
	})
}

// restsOnItsOwn waits until a pull rests, and returns false if the old server that it waits for shows no life, or ctx ends. How slow
// that server has been doesn't matter: to open the folder once more costs less than a person who waits.
func (a *account) restsOnItsOwn(ctx context.Context, rests <-chan struct{}, old *session.Pool) bool {
	wait := min(patience, patienceWith(old))
	tick := time.NewTicker(noPatience / 2)
	defer tick.Stop()
	for since := time.Now(); time.Since(since) < wait; {
		select {
		case <-rests:
			return true
		case <-a.jobs.Gone:
			return true
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		if life := time.Unix(0, old.Life.Load()); life.After(since) {
			since = life
		}
		if !a.jobs.Listening.Now() {
			since = time.Now()
		}
	}
	if wait == patienceWith(old) {
		old.Silent.Store(true)
	}
	return false
}
