package admin

import (
	"net/netip"
	"sync"
	"time"

	"postferry/internal/throttle"
)

// maxLimited bounds how many keys a limiter remembers.
const maxLimited = 10_000

// limiter slows guessing down: a key (a client, a name) may fail a number of
// times, and then once in every interval. What succeeds costs nothing.
type limiter struct {
	now func() time.Time

	mu      sync.Mutex
	buckets *throttle.Buckets[string]
}

func newLimiter(burst int, interval time.Duration) *limiter {
	return newLimiterOf(burst, interval, maxLimited)
}

// newLimiterOf is newLimiter for so many keys.
func newLimiterOf(burst int, interval time.Duration, most int) *limiter {
	return &limiter{now: time.Now, buckets: throttle.New[string](burst, interval, most)}
}

// take takes one attempt of a key's, or tells how long to wait for the next one.
func (l *limiter) take(key string) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets.Of(key, l.now())
	if b.Tokens < 1 {
		return l.buckets.Wait(b), false
	}
	b.Tokens--
	return 0, true
}

// giveBack undoes take for an attempt that succeeded.
func (l *limiter) giveBack(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.buckets.Known(key, l.now()); b != nil {
		b.Tokens = min(l.buckets.Burst(), b.Tokens+1)
	}
}

// loginLimits are those of failed logins: by address, by name.
type loginLimits [2]*limiter

// newLoginLimits bears with people who mistype; who guesses has a few tries in a minute.
func newLoginLimits() *loginLimits {
	return &loginLimits{newLimiter(10, 20*time.Second), newLimiter(20, 10*time.Second)}
}

// clientKey is the key of the client at an address.
func clientKey(from string) string {
	addr, err := netip.ParseAddr(from)
	if err != nil {
		return "client " + from
	}
	return "client " + throttle.Client(addr).String()
}
