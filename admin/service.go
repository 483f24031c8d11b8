package admin

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/runs"
	"postferry/config"
	"postferry/discover"
	"postferry/lifecycle"
	"postferry/store"
)

const (
	// maxDiscoveriesEach, maxDiscoveries and maxDiscoveriesAll bound the searches for
	// servers that run at a time.
	maxDiscoveriesEach, maxDiscoveries, maxDiscoveriesAll = 2, 6, 4
)

// Options are what the use cases need.
type Options struct {
	Config *config.Config
	Store  Store
	Ferry  Ferry
	Finder *discover.Finder
	Log    zerolog.Logger
	Now    func() time.Time // nil for the clock
	// Endings is what leads moves to their end. Without a guide there is one that asks the Finder's
	// DNS servers.
	Endings Endings
	// Tokens are those that the engine signs in with; nil for none.
	Tokens Tokens
	// Hashing is what hashing an administrator's password costs; zero for what is usual.
	Hashing access.Hashing
}

// Service holds the use cases, each of which has what it needs.
type Service struct {
	Scopes        *Scopes
	Access        *access.Administrators
	Sessions      *access.Sessions
	Audit         *access.Audit
	Domains       *Domains
	Accounts      *Accounts
	Folders       *Folders
	Lists         *Lists
	Checks        *Checks
	Verifications *Verifications
	Transfers     *Transfers
	Runs          *Runs
	Finishing     *Finishing
	Tenants       *Tenants
	Consents      *Consents
	Discovery     *Discovery
	Trials        *Trials
	Status        *Status

	store   serviceStore
	boards  *board.Boards
	jobs    *jobs
	tracker *runs.Tracker
}

// serviceStore is what the service itself asks of the state.
type serviceStore interface {
	domainLister
	access.Keeper
}

// shared is what several use cases have in common.
type shared struct {
	Options
	scopes      *Scopes
	chooser     *chooser
	audit       *access.Audit
	memory      *memory
	boards      *board.Boards
	tracker     *runs.Tracker
	jobs        *jobs
	discovering *Places
	adding      *semaphore.Weighted // held by whoever adds or changes accounts, or changes a domain
}

// New makes the use cases. Some of them wait until Run is under way.
func New(opt Options) *Service {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Tokens == nil {
		opt.Tokens = noTokens{}
	}
	s := &shared{Options: opt, scopes: &Scopes{opt.Config.Directory}, audit: access.NewAudit(opt.Store, opt.Log, opt.Now), memory: newMemory(),
		tracker: runs.New(opt.Store, opt.Ferry, opt.Log), jobs: newJobs(opt.Now),
		discovering: NewPlaces(maxDiscoveriesEach, maxDiscoveries, maxDiscoveriesAll), adding: semaphore.NewWeighted(1)}
	a := &Service{Scopes: s.scopes, Audit: s.audit, store: opt.Store, jobs: s.jobs, tracker: s.tracker}
	a.boards = board.New(board.Source{Store: opt.Store, Ferry: opt.Ferry, Counted: func(domain string) map[store.AccountID]uint64 { return countedBy(s.memory.checks, domain) }})
	s.boards, s.chooser = a.boards, &chooser{s.scopes, a.boards, opt.Store}
	s.makeJobs(a)
	s.makeAccess(a)
	a.Consents = &Consents{scopes: s.scopes, store: s.Store, ferry: s.Ferry, tokens: s.Tokens, visits: newVisits(), codes: s.memory.codes,
		asking: NewPlaces(maxAskingEach, maxAsking, maxAskingAll), public: s.Config.Admin.PublicURL, jobs: s.jobs,
		audit: s.audit, log: s.Log, now: s.Now}
	s.makeDomains(a)
	s.makeAccounts(a)
	a.Finishing = s.finishing(a)
	a.Status = &Status{s.scopes, s.boards, opt.Store, a.Checks, a.Verifications}
	return a
}

