package proxy

import (
	"net/netip"
	"sync"
	"time"

	"postferry/internal/throttle"
)

// maxAddresses bounds the client addresses whose failures are remembered.
const maxAddresses = 10000

// limiter slows guessing down. Every address may fail a number of times
// without any delay; then its attempts have to wait for their turns, one in
// each interval, and are refused unheard when too many are waiting. A success
// costs nothing, so people behind a shared address wait only while somebody
// there is guessing.
type limiter struct {
	patience time.Duration // the longest wait for a turn

	mu sync.Mutex
	// A bucket is what an address may still fail; below 0 while attempts wait.
	buckets *throttle.Buckets[netip.Prefix]
}

func newLimiter(burst int, interval, patience time.Duration) *limiter {
	return &limiter{patience: patience, buckets: throttle.New[netip.Prefix](burst, interval, maxAddresses)}
}

// turn is an attempt that may be made.
type turn struct {
	key  netip.Prefix
	paid bool // its token is taken already
}

// begin tells how long an attempt from addr has to wait, or that it is refused.
func (l *limiter) begin(addr netip.Addr, now time.Time) (t turn, wait time.Duration, ok bool) {
	t.key = throttle.Client(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets.Known(t.key, now)
	if b == nil || b.Tokens >= 1 {
		return t, 0, true
	}
	if wait = l.buckets.Wait(b); wait > l.patience {
		return t, 0, false
	}
	b.Tokens--
	t.paid = true
	return t, wait, true
}

// end tells how the attempt went.
func (l *limiter) end(t turn, failed bool, now time.Time) {
	if failed == t.paid {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !failed {
		if b := l.buckets.Known(t.key, now); b != nil {
			b.Tokens++
		}
		return
	}
	b := l.buckets.Of(t.key, now)
	b.Tokens = max(b.Tokens-1, -l.buckets.Burst()) // an hour of guessing is not an hour of refusals
}
