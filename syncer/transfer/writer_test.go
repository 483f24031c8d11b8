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
	for name, it := range map[string]*item{
		"held":     {held: 10, body: make([]byte, 10)},
		"streamed": {stream: &source{r: strings.NewReader("large")}, streamed: make(chan error, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Pull{Resources: Resources{Memory: semaphore.NewWeighted(10), Buffers: &Buffers{}}}
			if err := p.Memory.Acquire(t.Context(), it.held); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			items := make(chan *item, 1)
			items <- it
			// Which of the two it sees first is left to chance.
			if err := (&writer{Pull: p}).loop(ctx, items); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			close(items)
			for it := range items {
				p.discard(it, context.Canceled)
			}
			if !p.Memory.TryAcquire(10) {
				t.Error("memory is still taken")
			}
			if it.streamed != nil {
				select {
				case err := <-it.streamed:
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
