package syncer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"postferry/config"
	"postferry/report"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/leftout"
	"postferry/syncer/mailbox"
	"postferry/syncer/measure"
	"postferry/syncer/session"
	"postferry/syncer/transfer"
)

// shared is what all accounts work with.
type shared struct {
	cfg     *config.Config
	store   Store
	memory  *semaphore.Weighted
	bodies  *transfer.Buffers
	dial    session.Dialers
	ended   endings
	views   leftout.ViewCounts
	claims  *mailbox.Mailboxes
	metrics *metrics
	opened  func() []Opened  // what clients have open; nil for nobody who tells
	quiet   time.Duration    // settleQuiet, shorter in tests
	clock   func() time.Time // time.Now, another one in tests of what hangs on how long something took
	limits  session.Throttles
	// lateLook is how often it is looked at whom to watch for late mail; shorter in tests.
	lateLook time.Duration
	log      zerolog.Logger
}

// account is one account at work. Its goroutine (run) owns all that the embedded parts
// don't say otherwise of; everybody else sends it functions to run.
type account struct {
	*shared
	store accountStore
	runner
	mailboxState
	pulls
	troubles
	id       store.AccountID
	log      zerolog.Logger
	servers  atomic.Pointer[config.Domain] // what domain points to, for everybody
	standIns mailbox.StandIns
	row      store.Account
	domain   *config.Domain
	loadErr  error
	visits   visitList
	pass     *passRun
	asked    []chan passResult        // who waits for a pass after the running one
	messages uint64                   // on the old server, as the store knows
	renewed  time.Time                // when the row was last given other credentials
	lead     func(of store.AccountID) // tells the engine that this is an alias; nil in tests without one
}

// mailboxState is what is known of a person's mail on both servers.
type mailboxState struct {
	rows    records
	folders folderList
	tree    treeState
	now     func() time.Time
}

// pulls are what the pulls of an account share.
type pulls struct {
	hung    session.HungSessions
	movedMX time.Time           // since when mail that reaches the old server is late
	taking  sync.Mutex          // held while lines of the ledger are given other keys
	meter   measure.Meter       // of what they deal with; may be used from anywhere
	traffic *session.RateLimits // likewise; nil before the account is loaded
}

// troubles are what an account bears in mind beside the problem that is recorded.
type troubles struct {
	refusing *store.Problem // the new server has refused all messages of a folder; kept when somebody asks for a pass
	dates    *store.Problem // told as long as nothing is worse: the new server does not keep dates
	failures int            // passes in a row that ended with a problem
}

// records writes what must not be lost when the engine stops.
type records struct {
	store recordStore
	id    store.AccountID
	ctx   context.Context
	log   zerolog.Logger
}

func newAccount(s *shared, id store.AccountID) *account {
	a := &account{
		shared: s, store: s.store, id: id, log: s.log,
		runner:       runner{actor: actor{events: make(chan func(), 16), gone: make(chan struct{})}, pairSet: pairSet{busy: map[*session.Pair]bool{}}},
		mailboxState: mailboxState{rows: records{store: s.store, id: id}, now: s.clock},
		standIns:     mailbox.StandIns{Store: s.store, Claims: s.claims, Cfg: s.cfg, ID: id},
	}
	a.hung.Jobs = &a.jobs
	return a
}

// takeRow takes over a row of the store, with the credentials that jobs begin with from now on.
func (a *account) takeRow(row store.Account) {
	a.row = row
	a.oldCreds, a.newCreds = row.Old, row.New
}

// run serves the account until ctx ends and its jobs have ended too.
func (a *account) run(ctx context.Context, pools func(config.Server, bool) session.Endpoint) {
	defer close(a.gone)
	a.ctx, a.rows.ctx = ctx, ctx
	a.work, a.cut = context.WithCancel(ctx)
	defer func() { a.cut() }()
	a.load(ctx)
	if a.loadErr == nil {
		a.front = a.newPair(pools, true)
		for range session.PassPairs {
			a.backs = append(a.backs, a.newPair(pools, false))
		}
	}
	tick := time.NewTicker(session.PairIdle / 3)
	defer tick.Stop()
	for {
		select {
		case fn := <-a.events:
			fn()
			a.pump()
		case now := <-tick.C:
			a.closeIdle(now)
			a.rows.saveUsage(a.traffic)
		case <-ctx.Done():
			a.wind()
			return
		}
	}
}

// wind ends the account's work: its jobs see the ended context, their last
// words are heard, and the sessions are closed.
func (a *account) wind() {
	ended := make(chan struct{})
	go func() {
		a.jobs.Wait()
		close(ended)
	}()
	for {
		select {
		case fn := <-a.events:
			fn()
		case <-ended:
			a.lastWords()
			return
		}
	}
}

func (a *account) lastWords() {
	for {
		select {
		case fn := <-a.events:
			fn()
			continue
		default:
		}
		break
	}
	for _, v := range a.visits {
		v.show()
	}
	for a.pass != nil {
		a.endPass(report.ErrStopping)
	}
	a.tree.tell()
	for _, l := range a.pairs() {
		l.End(a.ctx)
	}
	a.rows.saveUsage(a.traffic)
}

// saveUsage makes durable how much of its budgets the account has used.
func (k *records) saveUsage(traffic *session.RateLimits) {
	if traffic == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), storeWait)
	defer cancel()
	if err := traffic.Save(ctx, k.store, k.id); err != nil {
		k.log.Error().Err(err).Msg("the account's usage could not be recorded")
	}
}

