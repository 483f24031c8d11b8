package syncer

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"postferry/store"
)

// The sessions of an account's other lanes for passes are opened while the first
// one still logs in and looks at the folder trees: far away that takes as long as
// copying a small folder does. They connect after the first and log in after it,
// so that a server that refuses the password hears it once, and one that has room
// for a single connection gives it to the first.

// lead tells the sessions that follow one how far that is.
type lead struct {
	connected, loggedIn         chan struct{} // closed then
	tellConnected, tellLoggedIn func()
	giveUp                      context.CancelFunc // of those that follow
}

func newLead(giveUp context.CancelFunc) *lead {
	l := &lead{connected: make(chan struct{}), loggedIn: make(chan struct{}), giveUp: giveUp}
	l.tellConnected = sync.OnceFunc(func() { close(l.connected) })
	l.tellLoggedIn = sync.OnceFunc(func() { close(l.loggedIn) })
	return l
}

// up says that the connection has been made. Of nil, which nobody follows, it does nothing.
func (l *lead) up() {
	if l != nil {
		l.tellConnected()
	}
}

// in says that the session may be used.
func (l *lead) in() {
	if l != nil {
		l.tellConnected()
		l.tellLoggedIn()
	}
}

// failed says that there will be no session for now: those that follow give their
// places back, for which the first may have to wait.
func (l *lead) failed() {
	if l != nil {
		l.giveUp()
	}
}

// turn is when a session that follows may log in; nil for at once.
func (l *lead) turn() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.loggedIn
}

// openAhead opens the sessions of the pass's other lanes behind those of the first,
// on which the look at the trees is about to be started.
func (a *account) openAhead() {
	if a.pass.endAhead != nil || !a.severalFolders() {
		return
	}
	ctx, cancel := context.WithCancel(a.work)
	old, new := newLead(cancel), newLead(cancel)
	a.backs[0].old.lead, a.backs[0].new.lead = old, new
	a.pass.endAhead = cancel
	for i, l := range a.backs {
		if i > 0 && a.mayPull(i) {
			a.start(l, nil, func(context.Context) { l.follow(ctx, old, new) }, func() { a.followed(l) })
		}
	}
}

// severalFolders tells whether a pass is likely to pull more than one folder.
func (a *account) severalFolders() bool {
	if a.pass.options.inboxOnly || a.front.pop3() {
		return false
	}
	missing := 0
	for _, f := range a.folders {
		if !f.complete() && (f.State == store.FolderPresent || f.State == store.FolderPlanned) {
			missing++
		}
	}
	return missing > 1 || len(a.folders) == 0
}

// followed goes on with a lane whose sessions have been opened ahead.
func (a *account) followed(l *lane) {
	if a.pass == nil { // it ended meanwhile
		a.endIdle([]*lane{l})
	}
}

// follow opens the lane's sessions behind those that lead. What is in the way
// shows again when the lane is needed.
func (l *lane) follow(ctx context.Context, old, new *lead) {
	l.old.follows, l.new.follows = old, new
	defer func() { l.old.follows, l.new.follows = nil, nil }()
	if err := l.openBoth(ctx, old, new); err != nil {
		l.log.Debug().Err(err).Msg("no further sessions for now")
		l.drop()
	}
}

func (l *lane) openBoth(ctx context.Context, old, new *lead) error {
	for _, connected := range []chan struct{}{old.connected, new.connected} {
		select {
		case <-connected:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if l.empty() && !(l.old.end.pool.calm() && l.new.end.pool.calm()) {
		return errYield // others need the places more
	}
	if err := l.reserve(ctx); err != nil {
		return err
	}
	var g errgroup.Group
	g.Go(func() error { _, err := l.old.open(ctx, l, l.oldCreds, l.dial.old); return err })
	g.Go(func() error { _, err := l.new.open(ctx, l, l.newCreds, l.dial.new); return err })
	return g.Wait()
}

// askEarly is how many of a folder's messages are asked for without a listing, which saves
// a round trip and work: all, of a folder that is not large and is missing on the new
// server. Where limits are to be kept their sizes must be known first.
// limited says that the new server has a limit for messages.
func (a *account) askEarly(f *tracked, limited bool) int {
	st, empty := a.tree.status[f.Old], a.tree.empty[f.New]
	delete(a.tree.empty, f.New) // that holds once
	cp := f.Checkpoint
	switch {
	case !empty || st.UIDNext > listWindow+1:
	case len(a.thinned(f)) > 0: // its messages may be known under other keys
	case cp.UIDValidity != 0 || !cp.Checked.IsZero() || f.Again > 0:
	case a.traffic.old.budget.limit > 0 || a.traffic.new.budget.limit > 0 || limited:
	default:
		return min(int(st.Messages), listWindow)
	}
	return 0
}
