package syncer

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/mailbox"
	"postferry/syncer/schedule"
	"postferry/syncer/session"
	"postferry/syncer/stragglers"
	"postferry/syncer/transfer/job"
	"postferry/upstream/link"
)

// sweepEvery is how often accounts that have gone are forgotten.
const sweepEvery = 5 * time.Second

// Engine copies mail from old servers to new ones.
type Engine struct {
	shared    *shared
	loop      *loop
	leaders   *leaders
	registry  *registry
	scheduler *scheduler
	pools     *pools
	schedule  *schedule.Queue // the loop's own
	jobs      sync.WaitGroup
	late      *stragglers.Watch // may be used from anywhere
}

// New makes an engine. Nothing happens before Run.
func New(cfg *config.Config, st Store, log zerolog.Logger) (*Engine, error) {
	e := &Engine{
		shared: &shared{
			cfg: cfg, store: st, memory: semaphore.NewWeighted(cfg.Sync.Memory), bodies: &job.Buffers{}, dial: session.RealDialers(), claims: mailbox.NewMailboxes(), metrics: newMetrics(), log: log,
		},
		loop:     &loop{calls: make(chan func()), ending: make(chan struct{}), ended: make(chan struct{})},
		leaders:  &leaders{st},
		schedule: schedule.New(),
	}
	e.pools = &pools{shared: e.shared, pools: map[string]*session.Pool{}}
	e.registry = &registry{shared: e.shared, loop: e.loop, leaders: e.leaders, pools: e.pools, jobs: &e.jobs,
		accounts: map[store.AccountID]*present{}, led: map[store.AccountID]*ledClients{}, schedule: e.schedule}
	e.scheduler = &scheduler{shared: e.shared, loop: e.loop, leaders: e.leaders, registry: e.registry, jobs: &e.jobs, schedule: e.schedule}
	e.late = e.newStragglers()
	return e, nil
}

// MXMoved tells that the MX of a domain has moved, or back: it is found out at once whose late mail has to be watched for.
func (e *Engine) MXMoved() { e.late.LookNow() }

// newStragglers makes what watches for late mail. How sessions are opened is said after New.
func (e *Engine) newStragglers() *stragglers.Watch {
	s := e.shared
	return stragglers.New(stragglers.With{
		Cfg: s.cfg, Store: s.store, Turns: e.scheduler, Endpoint: e.pools.endpoint, Log: s.log,
		Dial: func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
			return s.dial.Old(ctx, server, c, opt)
		},
	})
}

// Trace writes the protocol of all sessions down from now on. It may be called
// before the first other call, or before Run.
func (e *Engine) Trace(t *link.Tracer) {
	d := e.shared.dial
	e.shared.dial = session.Dialers{Old: session.Traced(d.Old, t), New: session.Traced(d.New, t), Back: session.Traced(d.Back, t)}
}

// SignInWith opens all sessions from now on with what k knows where a domain has a way to
// sign in. It may be called before the first other call, or before Run.
func (e *Engine) SignInWith(k session.SignIns) {
	d := e.shared.dial
	e.shared.dial = session.Dialers{Old: session.SigningIn(d.Old, k), New: session.SigningIn(d.New, k), Back: session.SigningIn(d.Back, k)}
}

// Run owns the engine until ctx ends: it answers the calls below and, with
// background, passes over all accounts again and again. It returns when
// everything it started has ended. It may be called once.
func (e *Engine) Run(ctx context.Context, background bool) error {
	defer close(e.loop.ended)
	e.registry.ctx, e.scheduler.ctx, e.scheduler.background = ctx, ctx, background
	if background {
		if err := e.scheduler.fillSchedule(ctx); err != nil {
			close(e.loop.ending)
			return err
		}
		e.jobs.Go(func() { e.late.Run(ctx) })
	}
	e.serve(ctx, background)
	close(e.loop.ending)
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
		case fn := <-e.loop.calls:
			fn()
		case <-due.C:
		case now := <-sweep.C:
			e.registry.sweep(now)
		case <-ctx.Done():
			return
		}
		if background {
			due.Reset(e.scheduler.startDue(time.Now()))
		}
	}
}

// Answers returns an error if the engine does not answer before ctx ends, or has ended.
func (e *Engine) Answers(ctx context.Context) error { return e.loop.do(ctx, func() {}) }

// TellOpened lets the engine know what clients have open. It has to be called before Run.
func (e *Engine) TellOpened(opened func() []Opened) { e.shared.opened = opened }