func (a *account) load(ctx context.Context) {
	row, err := a.store.AccountByID(ctx, a.id)
	if a.loadErr = err; err != nil {
		return
	}
	a.takeRow(row)
	a.log = a.shared.log.With().Str("account", a.row.Login).Logger()
	a.rows.log, a.standIns.Log = a.log, a.log
	var ok bool
	if a.domain, ok = a.cfg.DomainNamed(a.row.Domain); !ok {
		a.loadErr = errNoDomain
		return
	}
	usage, err := a.store.Usage(ctx, a.id)
	if a.loadErr = err; err != nil {
		return
	}
	a.lookWhetherMXMoved(ctx)
	a.traffic = session.NewRateLimits(a.limits.Of(a.domain), a.domain.Account, usage)
	a.servers.Store(a.domain)
	a.connections = a.domain.Account.Connections
	rows, err := a.store.Folders(ctx, a.id)
	a.loadErr = err
	a.folders.take(rows)
	if p := a.row.Problem; p != nil && p.Kind == store.OverQuota && !foldertree.Begun(rows) {
		a.tree.room = p // until the next look at the trees
	}
}

func (a *account) newPair(pools func(config.Server, bool) session.Endpoint, urgent bool) *session.Pair {
	return &session.Pair{
		Urgent: urgent, Stall: a.cfg.Sync.Stall, Dial: a.dial, Log: a.log,
		Old: session.Slot[session.Source]{End: pools(a.domain.Old, true), Held: &a.heldOld}, New: session.Slot[session.Target]{End: pools(a.domain.New, false), Held: &a.heldNew},
		Listening: &a.listening, RateLimits: a.traffic, Logins: &a.standIns,
	}
}

// works tells whether the old server may be contacted for the account.
func (a *account) works() bool {
	return a.loadErr == nil && a.row.State == store.Active && a.row.Alias == 0 &&
		(a.row.Problem == nil || a.row.Problem.Advice != store.NeedsFix)
}

// pump starts what can be started: visits first.
func (a *account) pump() {
	if a.loadErr != nil || a.ctx.Err() != nil || !a.ready() {
		return
	}
	a.trim()
	if a.mayUse(a.visitPair()) {
		a.nextVisit()
	} else if a.visitPair() != a.front {
		a.claimLane()
	}
	a.nextPassSteps()
}

// problem records what keeps the account from being copied, or that nothing does.
func (a *account) problem(p *store.Problem) {
	if p == nil && a.row.Problem == nil {
		return
	}
	if p != nil && p.Advice == store.NeedsFix && a.pass != nil && a.pass.started.Before(a.renewed) {
		p.Advice, p.Retry = store.RetryLater, time.Now().Add(time.Second) // it was about the former credentials
	}
	if p != nil && !a.announce(p) {
		return
	}
	a.row.Problem = p
	if err := a.store.SetProblem(a.ctx, a.id, p); err != nil && a.ctx.Err() == nil {
		a.log.Error().Err(err).Msg("the account's problem could not be recorded")
	}
}

// announce logs a problem, loudly if it is news, and tells whether it is worth
// recording: the same one that is still waited out is not.
func (a *account) announce(p *store.Problem) bool {
	was := a.row.Problem
	again := was != nil && was.Summary == p.Summary && was.Advice == p.Advice
	event := a.log.Warn()
	if again {
		p.Since = was.Since
	}
	if again || p.Advice == store.RetryLater && (p.Kind.OfTenant() || !a.news(p.Server)) {
		event = a.log.Debug()
	}
	event.Str("folder", p.Folder).Str("advice", string(p.Advice)).Str("cause", p.Cause).Msg(p.Summary)
	return !again || time.Now().After(was.Retry) || p.Retry.Before(was.Retry) // the clock was put back
}

// silent records that a client waited for the old server in vain. It is no more than
// that: the attempt goes on until the connection counts as stalled.
func (a *account) silent() {
	if !a.works() || a.row.Problem != nil {
		return
	}
	now := time.Now()
	a.problem(&store.Problem{
		Kind: store.Silent, Server: store.OldSide, Host: a.domain.Old.Host,
		Summary: fmt.Sprintf("The old server (%s) does not answer. Mail is copied as soon as it does; clients work with the new mailbox meanwhile.", a.domain.Old.Host),
		Cause:   fmt.Sprintf("no sign of life for %v while a client waited", patience),
		Advice:  store.RetryLater, Since: now, Retry: now.Add(a.cfg.Sync.Stall),
	})
}

// connected hears of a client's login and returns what it should wait for: the
// first look at the trees, nil if there has been one.
func (a *account) connected() (<-chan struct{}, *session.Pool) {
	if !a.works() || time.Since(a.tree.at) < treeFresh && !a.folders.renamingUnclear() {
		return nil, nil
	}
	done := make(chan struct{})
	a.tree.waiting = append(a.tree.waiting, done)
	if len(a.folders) > 0 {
		return nil, nil // the folders are there; what is new among them appears as it is found
	}
	return done, a.front.Old.End.Pool
}

// updated takes over a row that an administrator or a client changed.
func (a *account) updated(row store.Account) {
	if row.Old != a.row.Old || row.New != a.row.New {
		a.standIns.Reset()
	}
	a.takeRow(row)
	a.renewed = time.Now()
	a.failures = 0
	for _, l := range a.pairs() {
		if !a.busy[l] {
			l.Drop() // sessions with the former credentials
		}
	}
}
