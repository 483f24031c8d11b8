package admin

import (
	"sync"
	"time"
)

// maxLimited bounds how many keys a limiter remembers.
const maxLimited = 10_000

// limiter slows guessing down: a key (an address, a name) may fail a number of
// times, and then once in every interval. What succeeds costs nothing.
type limiter struct {
	burst    float64
	interval time.Duration
	now      func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket
}

// bucket is what a key may still fail.
type bucket struct {
	tokens float64
	since  time.Time
}

func newLimiter(burst int, interval time.Duration) *limiter {
	return &limiter{burst: float64(burst), interval: interval, now: time.Now, buckets: map[string]*bucket{}}
}

// take takes one attempt of a key's, or tells how long to wait for the next one.
func (l *limiter) take(key string) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b := l.buckets[key]
	if b == nil {
		l.room(now)
		b = &bucket{tokens: l.burst, since: now}
		l.buckets[key] = b
	}
	l.refill(b, now)
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) * float64(l.interval)), false
	}
	b.tokens--
	return 0, true
}

// giveBack undoes take for an attempt that succeeded.
func (l *limiter) giveBack(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.buckets[key]; b != nil {
		b.tokens = min(l.burst, b.tokens+1)
	}
}

func (l *limiter) refill(b *bucket, now time.Time) {
	b.tokens = min(l.burst, b.tokens+now.Sub(b.since).Seconds()/l.interval.Seconds())
	b.since = now
}

// room forgets keys that have long stopped failing when there are too many,
// and any of them if those are too few.
func (l *limiter) room(now time.Time) {
	if len(l.buckets) < maxLimited {
		return
	}
	for key, b := range l.buckets {
		if l.refill(b, now); b.tokens >= l.burst {
			delete(l.buckets, key)
		}
	}
	for key := range l.buckets {
		if len(l.buckets) <= maxLimited-maxLimited/10 {
			break
		}
		delete(l.buckets, key)
	}
}
