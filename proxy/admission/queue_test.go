package admission

import (
	"context"
	"errors"
	"testing"
	"time"
)

// queued is a login in a queue: its name, and what it was told.
type queued struct {
	login string
	leave func()
	err   error
	gone  context.CancelFunc
}

// queueRig is a queue whose logins get their turns one by one.
type queueRig struct {
	*Queue
	t      *testing.T
	turned chan *queued
}

func newQueueRig(t *testing.T, each, all int) *queueRig {
	return &queueRig{t: t, turned: make(chan *queued, 100), Queue: &Queue{each: each, all: all, domains: map[string]*turns{}}}
}

// come queues a login and returns when it waits or has been answered.
func (r *queueRig) come(domain string, limit int, login string) *queued {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	w := &queued{login: login, gone: cancel}
	waits := make(chan struct{}, 2)
	go func() {
		w.leave, w.err = r.Enter(ctx, domain, limit, login, func(gone func()) func() {
			w.gone = gone
			waits <- struct{}{}
			return func() {}
		})
		waits <- struct{}{}
		r.turned <- w
	}()
	<-waits
	return w
}

// turn is the login that is answered next.
func (r *queueRig) turn(login string, want error) *queued {
	r.t.Helper()
	select {
	case w := <-r.turned:
		if w.login != login || !errors.Is(w.err, want) {
			r.t.Fatalf("%s is answered, %v; want %s, %v", w.login, w.err, login, want)
		}
		return w
	case <-time.After(30 * time.Second):
		r.t.Fatalf("nobody is answered; want %s", login)
	}
	return nil
}

// TestLoginsTakeTurns: one name after the other, whoever comes first within a name.
func TestLoginsTakeTurns(t *testing.T) {
	r := newQueueRig(t, 100, 100)
	r.come("d", 1, "greedy")
	first := r.turn("greedy", nil)
	for range 3 {
		r.come("d", 1, "greedy")
	}
	r.come("d", 1, "anna")
	r.come("d", 1, "bert")
	r.come("other", 1, "carla") // another domain waits for nobody
	r.turn("carla", nil)
	for _, next := range []string{"greedy", "anna", "bert", "greedy", "greedy"} {
		first.leave()
		first.leave()
		first = r.turn(next, nil)
	}
	r.come("d", 3, "dora") // the limit has been raised
	r.turn("dora", nil)
	first.leave()
	if len(r.turned) > 0 {
		t.Error("somebody has a turn twice")
	}
}

// TestLoginQueueIsBounded: what comes over the bound is refused at once, and nothing is kept
// of those that have gone.
func TestLoginQueueIsBounded(t *testing.T) {
	r := newQueueRig(t, 2, 3)
	r.come("d", 1, "a")
	a := r.turn("a", nil)
	b, c := r.come("d", 1, "b"), r.come("d", 1, "b")
	r.come("d", 1, "x")
	r.turn("x", ErrCrowded)
	r.come("e", 1, "f")
	f := r.turn("f", nil)
	r.come("e", 1, "g") // another domain has room of its own
	r.come("e", 1, "x")
	r.turn("x", ErrCrowded) // but not more than all have
	c.gone()
	r.turn("b", ErrTurn)
	b.gone()
	r.turn("b", ErrTurn)
	r.come("d", 1, "h")
	a.leave()
	r.turn("h", nil).leave()
	f.leave()
	r.turn("g", nil).leave()
	if r.waiting != 0 || len(r.domains) != 0 {
		t.Errorf("%d wait, %d domains are kept", r.waiting, len(r.domains))
	}
}
