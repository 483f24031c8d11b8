package jobs

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"postferry/report"
	"postferry/syncer/session"
)

// TestDoGivenUp: an error of do means that what was to be done will not be, so that the
// caller's variables are its own again. One that is being done is waited for.
func TestDoGivenUp(t *testing.T) {
	a := &actor{Events: make(chan func(), 1), Gone: make(chan struct{})}
	t.Run("waiting in the queue", func(t *testing.T) {
		ran := 0
		synctest.Test(t, func(t *testing.T) {
			a := &actor{Events: make(chan func(), 1), Gone: make(chan struct{})}
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				synctest.Wait()
				cancel()
			}()
			if err := a.Do(ctx, func() { ran++ }); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			(<-a.Events)()
		})
		if ran != 0 {
			t.Error("it was done after it had been given up")
		}
	})
	t.Run("under way", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { (<-a.Events)() }()
		ran := 0
		if err := a.Do(ctx, func() { cancel(); ran++ }); err != nil || ran != 1 {
			t.Errorf("%v, done %d times", err, ran)
		}
	})
	t.Run("account gone", func(t *testing.T) {
		ran := 0
		go func() {
			fn := <-a.Events
			close(a.Gone)
			fn()
		}()
		if err := a.Do(t.Context(), func() { ran++ }); errors.Is(err, report.ErrStopping) == (ran == 1) {
			t.Errorf("%v, done %d times", err, ran)
		}
	})
}

// TestWindStartsNothing: a job that is started while those that run are waited for, by an event that was on its way,
// would work on sessions that are being closed.
func TestWindStartsNothing(t *testing.T) {
	r := New()
	r.Open(t.Context())
	defer r.Close()
	ended := r.Wind()
	l := &session.Pair{}
	for name, start := range map[string]func(*session.Pair, <-chan struct{}, func(context.Context), func()){"Start": r.Start, "Begin": r.Begin} {
		start(l, nil, func(context.Context) { t.Errorf("%s: a job runs", name) }, func() {})
		if r.Busy[l] {
			t.Errorf("%s: the pair is busy", name)
		}
	}
	<-ended
}
