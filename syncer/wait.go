package syncer

import (
	"context"
	"errors"
	"time"
)

// errYield: a job stopped at a safe point because it was asked to.
var errYield = errors.New("pull interrupted for something more urgent")

// pause waits, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
