package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"postferry/store"
	"postferry/syncer/problem"
	"postferry/upstream/link"
)

// RestingError means that a server is left alone for a while because it was
// unwell at the last attempt.
type RestingError struct {
	server string
	Until  time.Time
	cause  error // why it rests
}

func (e *RestingError) Error() string {
	return fmt.Sprintf("%s is left alone until %s: %v", e.server, e.Until.Format(time.TimeOnly), e.cause)
}

func (e *RestingError) Unwrap() error { return e.cause }

func (e *RestingError) Describe(p *store.Problem) {
	p.Retry = time.Now().Add(max(time.Until(e.Until), time.Second))
}

// Pool bounds the connections to one server and remembers its health. It is
// shared by all accounts that use the server and safe for concurrent use.
type Pool struct {
	server      string
	limit       int
	LostFlags   LostFlags     // of a new server
	ListedSizes ListedSizes   // of an old server
	Altered     AlteredBodies // of a new server
	Pace        pace          // of an old server
	Quirks      link.Quirks   // what its sessions have learnt of the server

	// Life is when the server last showed any sign of life, silent whether
	// somebody has waited for one in vain since.
	Life   atomic.Int64 // Unix nanoseconds
	Silent atomic.Bool
	// slowest is the longest silence after which the server has answered somebody who waited.
	slowest atomic.Int64 // nanoseconds

	mu       sync.Mutex
	Used     int
	urgent   []waiter // visits, served first
	patient  []waiter // passes
	failures int
	until    time.Time
	told     time.Time // the until of the rest that the log has been told of
	cause    error
	// Prober holds the place that was given out first after a rest. The others
	// wait for what it finds, so that a server isn't stormed when it comes back.
	Prober *byte
	// caps are what the server turned out to allow.
	caps caps
}

// waiter is told nil when it has a place, or why it won't get one.
type waiter chan error

func NewPool(server string, limit int) *Pool {
	return &Pool{server: server, limit: max(limit, 1)}
}

// Answered notes a silence that ended while somebody waited.
func (p *Pool) Answered(after time.Duration) {
	for {
		was := p.slowest.Load()
		if int64(after) <= was || p.slowest.CompareAndSwap(was, int64(after)) {
			return
		}
	}
}

// Slowest is the longest silence after which the server has answered.
func (p *Pool) Slowest() time.Duration { return time.Duration(p.slowest.Load()) }

// Load is how many connections are in use, how many there may be, and for how long the server rests.
func (p *Pool) Load(now time.Time) (used, most int, rests time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Used, p.Most(), max(p.until.Sub(now), 0)
}

// Alive notes that the server sent something.
func (p *Pool) Alive() {
	p.Life.Store(time.Now().UnixNano())
	p.Silent.Store(false)
}

// Background is how many connections passes may hold: a quarter is kept for
// visits, so that nobody waits for a pass to end. The caller holds the lock.
func (p *Pool) Background() int { return max(p.Most()-max(p.Most()/4, 1), 1) }

// Acquire waits for a connection's place until ctx ends or yield closes. The
// release function must be called. While the server rests, it fails at once.
func (p *Pool) Acquire(ctx context.Context, urgent bool, yield <-chan struct{}) (release func(), err error) {
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
		return nil, ErrYield
	case <-ctx.Done():
		p.abandon(queue, turn)
		return nil, ctx.Err()
	}
}

// resting is the error to be had while the server rests. The caller holds the lock.
func (p *Pool) resting() error {
	if time.Until(p.until) <= 0 {
		return nil
	}
	return &RestingError{server: p.server, Until: p.until, cause: p.cause}
}

// News tells whether a problem with the server is worth a line of the log: while it
// rests, all its accounts have the same one.
func (p *Pool) News() bool {
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
func (p *Pool) take() (release func()) {
	p.Used++
	if p.failures == 0 {
		return sync.OnceFunc(func() { p.release(nil) })
	}
	probe := new(byte)
	p.Prober = probe
	return sync.OnceFunc(func() { p.release(probe) })
}

// taken is the release of a place that was given to a waiter.
func (p *Pool) taken() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Used--
	return p.take()
}

func (p *Pool) admits(urgent bool) bool {
	if p.Prober != nil {
		return false
	}
	if urgent {
		return p.Used < p.Most()
	}
	return p.Used < p.Background() && len(p.urgent) == 0
}

// Most is how many connections there may be. The caller holds the lock.
func (p *Pool) Most() int { return p.caps.all(p.limit) }

// Roomy tells whether an account may use a second connection for its passes
// without taking a place that another account is likely to want.
func (p *Pool) Roomy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Used < (p.Background()+1)/2
}

// calm tells whether hardly more than one account is at work, so that places may be
// taken that perhaps won't be needed.
func (p *Pool) calm() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Used <= PassPairs && p.Used < (p.Background()+1)/2
}

// Contended tells whether somebody waits for a place.
func (p *Pool) Contended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.urgent)+len(p.patient) > 0
}

// abandon gives up a place in a queue, or the turn that came meanwhile.
func (p *Pool) abandon(queue *[]waiter, turn waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, t := range *queue {
		if t == turn {
			*queue = append((*queue)[:i], (*queue)[i+1:]...)
			return
		}
	}
	if err := <-turn; err == nil {
		p.Used--
		if p.failures > 0 {
			p.Prober = nil // it was this place
		}
		p.grant()
	}
}

func (p *Pool) release(probe *byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Used--
	if probe != nil && p.Prober == probe {
		p.Prober = nil // it was never used
	}
	p.grant()
}

// grant hands free places to those who wait. The caller holds the lock.
func (p *Pool) grant() {
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
func (p *Pool) let(queue []waiter) []waiter {
	p.Used++
	queue[0] <- nil
	if p.failures > 0 {
		p.Prober = new(byte) // until it takes the place
	}
	return queue[1:]
}

// Note learns from the outcome of an attempt to open a session: a server that
// can't be reached or says it is unwell rests for a while; a refused password
// says nothing about the server, nor does it if it has let others in and
// allows no more of them.
func (p *Pool) Note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Prober = nil
	if link.TooMany(err) && p.Used > 1 {
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
	if until := time.Now().Add(problem.Backoff(p.failures, problem.Hint(err))); p.resting() == nil || problem.Hint(err) > 0 && until.After(p.until) {
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
	if e, ok := errors.AsType[*link.Error](err); ok && e.OneAccount() {
		return false
	}
	c := link.ClassOf(err)
	return c == link.Later || c == link.Lost
}
