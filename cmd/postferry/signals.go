package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// errSignal is the cause of a context that a signal ended.
var errSignal = errors.New("interrupted by a signal")

// catchSignals returns a context that the first SIGINT or SIGTERM ends, with
// errSignal as its cause. The second one finds no handler any more and ends
// the process at once, as it would any other.
func catchSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer signal.Stop(signals)
		select {
		case <-signals:
			cancel(errSignal)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(context.Canceled)
		wg.Wait()
	}
}
