package syncer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/jobs"
	"postferry/syncer/leftout"
	"postferry/syncer/mailbox"
	"postferry/syncer/measure"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
)

// shared is what all accounts work with.
type shared struct {
	cfg     *config.Config
	store   Store
	memory  *semaphore.Weighted
	bodies  *job.Buffers
	dial    session.Dialers
	ended   endings
	views   leftout.ViewCounts
	claims  *mailbox.Mailboxes
	metrics *metrics
	opened  func() []Opened // what clients have open; nil for nobody who tells
	limits  session.Throttles
	log     zerolog.Logger
}

// person is whose mail it is, and what all parts of the work on it need. The account's goroutine owns it.
type person struct {
	*shared
	store    accountStore
	id       store.AccountID
	log      zerolog.Logger
	row      store.Account
	domain   *config.Domain
	loadErr  error
	jobs     *jobs.Runner
	mail     *folders.State
	standIns mailbox.StandIns

	came time.Time // when a client has logged in last

	// What the pulls share.
	hung     session.HungSessions
	movedMX  time.Time           // since when mail that reaches the old server is late
	taking   sync.Mutex          // held while lines of the ledger are given other keys
	meter    measure.Meter       // of what they deal with; may be used from anywhere
	labelled job.Labelled        // messages of an old server with labels; likewise
	traffic  *session.RateLimits // likewise; nil before the account is loaded
}

// takeRow takes over a row of the store, with the credentials that jobs begin with from now on.
func (w *person) takeRow(row store.Account) {
	w.row = row
	w.jobs.OldCreds, w.jobs.NewCreds = row.Old, row.New
}

// works tells whether the old server may be contacted for the account.
func (w *person) works() bool {
	return w.loadErr == nil && w.row.State == store.Active && w.row.Alias == 0 &&
		(w.row.Problem == nil || w.row.Problem.Advice != store.NeedsFix)
}

// lookWhetherMXMoved learns since when mail that reaches the old server is late. If that can't be
// read, what was known goes on counting.
func (w *person) lookWhetherMXMoved(ctx context.Context) {
	if w.domain == nil {
		return
	}
	m, err := w.store.Move(ctx, w.domain.Name)
	if err == nil {
		w.movedMX = m.Names.MX
	} else if ctx.Err() == nil {
		w.log.Error().Err(err).Msg("it could not be read whether the MX has moved")
	}
}

var (
	errNoDomain    = problem.New(store.NoDomain, "", "the account's domain is not set up")
	errNoEnrolment = errors.New("nobody may enrol in this domain any more")
	errIdle        = errors.New("the account is stopped, finished or waits for a person")
)

// Opened is a folder that a client has open.
type Opened struct {
	Account store.AccountID
	Mailbox string        // its raw name on the new server
	Quiet   time.Duration // how long the client has said nothing
}

// always is within what time a folder is said to be filled that is to come in its order
// however long that takes.
const always = 100 * 365 * 24 * time.Hour

// inOrder is within what time a folder has to be filled for it to come in its order while somebody waits.
func (w *person) inOrder() time.Duration {
	if w.cfg.Proxy.VisitOrder == config.OrderArrival {
		return always
	}
	return w.cfg.Proxy.VisitWait / job.OrderShare
}

// treeFresh is how long a look at the folder trees is good enough for another
// client that logs in.
const treeFresh = time.Minute
