package session

import (
	"context"
	"errors"
	"time"
)

// ErrYield says that a job stopped at a safe point because it was asked to.
var ErrYield = errors.New("pull interrupted for something more urgent")

// Pause waits, or returns ctx's error.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
