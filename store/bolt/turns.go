package bolt

import (
	"context"
	"sync"
)

// turns lets one at a time have what goes by a name.
type turns struct {
	mu    sync.Mutex
	taken map[string]chan struct{} // closed when it is free
}

func newTurns() *turns { return &turns{taken: map[string]chan struct{}{}} }

// take waits until nobody else has the name, or for ctx to end. Whoever took it calls release, once.
func (t *turns) take(ctx context.Context, name string) (release func(), err error) {
	for {
		t.mu.Lock()
		free := t.taken[name]
		if free == nil {
			mine := make(chan struct{})
			t.taken[name] = mine
			t.mu.Unlock()
			return func() { t.give(name, mine) }, nil
		}
		t.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (t *turns) give(name string, mine chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.taken, name)
	close(mine)
}
