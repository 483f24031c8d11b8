package session

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Leader tells the sessions that follow one how far that is.
type Leader struct {
	connected, loggedIn         chan struct{} // closed then
	tellConnected, tellLoggedIn func()
	giveUp                      context.CancelFunc // of those that follow
}

func NewLeader(giveUp context.CancelFunc) *Leader {
	l := &Leader{connected: make(chan struct{}), loggedIn: make(chan struct{}), giveUp: giveUp}
	l.tellConnected = sync.OnceFunc(func() { close(l.connected) })
	l.tellLoggedIn = sync.OnceFunc(func() { close(l.loggedIn) })
	return l
}

// up says that the connection has been made. Of nil, which nobody follows, it does nothing.
func (l *Leader) up() {
	if l != nil {
		l.tellConnected()
	}
}

// in says that the session may be used.
func (l *Leader) in() {
	if l != nil {
		l.tellConnected()
		l.tellLoggedIn()
	}
}

// failed says that there will be no session for now: those that follow give their
// places back, for which the first may have to wait.
func (l *Leader) failed() {
	if l != nil {
		l.giveUp()
	}
}

// turn is when a session that follows may log in; nil for at once.
func (l *Leader) turn() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.loggedIn
}

// Follow opens the pair's sessions behind those that lead. What is in the way
// shows again when the pair is needed.
func (l *Pair) Follow(ctx context.Context, old, new *Leader) {
	l.Old.follows, l.New.follows = old, new
	defer func() { l.Old.follows, l.New.follows = nil, nil }()
	if err := l.openBoth(ctx, old, new); err != nil {
		l.Log.Debug().Err(err).Msg("no further sessions for now")
		l.Drop()
	}
}

func (l *Pair) openBoth(ctx context.Context, old, new *Leader) error {
	for _, connected := range []chan struct{}{old.connected, new.connected} {
		select {
		case <-connected:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if l.Empty() && !(l.Old.End.Pool.calm() && l.New.End.Pool.calm()) {
		return ErrYield // others need the places more
	}
	if err := l.Reserve(ctx); err != nil {
		return err
	}
	var g errgroup.Group
	g.Go(func() error { _, err := l.Old.open(ctx, l, l.OldCreds, l.Dial.Old); return err })
	g.Go(func() error { _, err := l.New.open(ctx, l, l.NewCreds, l.Dial.New); return err })
	return g.Wait()
}
