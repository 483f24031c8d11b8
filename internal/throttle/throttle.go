// Package throttle holds what slows guessing of passwords down, at the proxy and
// at the import page: token buckets, one for each of whoever may guess. What
// happens to those that have used theirs up is decided by its users.
package throttle

import (
	"net/netip"
	"time"
)

// Buckets are token buckets by key. The zero value is none; use New. They are
// not safe for concurrent use.
type Buckets[K comparable] struct {
	burst    float64
	interval time.Duration
	most     int
	by       map[K]*Bucket
}

// Bucket is what a key has left.
type Bucket struct {
	Tokens float64 // at most the burst; users may let it fall below 0
	since  time.Time
}

// New makes buckets for most keys at a time. Each holds burst tokens and gets one
// more in each interval.
func New[K comparable](burst int, interval time.Duration, most int) *Buckets[K] {
	return &Buckets[K]{burst: float64(burst), interval: interval, most: most, by: map[K]*Bucket{}}
}

// Burst is how many tokens a full bucket has.
func (b *Buckets[K]) Burst() float64 { return b.burst }

// Len is how many keys there are.
func (b *Buckets[K]) Len() int { return len(b.by) }

// Known is a key's bucket as it is now; nil if there is none, which is as good as a full one.
func (b *Buckets[K]) Known(key K, now time.Time) *Bucket {
	x := b.by[key]
	if x != nil {
		b.refill(x, now)
	}
	return x
}

// Of is a key's bucket as it is now; a full one is made if there is none.
func (b *Buckets[K]) Of(key K, now time.Time) *Bucket {
	x := b.Known(key, now)
	if x == nil {
		b.room(now)
		x = &Bucket{Tokens: b.burst, since: now}
		b.by[key] = x
	}
	return x
}

// Wait is how long it takes until a bucket has a whole token; 0 if it has one.
func (b *Buckets[K]) Wait(x *Bucket) time.Duration {
	return max(0, time.Duration((1-x.Tokens)*float64(b.interval)))
}

func (b *Buckets[K]) refill(x *Bucket, now time.Time) {
	x.Tokens = min(b.burst, x.Tokens+now.Sub(x.since).Seconds()/b.interval.Seconds())
	x.since = now
}

// room makes room for one more key: full buckets are forgotten, and if those are
// too few, any tenth of all, so that the work is done once in many times.
func (b *Buckets[K]) room(now time.Time) {
	if len(b.by) < b.most {
		return
	}
	for key, x := range b.by {
		if b.refill(x, now); x.Tokens >= b.burst {
			delete(b.by, key)
		}
	}
	for key := range b.by {
		if len(b.by) <= b.most-b.most/10 {
			break
		}
		delete(b.by, key)
	}
}

// Client is what counts as one client: an IPv4 address, or the /64 network an IPv6
// client can choose its addresses from. It is zero for no address.
func Client(addr netip.Addr) netip.Prefix {
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
