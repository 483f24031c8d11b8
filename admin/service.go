package admin

import (
	"context"
	"errors"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/checks"
	"postferry/admin/finishing"
	"postferry/admin/jobs"
	"postferry/admin/runs"
	"postferry/admin/selection"
	"postferry/admin/transfers"
	"postferry/config"
	"postferry/discover"
	"postferry/lifecycle"
	"postferry/store"
)

// Options are what the use cases need.
type Options struct {
	Config *config.Config
	Store  Store
	Ferry  Ferry
	Finder *discover.Finder
	Log    zerolog.Logger
	// Endings is what leads moves to their end. Without a guide there is one that asks the Finder's
	// DNS servers.
	Endings finishing.Endings
	// Tokens are those that the engine signs in with; nil for none.
	Tokens Tokens
	// Languages are those that people can be told in; nil for English alone.
	Languages func() ([]string, error)
	// Poster sends tests to webhooks; nil where nothing is posted.
	Poster Poster
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
	Webhooks      *Webhooks
	Accounts      *Accounts
	Folders       *Folders
	Lists         *Lists
	Checks        *checks.Checks
	Verifications *checks.Verifications
	Transfers     *transfers.Transfers
	Runs          *transfers.Runs
	Finishing     *finishing.Finishing
	Tenants       *Tenants
	Consents      *Consents
	Servers       *Servers
	Status        *Status

	store      serviceStore
	background background
}

// background is what goes on by itself.
type background struct {
	boards  *board.Boards
	jobs    *jobs.Runner
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
	scopes  *Scopes
	chooser *selection.Chooser
	audit   *access.Audit
	memory  *memory
	boards  *board.Boards
	tracker *runs.Tracker
	jobs    *jobs.Runner
	adding  *semaphore.Weighted // held by whoever adds or changes accounts, or changes a domain
}

// New makes the use cases. Some of them wait until Run is under way.
func New(opt Options) *Service {
	if opt.Tokens == nil {
		opt.Tokens = noTokens{}
	}
	s := &shared{Options: opt, scopes: &Scopes{opt.Config.Directory}, audit: access.NewAudit(opt.Store, opt.Log), memory: newMemory(),
		tracker: runs.New(opt.Store, opt.Ferry, opt.Log), jobs: jobs.NewRunner(), adding: semaphore.NewWeighted(1)}
	a := &Service{Scopes: s.scopes, Audit: s.audit, store: opt.Store}
	s.boards = board.New(board.Source{Store: opt.Store, Ferry: opt.Ferry, Counted: func(domain string) map[store.AccountID]uint64 { return a.Checks.Counted(domain) }})
	s.chooser = selection.NewChooser(s.scopes, s.boards, opt.Store)
	a.background = background{s.boards, s.jobs, s.tracker}
	s.makeJobs(a)
	s.makeAccess(a)
	a.Consents = &Consents{scopes: s.scopes, store: s.Store, ferry: s.Ferry, tokens: s.Tokens, visits: newVisits(), codes: s.memory.codes,
		asking: access.NewPlaces(maxAskingEach, maxAsking, maxAskingAll), public: s.Config.Admin.PublicURL, jobs: s.jobs,
		audit: s.audit, log: s.Log}
	s.makeDomains(a)
	s.makeAccounts(a)
	a.Finishing = s.finishing(a)
	a.Status = &Status{s.scopes, s.boards, a.Runs, a.Checks, a.Verifications}
	s.memory.jobs = []dropper{a.Checks, a.Verifications, a.Finishing}
	return a
}

// makeJobs makes what goes on for long.
func (s *shared) makeJobs(a *Service) {
	opt := checks.Options{Scopes: s.scopes, Chooser: s.chooser, Ferry: s.Ferry, Jobs: s.jobs, Audit: s.audit}
	a.Checks, a.Verifications = checks.NewChecks(opt), checks.NewVerifications(opt)
	copying := transfers.Options{Scopes: s.scopes, Chooser: s.chooser, Ferry: s.Ferry, Store: s.Store, Boards: s.boards, Tracker: s.tracker, Audit: s.audit}
	a.Transfers, a.Runs = transfers.New(copying), transfers.NewRuns(copying)
}

