package syncer

import (
	"context"
	"slices"
	"sync"

	"postferry/store"
	"postferry/syncer/foldertree"
)

// Hold makes the pulls of folders of the new server rest, by raw names, with all that is
// below them, and returns when they do or ctx ends. None of them begins again before release
// is called: what a client is about to do to a folder decides where its messages have to go.
func (e *Engine) Hold(ctx context.Context, id store.AccountID, mailboxes ...string) (release func()) {
	a, leave, err := e.registry.acquire(ctx, id)
	if err != nil {
		return func() {}
	}
	var held []*tracked
	var resting []<-chan struct{}
	if err := a.do(ctx, func() { held, resting = a.folders.hold(mailboxes, a.tree.delim) }); err != nil {
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
		_ = a.do(context.Background(), func() { letGo(held) }) // an account that has ended holds nothing
	})
}

// hold keeps pulls from folders; of those under way it returns what is closed when they rest.
func (all folderList) hold(mailboxes []string, delim byte) (held []*tracked, resting []<-chan struct{}) {
	for _, f := range all {
		if !slices.ContainsFunc(mailboxes, func(name string) bool { return f.New == name || foldertree.IsBelow(f.New, name, delim) }) {
			continue
		}
		f.holds++
		held = append(held, f)
		if f.pulling != nil {
			rests := make(chan struct{})
			f.settled = append(f.settled, func() { close(rests) })
			f.pulling.yield()
			resting = append(resting, rests)
		}
	}
	return held, resting
}

// letGo lets pulls begin again.
func letGo(held []*tracked) {
	for _, f := range held {
		f.holds--
	}
}

// mayPull tells whether a pull of the folder may begin.
func (f *tracked) mayPull() bool { return f.pulling == nil && f.holds == 0 }
