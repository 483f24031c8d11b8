package syncer

import (
	"context"
	"sort"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"postferry/config"
	"postferry/store"
	"postferry/upstream"
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
	pools   map[string]*pool

	// The loop's own.
	ctx      context.Context
	accounts map[store.AccountID]*present
	schedule *schedule
	passes   int // begun by the schedule
	jobs     sync.WaitGroup
}

// present is an account at work and who needs it.
type present struct {
	account *account
	cancel  context.CancelFunc
	users   int
	clients int
	since   time.Time // when the last user went
	visited bool      // a client has been there
	going   bool      // was told to end
}

// New makes an engine. Nothing happens before Run.
func New(cfg *config.Config, st store.Store, log zerolog.Logger) (*Engine, error) {
	return &Engine{
		shared: &shared{
			cfg: cfg, store: st, memory: semaphore.NewWeighted(cfg.Sync.Memory), dial: dial, quiet: settleQuiet, log: log,
		},
		calls: make(chan func()), ending: make(chan struct{}), ended: make(chan struct{}),
		pools: map[string]*pool{}, accounts: map[store.AccountID]*present{}, schedule: newSchedule(),
	}, nil
}

// Trace writes the protocol of all sessions down from now on. It may be called
// before the first other call, or before Run.
func (e *Engine) Trace(t *upstream.Tracer) {
	dial := e.shared.dial
	e.shared.dial = func(ctx context.Context, server config.Server, c store.Credentials, opt upstream.Options) (session, error) {
		opt.Trace = t.Session(c.Login)
		return dial(ctx, server, c, opt)
	}
}

// Run owns the engine until ctx ends: it answers the calls below and, with
// background, passes over all accounts again and again. It returns when
// everything it started has ended. It may be called once.
func (e *Engine) Run(ctx context.Context, background bool) error {
	defer close(e.ended)
	e.ctx = ctx
	if background {
		if err := e.fillSchedule(ctx); err != nil {
			close(e.ending)
			return err
		}
	}
	e.loop(ctx, background)
	close(e.ending)
	e.jobs.Wait()
	return nil
}

func (e *Engine) loop(ctx context.Context, background bool) {
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
			due.Reset(e.startDue(time.Now()))
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
		return errStopping
	case <-e.ended:
		return errStopping
	}
}

// endpoint returns a server's side with the pool that all accounts share.
func (e *Engine) endpoint(s config.Server, old bool) endpoint {
	e.poolsMu.Lock()
	defer e.poolsMu.Unlock()
	key, limit := "new "+s.Address(), e.shared.cfg.Sync.NewConnections
	if old {
		key, limit = "old "+s.Address(), e.shared.cfg.Sync.OldConnections
	}
	p := e.pools[key]
	if p == nil {
		p = newPool(s.Address(), limit)
		e.pools[key] = p
	}
	return endpoint{server: s, pool: p, readOnly: old}
}

// acquire returns an account at work, starting it if need be. leave must be
// called once.
func (e *Engine) acquire(ctx context.Context, id store.AccountID) (a *account, leave func(), err error) {
	err = e.do(ctx, func() {
		p := e.accounts[id]
		if p == nil || p.going {
			p = e.startAccount(id, p)
		}
		p.users++
		a = p.account
	})
	if err != nil {
		return nil, nil, err
	}
	return a, sync.OnceFunc(func() {
		_ = e.do(context.Background(), func() { e.left(id) })
	}), nil
}

// startAccount starts an account's goroutine. One that is still going away is
// waited for, so that an account is never at work twice.
func (e *Engine) startAccount(id store.AccountID, before *present) *present {
	ctx, cancel := context.WithCancel(e.ctx)
	p := &present{account: newAccount(e.shared, id), cancel: cancel}
	e.accounts[id] = p
	e.jobs.Add(1)
	go func() {
		defer e.jobs.Done()
		defer cancel()
		if before != nil {
			<-before.account.gone
		}
		p.account.run(ctx, e.endpoint)
	}()
	return p
}

func (e *Engine) left(id store.AccountID) {
	p := e.accounts[id]
	if p == nil {
		return
	}
	p.users--
	p.since = time.Now()
	if p.users == 0 && !p.visited {
		p.leave() // nobody will miss it before its next pass
	}
}

// leave tells an account to end.
func (p *present) leave() {
	p.going = true
	p.cancel()
}

// sweep lets accounts go whose last client has been away for a while, and
// forgets those that have gone.
func (e *Engine) sweep(now time.Time) {
	for id, p := range e.accounts {
		if p.users > 0 || !p.going && now.Sub(p.since) < linger {
			continue
		}
		select {
		case <-p.account.gone:
			delete(e.accounts, id)
		default:
			p.leave()
		}
	}
}

