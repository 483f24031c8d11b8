package admin

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"postferry/config"
	"postferry/discover"
	"postferry/lifecycle"
)

const (
	// MaxPerPage bounds a page of a list.
	MaxPerPage = 200
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
	// Hashing is what hashing an administrator's password costs; zero for what is usual.
	Hashing Hashing
}

// Service holds the use cases and what they share.
type Service struct {
	directory *config.Directory
	store     Store
	ferry     Ferry
	finder    *discover.Finder
	log       zerolog.Logger
	now       func() time.Time
	newServer string // admin.new

	hasher        *hasher
	limits        [2]*limiter // of failed logins: by address, by name
	guesses       *guesses
	link          oneTime
	lists         *lists
	boards        *boards
	jobs          *jobs
	checks        *jobShelf[checkResults]
	verifications *jobShelf[verifyResults]
	preparations  *jobShelf[prepareResult]
	endings       Endings

	tracker *tracker

	discovering *Places // of searches for servers
	connecting  *Places // of tenants being tried and listed
	rosters     *rosters

	adding *semaphore.Weighted // held by whoever adds or changes accounts, or changes a domain
}

// New makes the use cases. Some of them wait until run is under way.
func New(opt Options) *Service {
	now := opt.Now
	if now == nil {
		now = time.Now
	}
	a := &Service{
		directory: opt.Config.Directory, store: opt.Store, ferry: opt.Ferry, finder: opt.Finder,
		log: opt.Log, now: now, newServer: opt.Config.Admin.New,
		hasher: newHasher(opt.Hashing),
		// People mistype; who guesses has a few tries in a minute.
		limits:      [2]*limiter{newLimiter(10, 20*time.Second), newLimiter(20, 10*time.Second)},
		guesses:     newGuesses(now),
		lists:       newLists(),
		discovering: NewPlaces(maxDiscoveriesEach, maxDiscoveries, maxDiscoveriesAll),
		connecting:  NewPlaces(1, 2, maxConnecting),
		rosters:     newRosters(),
		adding:      semaphore.NewWeighted(1),
	}
	a.hasher.nobody() // the first who logs in waits no longer than others
	a.boards = newBoards(a.readBoard)
	a.tracker = newTracker(opt.Store, opt.Ferry, opt.Log, time.Now)
	a.jobs, a.checks, a.verifications = newJobs(), newJobShelf[checkResults](), newJobShelf[verifyResults]()
	a.preparations, a.endings = newJobShelf[prepareResult](), opt.Endings
	if a.endings.Guide == nil {
		a.endings.Guide = &lifecycle.Guide{Config: opt.Config, Store: opt.Store, Finder: opt.Finder, Log: opt.Log, Now: now}
	}
	a.endings.Guide.Told = a.ended
	return a
}

// Run does what goes on by itself until ctx ends: runs are followed, jobs done, boards kept up
// to date, and what has expired is forgotten.
func (a *Service) Run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	for _, fn := range []func(context.Context){a.sweep, a.boards.run, a.jobs.run} {
		all.Go(func() error {
			fn(ctx)
			return nil
		})
	}
	all.Go(func() error {
		err := a.tracker.run(ctx)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil
		}
		return err
	})
	return all.Wait()
}

// NewServer is the new server of domains that are given none, as it is configured.
func (a *Service) NewServer() string { return a.newServer }

// Healthy reports why the use cases can do nothing; nil as long as the database answers.
func (a *Service) Healthy(ctx context.Context) error {
	_, err := a.store.Domains(ctx)
	return err
}
