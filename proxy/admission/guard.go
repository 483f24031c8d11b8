package admission

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"postferry/internal/pause"
	"postferry/internal/throttle"
)

const (
	// maxAddresses bounds the client addresses whose failures are remembered.
	maxAddresses = 10000
	// maxAccounts is the same for login names, which anybody may make up.
	maxAccounts = 10000
)

var (
	// ErrManyFromAddress and ErrManyForLogin refuse an attempt unheard.
	ErrManyFromAddress = errors.New("too many failed logins from this address")
	ErrManyForLogin    = errors.New("too many failed logins with this login name")
)

// limiter slows guessing down. Every key (an address, a login name) may fail a number of times
// without any delay, and at most twice as many attempts as may fail yet are under way; the
// others wait for those to end. When it has failed too often, its attempts have to wait for their turns,
// one in each interval, and are refused unheard when too many are waiting. A
// success costs nothing, so people behind a shared address wait only while somebody
// there is guessing.
type limiter[K comparable] struct {
	patience time.Duration // the longest wait for a turn
	crowd    int           // attempts of one key that may wait for others

	mu sync.Mutex
	// A bucket is what a key may still fail; below 0 while attempts wait.
	buckets  *throttle.Buckets[K]
	underway map[K]*attempts
}

// attempts are those of one key.
type attempts struct {
	n, waiting int
	ended      chan struct{} // closed when one of them ends
}

func newLimiter[K comparable](b Bounds, most, crowd int) *limiter[K] {
	return &limiter[K]{patience: b.Patience, crowd: crowd, buckets: throttle.New[K](b.Burst, b.Interval, most), underway: map[K]*attempts{}}
}

// turn is an attempt that may be made.
type turn[K comparable] struct {
	key  K
	paid bool // its token is taken already
}

// begin waits until an attempt may be made, as far as that hangs on others that are under
// way, and tells how long it has to wait then. It returns false if it is refused.
func (l *limiter[K]) begin(ctx context.Context, key K) (t turn[K], wait time.Duration, ok bool) {
	for {
		t, wait, ok, others := l.try(key)
		if others == nil {
			return t, wait, ok
		}
		select {
		case <-others:
			l.waited(key)
		case <-ctx.Done():
			l.waited(key)
			return t, 0, false
		}
	}
}

// try is begin without waiting: others is closed when it is worth trying again.
func (l *limiter[K]) try(key K) (t turn[K], wait time.Duration, ok bool, others chan struct{}) {
	t.key = key
	l.mu.Lock()
	defer l.mu.Unlock()
	b, tokens := l.buckets.Known(key, time.Now()), l.buckets.Burst()
	if b != nil {
		tokens = b.Tokens
	}
	u := l.of(key)
	switch {
	case tokens < 1:
		if wait = l.buckets.Wait(b); wait > l.patience {
			l.forget(key, u)
			return t, 0, false, nil
		}
		b.Tokens--
		t.paid = true
	case u.n >= 2*int(tokens) && u.waiting >= l.crowd:
		return t, 0, false, nil
	case u.n >= 2*int(tokens):
		u.waiting++
		return t, 0, false, u.ended
	}
	u.n++
	return t, wait, true, nil
}

func (l *limiter[K]) of(key K) *attempts {
	u := l.underway[key]
	if u == nil {
		u = &attempts{ended: make(chan struct{})}
		l.underway[key] = u
	}
	return u
}

// forget drops a key that nothing goes on with.
func (l *limiter[K]) forget(key K, u *attempts) {
	if u.n+u.waiting == 0 {
		delete(l.underway, key)
	}
}

// waited takes back what try noted.
func (l *limiter[K]) waited(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u := l.underway[key]; u != nil {
		u.waiting--
		l.forget(key, u)
	}
}

// end tells how the attempt went.
func (l *limiter[K]) end(t turn[K], failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u := l.underway[t.key]; u != nil && u.n > 0 {
		u.n--
		close(u.ended)
		u.ended = make(chan struct{})
		l.forget(t.key, u)
	}
	switch {
	case failed == t.paid:
	case failed:
		b := l.buckets.Of(t.key, time.Now())
		b.Tokens = max(b.Tokens-1, -l.buckets.Burst()) // an hour of guessing is not an hour of refusals
	default:
		if b := l.buckets.Known(t.key, time.Now()); b != nil {
			b.Tokens++
		}
	}
}

// Bounds are how often a key may fail.
type Bounds struct {
	Burst    int           // times without any delay
	Interval time.Duration // after which it may once more
	Patience time.Duration // the longest wait for that
}

// Guard is what both limiters say of a login.
type Guard struct {
	addresses *limiter[netip.Prefix]
	logins    *limiter[string]
}

// NewGuard leaves most of the connections to others.
func NewGuard(connections int, address, login Bounds) *Guard {
	crowd := max(connections/4, 8)
	return &Guard{
		addresses: newLimiter[netip.Prefix](address, maxAddresses, crowd),
		logins:    newLimiter[string](login, maxAccounts, crowd),
	}
}

// Enter waits until a login may be tried. end has to be called with what came of it.
func (g *Guard) Enter(ctx context.Context, addr netip.Addr, login string) (end func(failed bool), err error) {
	byAddress, wait, ok := g.addresses.begin(ctx, throttle.Client(addr))
	if !ok {
		return nil, ErrManyFromAddress
	}
	byLogin, more, ok := g.logins.begin(ctx, login)
	if !ok {
		g.addresses.end(byAddress, false)
		return nil, ErrManyForLogin
	}
	pause.For(ctx, max(wait, more))
	return func(failed bool) {
		g.addresses.end(byAddress, failed)
		g.logins.end(byLogin, failed)
	}, nil
}
