package syncer

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/mailbox"
	"postferry/syncer/recovery"
	"postferry/syncer/schedule"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
	"postferry/upstream/link"
)

const (
	// linger is how long an account stays ready after its last client.
	linger = time.Minute
	// sweepEvery is how often accounts that have gone are forgotten.
	sweepEvery = 5 * time.Second
	// slice is how long a pass may go on while other accounts wait.
	slice = 2 * time.Minute
	// passesPerPlace is how many passes may be begun for each connection a pass could use: those
	// that wait for a place cost little and keep every place taken.
	passesPerPlace = 2
)

// Engine copies mail from old servers to new ones.
type Engine struct {
	shared *shared
	calls  chan func() // for the loop
	ending chan struct{}
	ended  chan struct{}

	poolsMu sync.Mutex
	pools   map[string]*session.Pool

	// The loop's own.
	ctx      context.Context
	accounts map[store.AccountID]*present
	schedule *schedule.Queue
	passes   int // begun by the schedule
	led      map[store.AccountID]*ledClients
	// schedules are the domains' own; background tells whether passes are begun by themselves.
	schedules  map[string]store.Schedule
	background bool
	jobs       sync.WaitGroup

	late *stragglers // may be used from anywhere
}

// New makes an engine. Nothing happens before Run.
func New(cfg *config.Config, st Store, log zerolog.Logger) (*Engine, error) {
	e := &Engine{
		shared: &shared{
			cfg: cfg, store: st, memory: semaphore.NewWeighted(cfg.Sync.Memory), bodies: &transfer.Buffers{}, dial: session.RealDialers(), claims: mailbox.NewMailboxes(), metrics: newMetrics(), quiet: recovery.SettleQuiet, clock: time.Now, lateLook: lateLook, log: log,
		},
		calls: make(chan func()), ending: make(chan struct{}), ended: make(chan struct{}),
		pools: map[string]*session.Pool{}, accounts: map[store.AccountID]*present{}, led: map[store.AccountID]*ledClients{}, schedule: schedule.New(),
	}
	e.late = newStragglers(e)
	return e, nil
}

// Trace writes the protocol of all sessions down from now on. It may be called
// before the first other call, or before Run.
func (e *Engine) Trace(t *link.Tracer) {
	d := e.shared.dial
	e.shared.dial = session.Dialers{Old: session.Traced(d.Old, t), New: session.Traced(d.New, t)}
}

// SignInWith opens all sessions from now on with what k knows where a domain has a way to
// sign in. It may be called before the first other call, or before Run.
func (e *Engine) SignInWith(k session.SignIns) {
	d := e.shared.dial
	e.shared.dial = session.Dialers{Old: session.SigningIn(d.Old, k), New: session.SigningIn(d.New, k)}
}

// Run owns the engine until ctx ends: it answers the calls below and, with
// background, passes over all accounts again and again. It returns when
// everything it started has ended. It may be called once.
func (e *Engine) Run(ctx context.Context, background bool) error {
	defer close(e.ended)
	e.ctx, e.background = ctx, background
	if background {
		if err := e.fillSchedule(ctx); err != nil {
			close(e.ending)
			return err
		}
		e.jobs.Go(func() { e.late.run(ctx) })
	}
	e.serve(ctx, background)
	close(e.ending)
	e.jobs.Wait()
	return nil
}

func (e *Engine) serve(ctx context.Context, background bool) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case fn := <-e.calls:
			fn()
		case <-due.C:
		case now := <-sweep.C:
			e.sweep(now)
		case <-ctx.Done():
			return
		}
		if background {
			due.Reset(e.startDue(e.shared.clock()))
		}
	}
}

// do runs fn on the loop and waits until it has.
func (e *Engine) do(ctx context.Context, fn func()) error {
	done := make(chan struct{})
	select {
	case e.calls <- func() { fn(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.ending:
		return ErrStopping
	case <-e.ended:
		return ErrStopping
	}
}

// Answers returns an error if the engine does not answer before ctx ends, or has ended.
func (e *Engine) Answers(ctx context.Context) error { return e.do(ctx, func() {}) }

// endpoint returns a server's side with the pool that all accounts share.
func (e *Engine) endpoint(s config.Server, old bool) session.Endpoint {
	e.poolsMu.Lock()
	defer e.poolsMu.Unlock()
	key, limit := "new "+s.Address(), e.shared.cfg.Sync.NewConnections
	if old {
		key, limit = "old "+s.Address(), e.shared.cfg.Sync.OldConnections
	}
	if s.PublicOnly {
		key += " outside" // that it can't be reached there says nothing to others
	}
	p := e.pools[key]
	if p == nil {
		p = session.NewPool(s.Address(), limit)
		e.pools[key] = p
	}
	return session.Endpoint{Server: s, Pool: p, ReadOnly: old}
}

// knownServer is a server that the engine has connected to, or was about to.
type knownServer struct {
	side, address string
	pool          *session.Pool
}

// servers are all of them.
func (e *Engine) servers() (all []knownServer) {
	e.poolsMu.Lock()
	defer e.poolsMu.Unlock()
	for key, p := range e.pools {
		side, address, _ := strings.Cut(key, " ")
		all = append(all, knownServer{side, address, p})
	}
	return all
}
