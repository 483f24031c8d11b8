package syncer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"postferry/store"
	"postferry/upstream"
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

func (e *restingError) describe(p *store.Problem) {
	p.Retry = time.Now().Add(max(time.Until(e.until), time.Second))
}

// pool bounds the connections to one server and remembers its health. It is
// shared by all accounts that use the server and safe for concurrent use.
type pool struct {
	server  string
	limit   int
	losses  losses          // of a new server
	lengths lengths         // of an old server
	changes changes         // of a new server
	pace    pace            // of an old server
	quirks  upstream.Quirks // what its sessions have learnt of the server

	// life is when the server last showed any sign of life, silent whether
	// somebody has waited for one in vain since.
	life   atomic.Int64 // Unix nanoseconds
	silent atomic.Bool

	mu       sync.Mutex
	used     int
	urgent   []waiter // visits, served first
	patient  []waiter // passes
	failures int
	until    time.Time
	told     time.Time // the until of the rest that the log has been told of
	cause    error
	// prober holds the place that was given out first after a rest. The others
	// wait for what it finds, so that a server isn't stormed when it comes back.
	prober *byte
	// caps are what the server turned out to allow.
	caps caps
}

// waiter is told nil when it has a place, or why it won't get one.
type waiter chan error

func newPool(server string, limit int) *pool {
	return &pool{server: server, limit: max(limit, 1)}
}

// alive notes that the server sent something.
func (p *pool) alive() {
	p.life.Store(time.Now().UnixNano())
	p.silent.Store(false)
}

// background is how many connections passes may hold: a quarter is kept for
// visits, so that nobody waits for a pass to end. The caller holds the lock.
func (p *pool) background() int { return max(p.most()-max(p.most()/4, 1), 1) }

// acquire waits for a connection's place until ctx ends or yield closes. The
// release function must be called. While the server rests, it fails at once.
func (p *pool) acquire(ctx context.Context, urgent bool, yield <-chan struct{}) (release func(), err error) {
	p.mu.Lock()
	if err := p.resting(); err != nil {
		p.mu.Unlock()
		return nil, err
	}
	if p.admits(urgent) {
		release := p.take()
		p.mu.Unlock()
		return release, nil
	}
	turn := make(waiter, 1)
	queue := &p.patient
	if urgent {
		queue = &p.urgent
	}
	*queue = append(*queue, turn)
	p.mu.Unlock()
	select {
	case err := <-turn:
		if err != nil {
			return nil, err
		}
		return p.taken(), nil
	case <-yield:
		p.abandon(queue, turn)
		return nil, errYield
	case <-ctx.Done():
		p.abandon(queue, turn)
		return nil, ctx.Err()
	}
}

// resting is the error to be had while the server rests. The caller holds the lock.
func (p *pool) resting() error {
	if time.Until(p.until) <= 0 {
		return nil
	}
	return &restingError{server: p.server, until: p.until, cause: p.cause}
}

// news tells whether a problem with the server is worth a line of the log: while it
// rests, all its accounts have the same one.
func (p *pool) news() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resting() == nil {
		return true
	}
	known := p.told.Equal(p.until)
	p.told = p.until
	return !known
}

// take gives a place out. The caller holds the lock.
func (p *pool) take() (release func()) {
	p.used++
	if p.failures == 0 {
		return sync.OnceFunc(func() { p.release(nil) })
	}
	probe := new(byte)
	p.prober = probe
	return sync.OnceFunc(func() { p.release(probe) })
}

// taken is the release of a place that was given to a waiter.
func (p *pool) taken() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used--
	return p.take()
}

func (p *pool) admits(urgent bool) bool {
	if p.prober != nil {
		return false
	}
	if urgent {
		return p.used < p.most()
	}
	return p.used < p.background() && len(p.urgent) == 0
}

// most is how many connections there may be. The caller holds the lock.
func (p *pool) most() int { return p.caps.all(p.limit) }

// roomy tells whether an account may use a second connection for its passes
// without taking a place that another account is likely to want.
func (p *pool) roomy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used < (p.background()+1)/2
}

// calm tells whether hardly more than one account is at work, so that places may be
// taken that perhaps won't be needed.
func (p *pool) calm() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used <= passLanes && p.used < (p.background()+1)/2
}

// contended tells whether somebody waits for a place.
func (p *pool) contended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.urgent)+len(p.patient) > 0
}

// abandon gives up a place in a queue, or the turn that came meanwhile.
func (p *pool) abandon(queue *[]waiter, turn waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, t := range *queue {
		if t == turn {
			*queue = append((*queue)[:i], (*queue)[i+1:]...)
			return
		}
	}
	if err := <-turn; err == nil {
		p.used--
		if p.failures > 0 {
			p.prober = nil // it was this place
		}
		p.grant()
	}
}

func (p *pool) release(probe *byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used--
	if probe != nil && p.prober == probe {
		p.prober = nil // it was never used
	}
	p.grant()
}

// grant hands free places to those who wait. The caller holds the lock.
func (p *pool) grant() {
	if p.resting() != nil {
		return
	}
	for len(p.urgent) > 0 && p.admits(true) {
		p.urgent = p.let(p.urgent)
	}
	for len(p.patient) > 0 && p.admits(false) {
		p.patient = p.let(p.patient)
	}
}

// let gives the first of a queue a place.
func (p *pool) let(queue []waiter) []waiter {
	p.used++
	queue[0] <- nil
	if p.failures > 0 {
		p.prober = new(byte) // until it takes the place
	}
	return queue[1:]
}

// note learns from the outcome of an attempt to open a session: a server that
// can't be reached or says it is unwell rests for a while; a refused password
// says nothing about the server, nor does it if it has let others in and
// allows no more of them.
func (p *pool) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.prober = nil
	if upstream.TooMany(err) && p.used > 1 {
		p.grant()
		return
	}
	if err == nil || !serverUnwell(err) {
		p.failures, p.until, p.cause = 0, time.Time{}, nil
		p.grant()
		return
	}
	if p.resting() == nil { // otherwise it began before the rest did, like the attempt that failed first
		p.failures++
		p.cause = err
	}
	if until := time.Now().Add(backoff(p.failures, hint(err))); p.resting() == nil || hint(err) > 0 && until.After(p.until) {
		p.until = until
	}
	for _, t := range append(p.urgent, p.patient...) {
		t <- p.resting()
	}
	p.urgent, p.patient = nil, nil
}

// serverUnwell tells whether an error speaks of the server rather than of one account.
func serverUnwell(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if e, ok := errors.AsType[*upstream.Error](err); ok && e.OneAccount() {
		return false
	}
	c := upstream.ClassOf(err)
	return c == upstream.Later || c == upstream.Lost
}