// makeAccess makes what lets people and programs in.
func (s *shared) makeAccess(a *Service) {
	opt := access.Options{Store: s.Store, Audit: s.audit, Lists: s.memory.lists, Hashing: s.Hashing, Log: s.Log}
	a.Access = access.New(opt)
	a.Sessions = access.NewSessions(opt, a.Access)
}

// makeDomains makes what is about whole domains.
func (s *shared) makeDomains(a *Service) {
	a.Domains = &Domains{scopes: s.scopes, consents: a.Consents, directory: s.Config.Directory, store: s.Store, ferry: s.Ferry, finder: s.Finder, newServer: s.Config.Admin.New, every: s.Config.Sync.Interval, told: toldBy{s.Config, s.Languages},
		boards: s.boards, memory: s.memory, tracker: s.tracker, adding: s.adding, audit: s.audit}
	a.Webhooks = &Webhooks{a.Domains, s.Poster}
	a.Servers = &Servers{a.Domains, s.Finder, access.NewPlaces(maxSearchesEach, maxSearches, maxSearchesAll)}
}

// makeAccounts makes what is about accounts, and the ways in which they come.
func (s *shared) makeAccounts(a *Service) {
	a.Accounts = &Accounts{scopes: s.scopes, consents: a.Consents, chooser: s.chooser, store: s.Store, ferry: s.Ferry, boards: s.boards,
		tracker: s.tracker, guesses: newGuesses(), adding: s.adding, audit: s.audit}
	a.Folders = &Folders{s.scopes, a.Accounts, s.chooser, s.Store, s.Ferry, s.boards, s.audit}
	a.Lists = &Lists{s.scopes, a.Accounts, s.memory.lists}
	a.Tenants = &Tenants{scopes: s.scopes, directory: s.Config.Directory, accounts: a.Accounts, consents: a.Consents, store: s.Store, ferry: s.Ferry,
		rosters: newRosters(), connecting: access.NewPlaces(1, 2, maxConnecting), signing: semaphore.NewWeighted(1), audit: s.audit, log: s.Log}
}

// finishing makes what leads moves to their end.
func (s *shared) finishing(a *Service) *finishing.Finishing {
	endings := s.Endings
	if endings.Guide == nil {
		endings.Guide = &lifecycle.Guide{Config: s.Config, Store: s.Store, Finder: s.Finder, Log: s.Log, Parting: a.Consents.parting}
	}
	endings.Guide.Told = s.ended
	return finishing.New(finishing.Options{Endings: endings, Scopes: s.scopes, Chooser: s.chooser, Jobs: s.jobs, Audit: s.audit, Search: a.Servers.search})
}

// ended hears, also from the command line, that accounts of a domain were finished, or that all of it
// was forgotten.
func (s *shared) ended(ctx context.Context, domain string, ids []store.AccountID) error {
	if _, known := s.Config.Directory.DomainNamed(domain); !known {
		s.memory.drop(domain)
	}
	s.boards.Changed(domain)
	return errors.Join(s.forgetTokens(ctx, domain, ids), s.tracker.Stopped(ctx, ids))
}

// forgetTokens drops what accounts were signed in with that have ended.
func (s *shared) forgetTokens(ctx context.Context, domain string, ids []store.AccountID) error {
	for _, id := range ids {
		x, err := s.Store.AccountByID(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound): // so is all of the domain
			s.Tokens.Forget(domain, store.OldSide, "")
			s.Tokens.Forget(domain, store.NewSide, "")
			return nil
		case err != nil:
			return err
		}
		s.Tokens.Forget(domain, store.OldSide, x.Old.Login)
		s.Tokens.Forget(domain, store.NewSide, x.New.Login)
	}
	return nil
}

// Run does what goes on by itself until ctx ends: runs are followed, jobs done, boards kept up
// to date, and what has expired is forgotten.
func (a *Service) Run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	for _, fn := range []func(context.Context){a.Sessions.Sweep, a.background.boards.Run, a.background.jobs.Run} {
		all.Go(func() error {
			fn(ctx)
			return nil
		})
	}
	all.Go(func() error {
		err := a.background.tracker.Run(ctx)
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
