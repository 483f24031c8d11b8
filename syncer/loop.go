package syncer

import (
	"context"

	"postferry/report"
)

// loop is the goroutine that owns which accounts are at work and when each has its turn.
type loop struct {
	calls  chan func()
	ending chan struct{}
	ended  chan struct{}
}

// do runs fn on the loop and waits until it has.
func (l *loop) do(ctx context.Context, fn func()) error {
	done := make(chan struct{})
	select {
	case l.calls <- func() { fn(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.ending:
		return report.ErrStopping
	case <-l.ended:
		return report.ErrStopping
	}
}
