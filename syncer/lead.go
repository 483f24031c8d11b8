package syncer

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

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
