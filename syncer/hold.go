package syncer

import (
	"context"
	"sync"

	"postferry/store"
	"postferry/syncer/folders"
)

// Hold makes the pulls of folders of the new server rest, by raw names, with all that is
// below them, and returns when they do or ctx ends. None of them begins again before release
// is called: what a client is about to do to a folder decides where its messages have to go.
func (e *Engine) Hold(ctx context.Context, id store.AccountID, mailboxes ...string) (release func()) {
	a, leave, err := e.registry.acquire(ctx, id)
	if err != nil {
		return func() {}
	}
	var held []*folders.Folder
	var resting []<-chan struct{}
	if err := a.jobs.Do(ctx, func() { held, resting = a.mail.Folders.Hold(mailboxes, a.mail.Trees.Delim) }); err != nil {
		leave()
		return func() {}
	}
	for _, rests := range resting {
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
