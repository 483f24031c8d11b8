package syncer

import (
	"context"
	"errors"
	"postferry/report"
	"testing"
	"testing/synctest"
)

// TestDoGivenUp: an error of do means that what was to be done will not be, so that the
// caller's variables are its own again. One that is being done is waited for.
func TestDoGivenUp(t *testing.T) {
	a := &account{runner: runner{actor: actor{events: make(chan func(), 1), gone: make(chan struct{})}}}
	t.Run("waiting in the queue", func(t *testing.T) {
		ran := 0
		synctest.Test(t, func(t *testing.T) {
			a := &account{runner: runner{actor: actor{events: make(chan func(), 1), gone: make(chan struct{})}}}
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				synctest.Wait()
				cancel()
			}()
			if err := a.do(ctx, func() { ran++ }); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			(<-a.events)()
		})
		if ran != 0 {
			t.Error("it was done after it had been given up")
		}
	})
	t.Run("under way", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { (<-a.events)() }()
		ran := 0
		if err := a.do(ctx, func() { cancel(); ran++ }); err != nil || ran != 1 {
			t.Errorf("%v, done %d times", err, ran)
		}
	})
	t.Run("account gone", func(t *testing.T) {
		ran := 0
		go func() {
			fn := <-a.events
			close(a.gone)
			fn()
		}()
		if err := a.do(t.Context(), func() { ran++ }); errors.Is(err, report.ErrStopping) == (ran == 1) {
			t.Errorf("%v, done %d times", err, ran)
		}
	})
}
