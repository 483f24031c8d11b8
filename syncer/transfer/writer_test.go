package transfer

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sync/semaphore"
)

// TestInterruptedWriter: what the writer has taken when it is interrupted is given back,
// and a reader that waits for its body to be read hears of it.
func TestInterruptedWriter(t *testing.T) {
	for name, m := range map[string]*outgoing{
		"held":     {held: 10, body: make([]byte, 10)},
		"streamed": {stream: &source{r: strings.NewReader("large")}, streamed: make(chan error, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Resources{Memory: semaphore.NewWeighted(10), Buffers: &Buffers{}}
			if err := p.Memory.Acquire(t.Context(), m.held); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			events := make(chan event, 1)
			events <- m
			// Which of the two it sees first is left to chance.
			if err := (&writer{Resources: p}).loop(ctx, events); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			close(events)
			for e := range events {
				p.discard(e, context.Canceled)
			}
			if !p.Memory.TryAcquire(10) {
				t.Error("memory is still taken")
			}
			if m.streamed != nil {
				select {
				case err := <-m.streamed:
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
