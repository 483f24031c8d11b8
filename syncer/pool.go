package syncer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"postferry/upstream"
)

// Back-off after a server could not be reached or was unwell: doubled from
// first to longest, with jitter, unless the server said how long.
const (
	backoffFirst   = 2 * time.Second
	backoffLongest = 5 * time.Minute
)

// restingError means that a server is left alone for a while because it was
// unwell at the last attempt.
type restingError struct {
	server string
	until  time.Time
	cause  error // why it rests
}

func (e *restingError) Error() string {
	return fmt.Sprintf("%s is left alone until %s: %v", e.server, e.until.Format(time.TimeOnly), e.cause)
}

func (e *restingError) Unwrap() error { return e.cause }

// pool bounds the connections to one server and remembers its health. It is
// shared by all accounts that use the server and safe for concurrent use.
type pool struct {
	server string
	limit  int
	quirks upstream.Quirks // what its sessions have learnt of the server

	// life is when the server last showed any sign of life, silent whether
	// somebody has waited for one in vain since.
	life   atomic.Int64 // Unix nanoseconds
	silent atomic.Bool

	mu       sync.Mutex
	used     int
	urgent   []chan struct{} // waiting visits, served first
	patient  []chan struct{} // waiting passes
	failures int
	until    time.Time
	cause    error
}

func newPool(server string, limit int) *pool {
	return &pool{server: server, limit: max(limit, 1)}
}

// alive notes that the server sent something.
func (p *pool) alive() {
	p.life.Store(time.Now().UnixNano())
	p.silent.Store(false)
}

// background is how many connections passes may hold: a quarter is kept for
// visits, so that nobody waits for a pass to end.
func (p *pool) background() int { return max(p.limit-max(p.limit/4, 1), 1) }

// acquire waits for a connection's place until ctx ends or yield closes. The
// release function must be called. While the server rests, it fails at once.
func (p *pool) acquire(ctx context.Context, urgent bool, yield <-chan struct{}) (release func(), err error) {
	p.mu.Lock()
	if wait := time.Until(p.until); wait > 0 {
		err := &restingError{server: p.server, until: p.until, cause: p.cause}
		p.mu.Unlock()
		return nil, err
	}
	if p.admits(urgent) {
		p.used++
		p.mu.Unlock()
		return sync.OnceFunc(p.release), nil
	}
	turn := make(chan struct{})
	queue := &p.patient
	if urgent {
		queue = &p.urgent
	}
	*queue = append(*queue, turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return sync.OnceFunc(p.release), nil
	case <-yield:
		p.abandon(queue, turn)
		return nil, errYield
	case <-ctx.Done():
		p.abandon(queue, turn)
		return nil, ctx.Err()
	}
}

func (p *pool) admits(urgent bool) bool {
	if urgent {
		return p.used < p.limit
	}
	return p.used < p.background() && len(p.urgent) == 0
}

// roomy tells whether an account may use a second connection for its passes
// without taking a place that another account is likely to want.
func (p *pool) roomy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used < (p.background()+1)/2
}

// contended tells whether somebody waits for a place.
func (p *pool) contended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.urgent)+len(p.patient) > 0
}

// abandon gives up a place in a queue, or the turn that came meanwhile.
func (p *pool) abandon(queue *[]chan struct{}, turn chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, t := range *queue {
		if t == turn {
			*queue = append((*queue)[:i], (*queue)[i+1:]...)
			return
		}
	}
	p.used--
	p.grant()
}

func (p *pool) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used--
	p.grant()
}

// grant hands free places to those who wait. The caller holds the lock.
func (p *pool) grant() {
	for len(p.urgent) > 0 && p.admits(true) {
		close(p.urgent[0])
		p.urgent = p.urgent[1:]
		p.used++
	}
	for len(p.patient) > 0 && p.admits(false) {
		close(p.patient[0])
		p.patient = p.patient[1:]
		p.used++
	}
}

// note learns from the outcome of an attempt to open a session: a server that
// can't be reached or says it is unwell rests for a while; a refused password
// says nothing about the server.
func (p *pool) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil || !serverUnwell(err) {
		p.failures, p.until, p.cause = 0, time.Time{}, nil
		return
	}
	p.failures++
	p.cause = err
	p.until = time.Now().Add(backoff(p.failures, hint(err)))
}

// serverUnwell tells whether an error speaks of the server rather than of one account.
func serverUnwell(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	c := upstream.ClassOf(err)
	return c == upstream.Later || c == upstream.Lost
}

// hint is the server's own word on when to come back, 0 if it gave none.
func hint(err error) time.Duration {
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return e.After
	}
	return 0
}

// backoff is the pause before attempt failures+1, with a quarter of jitter so that accounts
// don't come back in step.
func backoff(failures int, hint time.Duration) time.Duration {
	d := backoffLongest
	if failures < 10 {
		d = min(backoffFirst<<(failures-1), backoffLongest)
	}
	d = max(d, hint)
	return d + rand.N(d/4+1)
}
