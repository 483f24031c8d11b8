package admin

import (
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"postferry/config"
	"postferry/discover"
	"postferry/store"
)

const (
	// maxPerPage bounds a page of a list.
	maxPerPage = 200
	// defaultPerPage is a page's length if none is asked for.
	defaultPerPage = 50
	// maxDiscoveriesEach, maxDiscoveries and maxDiscoveriesAll bound the searches for
	// servers that run at a time.
	maxDiscoveriesEach, maxDiscoveries, maxDiscoveriesAll = 2, 6, 4
)

// app holds the use cases and what they share.
type app struct {
	directory *config.Directory
	store     store.Store
	ferry     Ferry
	finder    *discover.Finder
	log       zerolog.Logger
	now       func() time.Time
	public    string // admin.public_url
	newServer string // admin.new
	url       string // where the page is reached, without a slash at the end

	hasher        *hasher
	limits        [2]*limiter // of failed logins: by address, by name
	guesses       *guesses
	link          oneTime
	lists         *lists
	boards        *boards
	jobs          *jobs
	checks        *jobShelf[checkResults]
	verifications *jobShelf[verifyResults]

	tracker *tracker

	discovering *places // of searches for servers

	adding *semaphore.Weighted // held by whoever adds or changes accounts, or changes a domain
}

func newApp(opt Options, url string) *app {
	a := &app{
		directory: opt.Config.Directory, store: opt.Store, ferry: opt.Ferry, finder: opt.Finder,
		log: opt.Log, now: time.Now, public: opt.Config.Admin.PublicURL, newServer: opt.Config.Admin.New, url: url,
		hasher: newHasher(),
		// People mistype; who guesses has a few tries in a minute.
		limits:      [2]*limiter{newLimiter(10, 20*time.Second), newLimiter(20, 10*time.Second)},
		guesses:     newGuesses(),
		lists:       newLists(),
		discovering: newPlaces(maxDiscoveriesEach, maxDiscoveries, maxDiscoveriesAll),
		adding:      semaphore.NewWeighted(1),
	}
	a.hasher.nobody() // the first who logs in waits no longer than others
	a.boards = newBoards(a.readBoard)
	a.tracker = newTracker(opt.Store, opt.Ferry, opt.Log, time.Now)
	a.jobs, a.checks, a.verifications = newJobs(), newJobShelf[checkResults](), newJobShelf[verifyResults]()
	return a
}