// fillSchedule gives every account its first turn.
func (e *Engine) fillSchedule(ctx context.Context) error {
	accounts, err := e.shared.store.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if err := e.enter(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// enter schedules an account by what is known of it.
func (e *Engine) enter(ctx context.Context, a store.Account) error {
	if a.State != store.Active || (a.Problem != nil && a.Problem.Advice == store.NeedsFix) {
		e.schedule.drop(a.ID)
		return nil
	}
	passes, err := e.shared.store.Passes(ctx, a.ID)
	if err != nil {
		return err
	}
	c, due := classInbox, time.Now()
	for _, p := range passes {
		c = classRest
		if p.Complete {
			due = p.Ended.Add(e.shared.cfg.Sync.Interval)
		}
	}
	e.schedule.put(a.ID, c, due)
	return nil
}

// startDue begins the passes whose turn has come and returns when to look again.
func (e *Engine) startDue(now time.Time) time.Duration {
	limit := passesPerPlace * max(e.shared.cfg.Sync.OldConnections, 1) * max(len(e.shared.cfg.Domains), 1)
	for e.passes < limit {
		t, ok, wait := e.schedule.next(now)
		if !ok {
			if wait == 0 {
				wait = time.Hour
			}
			return wait
		}
		e.startPass(t)
	}
	return time.Hour // the end of a pass calls the loop
}

func (e *Engine) startPass(t turn) {
	e.begin(t, passOptions{inboxOnly: t.class == classInbox, until: time.Now().Add(slice)})
}

// begin makes a pass and then gives the account its next turn.
func (e *Engine) begin(t turn, o passOptions) {
	e.passes++
	e.jobs.Add(1)
	ctx := e.ctx
	go func() {
		defer e.jobs.Done()
		r, err := e.passOver(ctx, t.id, o)
		_ = e.do(ctx, func() {
			e.passes--
			e.again(t, r, err)
		})
	}()
}

// again gives an account its next turn after a pass.
func (e *Engine) again(t turn, r passResult, err error) {
	if e.schedule.byID[t.id] != nil {
		return // it was given another meanwhile
	}
	now := time.Now()
	switch {
	case err != nil:
	case r.problem != nil && r.problem.Advice == store.NeedsFix:
	case r.problem != nil:
		e.schedule.put(t.id, classRest, r.problem.Retry)
	case r.yielded || t.class == classInbox:
		e.schedule.put(t.id, classRest, now)
	default:
		c := classRest
		if p := e.accounts[t.id]; p != nil && p.clients > 0 {
			c = classConnected
		}
		e.schedule.put(t.id, c, now.Add(e.shared.cfg.Sync.Interval))
	}
}

// passOver makes one pass and waits for its end.
func (e *Engine) passOver(ctx context.Context, id store.AccountID, o passOptions) (passResult, error) {
	a, leave, err := e.acquire(ctx, id)
	if err != nil {
		return passResult{}, err
	}
	defer leave()
	var reply <-chan passResult
	if err := a.do(ctx, func() { reply = a.beginPass(o) }); err != nil {
		return passResult{}, err
	}
	select {
	case r := <-reply:
		return r, nil
	case <-a.gone:
		select {
		case r := <-reply:
			return r, nil
		default:
			return passResult{}, errStopping
		}
	case <-ctx.Done():
		return passResult{}, ctx.Err()
	}
}

// Connected tells that a client has logged in to the new server as this
// account. The first time, it returns when the folder tree and the
// subscriptions have been brought over, the bound is reached or the old
// server shows no life; later at once. Each call is paired with a Disconnected.
func (e *Engine) Connected(ctx context.Context, id store.AccountID) {
	a, leave, err := e.acquire(ctx, id)
	if err != nil {
		return
	}
	defer leave()
	_ = e.do(ctx, func() {
		if p := e.accounts[id]; p != nil {
			p.users++
			p.clients++
			p.visited = true
		}
		e.schedule.hasten(id, classConnected)
	})
	var tree <-chan struct{}
	var old *pool
	if err := a.do(ctx, func() { tree, old = a.connected() }); err != nil || tree == nil {
		return
	}
	a.await(ctx, tree, old, func() {})
}

// Disconnected tells that such a client has gone.
func (e *Engine) Disconnected(id store.AccountID) {
	_ = e.do(context.Background(), func() {
		if p := e.accounts[id]; p != nil && p.clients > 0 {
			p.clients--
			e.left(id)
		}
	})
}

// Visit tells that a client opens a folder, by its raw name on the new
// server, and returns when the folder is worth showing: at once if nothing
// is missing. The caller bounds it by ctx; Visit itself gives up when the old
// server shows no life for a few seconds. The pull goes on after it returned.
// progress (may be nil) is told about once a second how many messages of how many are there,
// on the caller's goroutine.
func (e *Engine) Visit(ctx context.Context, id store.AccountID, mailbox string, progress func(done, total int)) {
	a, leave, err := e.acquire(ctx, id)
	if err != nil {
		return
	}
	defer leave()
	a.visit(ctx, mailbox, progress)
}

// Changed applies a folder command (CREATE, DELETE, RENAME) of a client, which
// the new server has completed, to what is known of the account. Names are raw
// names on the new server; newName is for RENAME only. It returns once that is
// durable.
func (e *Engine) Changed(ctx context.Context, id store.AccountID, verb, mailbox, newName string) error {
	a, leave, err := e.acquire(ctx, id)
	if err != nil {
		return err
	}
	defer leave()
	var result error
	if err := a.do(ctx, func() {
		if result = a.loadErr; result == nil {
			result = a.change(folderChange{verb, mailbox, newName})
		}
	}); err != nil {
		return err
	}
	return result
}

// Enrol makes an account known whose credentials the new server has just
// accepted, if the old server accepts them too. A nil error means it is stored.
func (e *Engine) Enrol(ctx context.Context, a store.Account) (store.Account, error) {
	_, leave, err := e.dialOld(ctx, a.Domain, a.Old)
	if err != nil {
		return a, err
	}
	leave()
	stored, _, err := e.shared.store.PutAccounts(ctx, []store.Account{a})
	if err != nil {
		return a, err
	}
	return stored[0], e.Updated(ctx, []store.AccountID{stored[0].ID})
}

// Updated tells that accounts were added or given other credentials: their
// problems are forgotten and they are tried again.
func (e *Engine) Updated(ctx context.Context, ids []store.AccountID) error {
	for _, id := range ids {
		row, err := e.shared.store.AccountByID(ctx, id)
		if err != nil {
			return err
		}
		if row.Problem != nil && row.Problem.Advice == store.NeedsFix {
			if err := e.shared.store.SetProblem(ctx, id, nil); err != nil {
				return err
			}
			row.Problem = nil
		}
		var at *account
		if err := e.do(ctx, func() {
			if p := e.accounts[id]; p != nil {
				at = p.account
			}
		}); err != nil {
			return err
		}
		if at != nil { // before its next pass begins: with the former problem that would be over at once
			_ = at.do(ctx, func() { at.updated(row) }) // one that is going reads it anew when it comes back
		}
		if err := e.do(ctx, func() { e.enterNow(row) }); err != nil {
			return err
		}
	}
	return nil
}

// enterNow schedules an account whose row has changed.
func (e *Engine) enterNow(row store.Account) {
	if row.State != store.Active {
		e.schedule.drop(row.ID)
		return
	}
	e.schedule.put(row.ID, classInbox, time.Now())
}

// Live is what is going on with an account right now.
type Live struct {
	Account store.AccountID
	Login   string
	Running bool
	Folder  string // title of the folder being pulled, if any
	Done    uint64 // messages of the account dealt with (ledger and quarantine)
	Total   uint64 // messages known on the old server so far
	Copied  uint64 // messages copied since this pass began
	Bytes   uint64 // octets copied since this pass began
	Started time.Time
}

// Live reports the accounts that are being worked on.
func (e *Engine) Live(ctx context.Context) ([]Live, error) {
	var at []*account
	if err := e.do(ctx, func() {
		for _, p := range e.accounts {
			at = append(at, p.account)
		}
	}); err != nil {
		return nil, err
	}
	var all []Live
	for _, a := range at {
		if err := a.do(ctx, func() {
			if l := a.live(); l.Running {
				all = append(all, l)
			}
		}); err != nil && ctx.Err() != nil {
			return nil, err
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Account < all[j].Account })
	return all, nil
}

// Result is how one account's pass ended.
type Result struct {
	Account store.Account // without passwords
	Pass    store.Pass
	Problem *store.Problem // what kept it from being complete, nil if nothing did
}

// Sync makes one pass over the accounts given, or over all that are active if
// none are, and returns when all are through or ctx ends. progress (may be
// nil) is called a few times a second.
func (e *Engine) Sync(ctx context.Context, ids []store.AccountID, progress func([]Live)) ([]Result, error) {
	accounts, err := e.chosen(ctx, ids)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(accounts))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(passesPerPlace * max(e.shared.cfg.Sync.OldConnections, 1))
	ended := make(chan error, 1)
	go func() {
		for i, a := range accounts {
			g.Go(func() error {
				r, err := e.passOver(gctx, a.ID, passOptions{fresh: true})
				results[i] = Result{Account: a, Pass: r.pass, Problem: r.problem}
				return err
			})
		}
		ended <- g.Wait()
	}()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return results, err
		case <-tick.C:
			if live, err := e.Live(ctx); err == nil && progress != nil {
				progress(live)
			}
		}
	}
}

// chosen reads the accounts a Sync is about.
func (e *Engine) chosen(ctx context.Context, ids []store.AccountID) ([]store.Account, error) {
	all, err := e.shared.store.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	want := make(map[store.AccountID]bool, len(ids))
	for _, id := range ids {
		want[id] = true
	}
	var chosen []store.Account
	for _, a := range all {
		if want[a.ID] || (len(ids) == 0 && a.State == store.Active) {
			chosen = append(chosen, a)
		}
	}
	return chosen, nil
}