// makeJobs makes what goes on for long.
func (s *shared) makeJobs(a *Service) {
	a.Checks = &Checks{s.scopes, s.chooser, s.Ferry, s.memory.checks, s.jobs, s.audit, s.Now}
	a.Verifications = &Verifications{s.scopes, s.chooser, s.Ferry, s.memory.verifications, s.jobs, s.audit, s.Now}
	a.Transfers = &Transfers{s.chooser, s.Ferry, s.boards, s.tracker, s.audit}
	a.Runs = &Runs{s.scopes, s.Store, s.Ferry}
}

// makeAccess makes what lets people and programs in.
func (s *shared) makeAccess(a *Service) {
	opt := access.Options{Store: s.Store, Audit: s.audit, Lists: s.memory.lists, Hashing: s.Hashing, Log: s.Log, Now: s.Now}
	a.Access = access.New(opt)
	a.Sessions = access.NewSessions(opt, a.Access)
}

// makeDomains makes what is about whole domains.
func (s *shared) makeDomains(a *Service) {
	a.Domains = &Domains{scopes: s.scopes, consents: a.Consents, directory: s.Config.Directory, store: s.Store, ferry: s.Ferry, finder: s.Finder, newServer: s.Config.Admin.New, every: s.Config.Sync.Interval, told: s.Config.Notify.Recipients,
		boards: s.boards, memory: s.memory, tracker: s.tracker, adding: s.adding, audit: s.audit, now: s.Now}
	a.Discovery = &Discovery{s.Finder, s.discovering}
	a.Trials = &Trials{a.Domains, s.Finder, s.discovering}
}

// makeAccounts makes what is about accounts, and the ways in which they come.
func (s *shared) makeAccounts(a *Service) {
	a.Accounts = &Accounts{scopes: s.scopes, consents: a.Consents, chooser: s.chooser, store: s.Store, ferry: s.Ferry, boards: s.boards,
		tracker: s.tracker, guesses: newGuesses(s.Now), adding: s.adding, audit: s.audit, now: s.Now}
	a.Folders = &Folders{s.scopes, a.Accounts, s.chooser, s.Store, s.Ferry, s.boards, s.audit}
	a.Lists = &Lists{s.scopes, a.Accounts, s.memory.lists, s.Now}
	a.Tenants = &Tenants{scopes: s.scopes, directory: s.Config.Directory, accounts: a.Accounts, consents: a.Consents, store: s.Store, ferry: s.Ferry,
		rosters: newRosters(), connecting: NewPlaces(1, 2, maxConnecting), audit: s.audit, log: s.Log, now: s.Now}
}

// finishing makes what leads moves to their end.
func (s *shared) finishing(a *Service) *Finishing {
	f := &Finishing{scopes: s.scopes, chooser: s.chooser, directory: s.Config.Directory, endings: s.Endings, preparations: s.memory.preparations,
		jobs: s.jobs, discovering: s.discovering, boards: s.boards, memory: s.memory, tracker: s.tracker, audit: s.audit, now: s.Now}
	if f.endings.Guide == nil {
		f.endings.Guide = &lifecycle.Guide{Config: s.Config, Store: s.Store, Finder: s.Finder, Log: s.Log, Now: s.Now, Parting: a.Consents.parting}
	}
	f.endings.Guide.Told = f.ended
	return f
}

// Run does what goes on by itself until ctx ends: runs are followed, jobs done, boards kept up
// to date, and what has expired is forgotten.
func (a *Service) Run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	for _, fn := range []func(context.Context){a.Sessions.Sweep, a.boards.Run, a.jobs.run} {
		all.Go(func() error {
			fn(ctx)
			return nil
		})
	}
	all.Go(func() error {
		err := a.tracker.Run(ctx)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil
		}
		return err
	})
	return all.Wait()
}

// Healthy reports why the use cases can do nothing; nil as long as the database answers.
func (a *Service) Healthy(ctx context.Context) error {
	_, err := a.store.Domains(ctx)
	return err
}
