package syncer

import (
	"context"
	"sync/atomic"
	"time"

	"postferry/config"
	"postferry/report"
	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/foldertree"
	"postferry/syncer/jobs"
	"postferry/syncer/mailbox"
	"postferry/syncer/session"
)

// account is one account at work. Its goroutine (run) owns all that its parts don't say otherwise of; everybody
// else sends it functions to run. Each part knows those that come before it.
type account struct {
	*person
	servers  atomic.Pointer[config.Domain] // what domain points to, for everybody
	problems *problems
	order    *ordering
	pulls    *pulls
	looks    *looks
	visits   *visits
	back     *wayBack
	passes   *passes
	halting  *time.Timer // until the jobs of a stopped account are cut; nil if none is
}

// newAccount makes an account; lead hears that it is an alias.
func newAccount(s *shared, id store.AccountID, lead func(of store.AccountID)) *account {
	w := &person{
		shared: s, store: s.store, id: id, log: s.log,
		jobs:     jobs.New(),
		mail:     folders.New(s.store, id),
		standIns: mailbox.StandIns{Store: s.store, Claims: s.claims, Cfg: s.cfg, ID: id},
	}
	w.hung.Jobs = &w.jobs.Running
	a := &account{person: w, problems: &problems{person: w}, order: &ordering{person: w}}
	a.pulls = &pulls{person: w, problems: a.problems, order: a.order}
	a.looks = &looks{person: w, lead: lead}
	a.visits = &visits{person: w, problems: a.problems, looks: a.looks, pulls: a.pulls}
	a.back = &wayBack{person: w}
	a.passes = &passes{person: w, problems: a.problems, looks: a.looks, pulls: a.pulls, visits: a.visits, order: a.order, back: a.back}
	a.passes.listen()
	return a
}

// run serves the account until ctx ends and its jobs have ended too.
func (a *account) run(ctx context.Context, pools func(config.Server, bool) session.Endpoint) {
	a.jobs.Open(ctx)
	defer a.jobs.Close()
	defer a.forget()
	a.mail.Rows.Open(ctx)
	a.load(ctx)
	if a.loadErr == nil {
		a.jobs.Front = a.newPair(pools, true)
		for range session.PassPairs {
			a.jobs.Backs = append(a.jobs.Backs, a.newPair(pools, false))
		}
	}
	tick := time.NewTicker(session.PairIdle / 3)
	defer tick.Stop()
	for {
		select {
		case fn := <-a.jobs.Events:
			fn()
			a.pump()
		case now := <-tick.C:
			a.jobs.CloseIdle(now)
			a.mail.Rows.SaveUsage(a.traffic)
		case <-ctx.Done():
			a.wind()
			return
		}
	}
}

// wind ends the account's work: its jobs see the ended context, their last
// words are heard, and the sessions are closed.
func (a *account) wind() {
	ended := a.jobs.Wind()
	for {
		select {
		case fn := <-a.jobs.Events:
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
		case fn := <-a.jobs.Events:
			fn()
			continue
		default:
		}
		break
	}
	for _, v := range a.visits.list {
		v.show()
	}
	for a.passes.pass != nil {
		a.passes.end(report.ErrStopping)
	}
	a.looks.tell()
	for _, l := range a.jobs.All() {
		l.End(a.jobs.Context)
	}
	a.mail.Rows.SaveUsage(a.traffic)
}

// forget lets go of the passwords: an account that has ended is referred to as long as it has clients.
func (a *account) forget() {
	a.row.Old, a.row.New = store.Credentials{}, store.Credentials{}
	a.jobs.Forget()
}

func (a *account) load(ctx context.Context) {
	row, err := a.store.AccountByID(ctx, a.id)
	if a.loadErr = err; err != nil {
		return
	}
	a.takeRow(row)
	a.log = a.shared.log.With().Str("account", a.row.Login).Logger()
	a.mail.Rows.LogTo(a.log)
	a.standIns.Log = a.log
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
	a.jobs.Connections = a.domain.Account.Connections
	rows, err := a.store.Folders(ctx, a.id)
	a.loadErr = err
	a.mail.Folders.Take(rows)
	if p := a.row.Problem; p != nil && p.Kind == store.OverQuota && !foldertree.Begun(rows) {
		a.mail.Trees.Room = p // until the next look at the trees
	}
}

func (a *account) newPair(pools func(config.Server, bool) session.Endpoint, urgent bool) *session.Pair {
	return &session.Pair{
		Urgent: urgent, Stall: a.cfg.Sync.Stall, Dial: a.dial, Log: a.log,
		Old: session.Slot[session.Source]{End: pools(a.domain.Old, true), Held: &a.jobs.HeldOld}, New: session.Slot[session.Target]{End: pools(a.domain.New, false), Held: &a.jobs.HeldNew},
		Listening: &a.jobs.Listening, RateLimits: a.traffic, Logins: &a.standIns,
	}
}

// pump starts what can be started: visits first.
func (a *account) pump() {
	if a.loadErr != nil || a.jobs.Context.Err() != nil || !a.jobs.Ready() {
		return
	}
	a.jobs.Trim()
	if a.jobs.MayUse(a.jobs.VisitPair()) {
		a.visits.next()
	} else if a.jobs.VisitPair() != a.jobs.Front {
		a.visits.claimLane()
	}
	a.passes.nextSteps()
}

// updated takes over a row that an administrator or a client changed.
func (a *account) updated(row store.Account) {
	if row.Old != a.row.Old || row.New != a.row.New {
		a.standIns.Reset()
	}
	a.takeRow(row)
	a.problems.renewed = time.Now()
	a.problems.failures = 0
	for _, l := range a.jobs.All() {
		if !a.jobs.Busy[l] {
			l.Drop() // sessions with the former credentials
		}
	}
}

// retry releases messages now, or once the pull of their folder has ended.
func (a *account) retry(folder store.FolderID, keys []store.Key, result chan<- error) {
	f := a.mail.Folders.ByID(folder)
	switch {
	case a.loadErr != nil:
		result <- a.loadErr
	case f == nil:
		result <- store.ErrNotFound
	case f.Pulling != nil:
		f.Pulling.Yield()
		f.Settled = append(f.Settled, func() { result <- a.mail.Release(f, keys) })
	default:
		result <- a.mail.Release(f, keys)
	}
}
