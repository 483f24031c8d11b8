package lab

import (
	"context"
	"sync"
)

// StopAfter lets n octets more through to the server, over all connections
// together, and not one beyond them; answers still come. stopped is closed when
// these are through; resume lets the rest follow. So a test can say at which
// octet something happens, however busy the machine is.
func (f *Faulty) StopAfter(n int64) (stopped <-chan struct{}, resume func()) {
	f.tb.Helper()
	if n <= 0 {
		f.tb.Fatalf("lab: fault line: %d octets to stop after", n)
	}
	return f.quota.limit(n)
}

// quota is how much may still pass. The zero value doesn't limit it.
type quota struct {
	mu      sync.Mutex
	limited bool
	left    int64         // not yet taken
	passing int64         // taken and not yet through
	stopped chan struct{} // closed when nothing is left and nothing is passing
	resumed chan struct{} // closed when the limit is lifted
}

func (q *quota) limit(n int64) (stopped <-chan struct{}, resume func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limited {
		panic("lab: a line that is limited twice")
	}
	q.limited, q.left, q.passing = true, n, 0
	q.stopped, q.resumed = make(chan struct{}), make(chan struct{})
	return q.stopped, sync.OnceFunc(q.lift)
}

func (q *quota) lift() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limited = false
	close(q.resumed)
}

// take takes at most want octets, at least one, and waits while none is left.
// through must be called when they have been passed on, or can't be.
func (q *quota) take(ctx context.Context, want int) (n int, through func(), err error) {
	for {
		n, resumed := q.try(want)
		if n > 0 {
			return n, func() { q.through(n, resumed) }, nil
		}
		select {
		case <-resumed:
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
}

// try takes what it can get, and tells which limit that counts for.
func (q *quota) try(want int) (n int, resumed chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.limited {
		return want, nil
	}
	n = int(min(int64(want), q.left))
	q.left -= int64(n)
	q.passing += int64(n)
	return n, q.resumed
}

// through notes that n octets are through, if the limit they were taken from still holds.
func (q *quota) through(n int, resumed chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.limited || q.resumed != resumed {
		return
	}
	if q.passing -= int64(n); q.left == 0 && q.passing == 0 {
		close(q.stopped)
	}
}
