package access

import (
	"net/netip"
	"sync"
	"time"

	"postferry/internal/throttle"
)

// maxLimited bounds how many keys a limiter remembers.
const maxLimited = 10_000

// Limiter slows guessing down: a key (a client, a name) may fail a number of
// times, and then once in every interval. What succeeds costs nothing.
type Limiter struct {
	mu      sync.Mutex
	buckets *throttle.Buckets[string]
}

// NewLimiter makes one for as many keys as are usual.
func NewLimiter(burst int, interval time.Duration) *Limiter {
	return NewLimiterOf(burst, interval, maxLimited)
}

// NewLimiterOf is NewLimiter for so many keys.
func NewLimiterOf(burst int, interval time.Duration, most int) *Limiter {
	return &Limiter{buckets: throttle.New[string](burst, interval, most)}
}

// Take takes one attempt of a key's, or tells how long to wait for the next one.
func (l *Limiter) Take(key string) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets.Of(key, time.Now())
	if b.Tokens < 1 {
		return l.buckets.Wait(b), false
	}
	b.Tokens--
	return 0, true
}

// giveBack undoes Take for an attempt that succeeded.
func (l *Limiter) giveBack(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.buckets.Known(key, time.Now()); b != nil {
		b.Tokens = min(l.buckets.Burst(), b.Tokens+1)
	}
}

// loginLimits are those of failed logins: by address, by name.
type loginLimits [2]*Limiter

// newLoginLimits bears with people who mistype; who guesses has a few tries in a minute.
func newLoginLimits() *loginLimits {
	return &loginLimits{NewLimiter(10, 20*time.Second), NewLimiter(20, 10*time.Second)}
}

// clientKey is the key of the client at an address.
func clientKey(from string) string {
	addr, err := netip.ParseAddr(from)
	if err != nil {
		return "client " + from
	}
	return "client " + throttle.Client(addr).String()
}
