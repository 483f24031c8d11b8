package writer

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sync/semaphore"

	"postferry/syncer/transfer/job"
)

// TestInterruptedWriter: what the writer has taken when it is interrupted is given back,
// and a reader that waits for its body to be read hears of it.
func TestInterruptedWriter(t *testing.T) {
	for name, m := range map[string]*job.Outgoing{
		"held":     {Held: 10, Body: make([]byte, 10)},
		"streamed": {Stream: job.NewSource(strings.NewReader("large")), Streamed: make(chan error, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			p := &job.Resources{Memory: semaphore.NewWeighted(10), Buffers: &job.Buffers{}}
			if err := p.Memory.Acquire(t.Context(), m.Held); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			events := make(chan job.Event, 1)
			events <- m
			// Which of the two it sees first is left to chance.
			if err := (&Writer{Work: &job.Work{Resources: *p}}).loop(ctx, events); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			close(events)
			for e := range events {
				p.Discard(e, context.Canceled)
			}
			if !p.Memory.TryAcquire(10) {
				t.Error("memory is still taken")
			}
			if m.Streamed != nil {
				select {
				case err := <-m.Streamed:
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				default:
					t.Error("the reader waits for ever")
				}
			}
		})
	}
}
