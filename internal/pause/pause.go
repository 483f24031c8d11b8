// Package pause waits.
package pause

import (
	"context"
	"time"
)

// For waits for d, or returns ctx's error as soon as that has ended.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
