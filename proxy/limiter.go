package proxy

import (
	"net/netip"
	"sync"
	"time"
)

// maxAddresses bounds the client addresses whose failures are remembered.
const maxAddresses = 10000

// limiter slows guessing down. Every address may fail a number of times
// without any delay; then its attempts have to wait for their turns, one in
// each interval, and are refused unheard when too many are waiting. A success
// costs nothing, so people behind a shared address wait only while somebody
// there is guessing.
type limiter struct {
	burst    float64
	interval time.Duration
	patience time.Duration // the longest wait for a turn

	mu      sync.Mutex
	buckets map[netip.Prefix]*bucket
}

// bucket is what an address may still fail; negative while attempts wait.
type bucket struct {
	tokens float64
	since  time.Time
}

func newLimiter(burst int, interval, patience time.Duration) *limiter {
	return &limiter{burst: float64(burst), interval: interval, patience: patience, buckets: map[netip.Prefix]*bucket{}}
}

// turn is an attempt that may be made.
type turn struct {
	key  netip.Prefix
	paid bool // its token is taken already
}

// begin tells how long an attempt from addr has to wait, or that it is refused.
func (l *limiter) begin(addr netip.Addr, now time.Time) (t turn, wait time.Duration, ok bool) {
	t.key = block(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[t.key]
	if !known {
		return t, 0, true
	}
	l.refill(b, now)
	if b.tokens >= 1 {
		return t, 0, true
	}
	wait = time.Duration((1 - b.tokens) * float64(l.interval))
	if wait > l.patience {
		return t, 0, false
	}
	b.tokens--
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
	b, known := l.buckets[t.key]
	if !known {
		if !failed {
			return
		}
		l.room(now)
		b = &bucket{tokens: l.burst, since: now}
		l.buckets[t.key] = b
	}
	l.refill(b, now)
	if failed {
		b.tokens = max(b.tokens-1, -l.burst) // an hour of guessing is not an hour of refusals
	} else {
		b.tokens++
	}
}

func (l *limiter) refill(b *bucket, now time.Time) {
	b.tokens = min(l.burst, b.tokens+now.Sub(b.since).Seconds()/l.interval.Seconds())
	b.since = now
}

// room makes room for one more address: those who have long stopped failing
// are forgotten, and if those are too few, any tenth of all, so that the work is
// done once in many times.
func (l *limiter) room(now time.Time) {
	if len(l.buckets) < maxAddresses {
		return
	}
	for key, b := range l.buckets {
		if l.refill(b, now); b.tokens >= l.burst {
			delete(l.buckets, key)
		}
	}
	for key := range l.buckets {
		if len(l.buckets) <= maxAddresses-maxAddresses/10 {
			break
		}
		delete(l.buckets, key)
	}
}

// block is what counts as one client: an IPv4 address, or the /64 network an
// IPv6 client can choose its addresses from.
func block(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
