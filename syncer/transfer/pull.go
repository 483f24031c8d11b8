package transfer

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/internal/pause"
	"postferry/store"
	"postferry/syncer/problem"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/adopt"
	"postferry/syncer/transfer/job"
	"postferry/syncer/transfer/reader"
	"postferry/syncer/transfer/writer"
	"postferry/upstream/link"
)

// fruitless is how many attempts in a row may fail without a single message
// getting further before a pull is given up for now.
const fruitless = 3

var (
	// ErrOldGone says that the old server, which listed the folder just before, does not open it.
	ErrOldGone = errors.New("the old server does not open the folder")
	// ErrOldLeft says that the old server has the folder no more, and not all of it was copied.
	ErrOldLeft = problem.New(store.FolderLeftOld, store.OldSide, "the old server does not have the folder any more")
	// ErrOldOther says that the old server has numbered the folder anew since the trees were looked at: the login
	// may lead to another mailbox by now.
	ErrOldOther = problem.New(store.FolderVanished, store.OldSide, "the old server has numbered the folder anew, or it is another one")
	// ErrNewOther says that the new server has another folder under the name, as its UIDVALIDITY says.
	ErrNewOther = problem.New(store.FolderVanished, store.NewSide, "the new server has numbered the folder anew, or it is another one")
)

// Job is a folder to be pulled, and how.
type Job struct {
	Account store.AccountID
	Row     store.Folder
	Resets  *recovery.AllMailResets // of the account
	Log     zerolog.Logger
	job.Task
	job.Resources
	job.Shared
}

// Events is what a pull tells, and is told, while it runs.
type Events struct {
	job.Events
	// Outstanding are the pulls before this one on the pair that the new server owes answers; nil if the
	// pull has to wait for its own. Concluded hears of the end of one that was left to them.
	Outstanding *Outstanding
	Concluded   func(Result, error)
}

// Result is what came of a pull.
type Result struct {
	Checkpoint  store.Checkpoint // that it has reached
	Stats       job.Stats
	NewValidity uint32           // UIDVALIDITY of the new folder; 0 if that isn't known, or does not last
	WrongDate   string           // what became of the first copy's date, if the new server does not keep dates
	Thin        bool             // the ledger has lines of messages that the old folder doesn't have any more
	Told        job.Told         // odd copies that the next pull of the folder has to judge
	Left        bool             // its last answers were still to come when it returned
	AllMailAnew bool             // all mail is to be looked through again, as the store knows
	Again       []store.FolderID // folders of which messages are to be copied again, as the store knows
}

// Run pulls what is missing in one folder, until nothing is. What it returned an error for goes on in a later
// pull.
func Run(ctx context.Context, pair *session.Pair, ledger recovery.Store, j Job, on Events) (Result, error) {
	p := newPull(pair, ledger, j, on)
	if on.Outstanding != nil {
		on.Outstanding.last = p
	}
	err := p.run(ctx)
	return p.result(err), err
}

// pull is one under way.
type pull struct {
	job.Work
	outstanding *Outstanding
	concluded   func(Result, error)
	listing     time.Duration   // how long it took
	adopt       *adopt.Adoption // nil when nothing can be adopted
	moves       *recovery.Moves // nil for none

	// Over all attempts.
	doubted                  map[store.Key]bool        // messages that an earlier session would not give
	blind                    bool                      // a connection broke at a message that isn't known, as nothing had been listed
	bare                     map[store.Key][]imap.Flag // messages that the new server took without some of their flags, and all of those
	told                     job.Told                  // odd copies that the last attempt has left
	oldTroubles, newTroubles job.Troubles
	checks                   writer.Checks

	writer *writer.Writer // of a pull that waits for its last answers only; nil for others
	unsent error          // why what it had held back was not sent
	err    error          // what came of it
}

// newPull ties together what counts and what is counted.
func newPull(pair *session.Pair, ledger recovery.Store, j Job, on Events) *pull {
	p := &pull{
		Work: job.Work{
			Job:       job.Job{Folder: &recovery.Folder{Account: j.Account, Row: j.Row, Store: ledger, Pair: pair, Resets: j.Resets, Log: j.Log, Awaited: j.Visit}, Task: j.Task},
			Resources: j.Resources, Shared: j.Shared, Events: on.Events,
		},
		outstanding: on.Outstanding, concluded: on.Concluded,
		doubted: map[store.Key]bool{}, bare: map[store.Key][]imap.Flag{}, told: job.Told{},
	}
	p.Begins()
	maps.Copy(p.told, p.Told)
	return p
}

// result is what is known of a pull when it ends.
func (p *pull) result(err error) Result {
	r := Result{Checkpoint: p.Row.Checkpoint, Stats: p.Done.Stats(), WrongDate: p.checks.WrongDate, Told: p.told, Left: p.left(), AllMailAnew: p.AllMailAnew, Again: p.Again}
	if !p.Fleeting {
		r.NewValidity = p.Target.UIDValidity
	}
	if err == nil {
		r.Thin = p.Archive == nil && p.Folder.Thin()
	}
	return r
}

// run makes one attempt after the other.
func (p *pull) run(ctx context.Context) error {
	for failures := 0; ; {
		before, narrowed := p.Done.Dealt(), p.oldTroubles.Narrowed()+p.newTroubles.Narrowed()
		err := p.tryOnce(ctx)
		if err != nil && p.IsCut() {
			return session.ErrYield
		}
		if errors.Is(err, job.ErrPause) {
			if err = p.leaveAlone(ctx); err == nil {
				continue
			}
		}
		if err == nil || errors.Is(err, session.ErrYield) || session.Interrupted(ctx, err) || !worthRetrying(err) {
			return err
		}
		p.outstanding.Settle(ctx)
		p.leaveHung(ctx)
		p.outstanding.Tell()
		if p.Searches.Opened() { // it would have to open the folder again, and perhaps to wait for its places
			p.Pair.Drop()
			return session.ErrYield
		}
		event := p.Log.Warn()
		if errors.Is(err, session.ErrGiven) || errors.Is(err, reader.ErrNotEmpty) || errors.Is(err, recovery.ErrRecognised) || errors.Is(err, reader.ErrFarBehind) {
			event = p.Log.Debug()
		}
		if p.Pair.Ahead.Any() { // it may be the reason
			p.Pair.Cautious = true
		}
		event.Err(err).Msg("pull interrupted, connecting again")
		p.Pair.Drop()
		p.Next = nil
		if p.Done.Dealt() > before || p.oldTroubles.Narrowed()+p.newTroubles.Narrowed() > narrowed {
			failures = 0
		}
		if failures++; p.blind || errors.Is(err, reader.ErrNotEmpty) { // neither happens twice
			failures, p.blind = 0, false
		}
		if failures == fruitless {
			return err
		}
		if err := pause.For(ctx, time.Duration(failures)*session.SettleQuiet/6); err != nil {
			return err
		}
	}
}

// worthRetrying tells whether new connections may help at once.
func worthRetrying(err error) bool {
	if _, resting := errors.AsType[*session.RestingError](err); resting {
		return false
	}
	return link.ClassOf(err) == link.Lost || errors.Is(err, reader.ErrListAgain) || errors.Is(err, session.ErrGiven) || errors.Is(err, reader.ErrNotEmpty) || errors.Is(err, writer.ErrUncertain) || errors.Is(err, recovery.ErrRecognised) || errors.Is(err, reader.ErrFarBehind)
}

// A session that may lock the mailbox is ended after a while, and the mailbox left to its owner's
// mail program for some.
const (
	leftAlone = 6 * time.Second
	holdWorth = 4 // times what the listing took, at least
)

// limitSession sets when a session has lasted long enough: long enough, too, for
// what is done in it to be worth the listing.
func (p *pull) limitSession() {
	var until time.Time
	if p.Selected.Traits.HoldFor > 0 {
		until = time.Now().Add(max(p.Selected.Traits.HoldFor, holdWorth*p.listing))
	}
	p.StopAt(until)
}

// leaveAlone ends the session with the old server for a moment.
func (p *pull) leaveAlone(ctx context.Context) error {
	p.Pair.Old.Close(ctx)
	t := time.NewTimer(leftAlone)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-p.Yield:
		return session.ErrYield
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryOnce is one try with one pair of sessions.
func (p *pull) tryOnce(ctx context.Context) error {
	if err := p.RateLimits.Spent(time.Now()); err != nil {
		return err
	}
	if err := p.prepare(ctx); err != nil {
		return err
	}
	p.limitSession()
	if err := p.copyMissing(ctx); err != nil || p.left() {
		return err
	}
	return p.afterCopying(ctx)
}

// prepare opens the folder and finds out what is known of it.
func (p *pull) prepare(ctx context.Context) error {
	ctx, end := p.UntilCut(ctx)
	defer end()
	if err := p.open(ctx); err != nil {
		return err
	}
	if err := p.settleIntents(ctx); err != nil {
		return err
	}
	if err := p.Recovery.Copies.Follow(ctx); err != nil {
		return err
	}
	if err := p.Recovery.Seconds.Seek(ctx); err != nil {
		return err
	}
	if err := p.Recovery.Numbers.Check(ctx, p.Yielded); err != nil {
		return err
	}
	if err := p.prepareMoves(ctx); err != nil {
		return err
	}
	if err := p.prepareAdoption(ctx); err != nil {
		return err
	}
	if p.adopt.Lines() {
		p.moves.WithoutStale()
	}
	return nil
}

// afterCopying does what is left to do once nothing is missing.
func (p *pull) afterCopying(ctx context.Context) error {
	ctx, end := p.UntilCut(ctx)
	defer end()
	p.Worth()
	if err := p.Recovery.Flags.Store(ctx, p.bare); err != nil {
		return err
	}
	clear(p.bare)
	if p.Selected.Traits.Flags { // else flags on the new server are the user's alone
		if err := p.Recovery.Flags.Carry(ctx, p.adopt.Lines(), p.Yielded); err != nil {
			return err
		}
	}
	return p.finish(ctx)
}

// prepareMoves finds out which folders newcomers of this one may have been moved from.
func (p *pull) prepareMoves(ctx context.Context) (err error) {
	if p.moves, p.Waiting = nil, 0; p.Archive != nil {
		return nil
	}
	if p.Selected.Early != nil && p.AnyLate(p.Late) {
		p.Pair.Old.HangUp() // they have to be listed before
		return reader.ErrNotEmpty
	}
	p.moves, err = p.PrepareMoves(ctx, p.Thinned, p.Late, p.Taking)
	return err
}

// settleIntents finds out what became of what was being sent when the last pull ended without a word.
func (p *pull) settleIntents(ctx context.Context) error {
	if len(p.Ledger.Intents) == 0 {
		return nil
	}
	if err := p.awaitHung(ctx); err != nil {
		return err
	}
	if err := p.judgeTold(ctx); err != nil || len(p.Ledger.Intents) == 0 {
		return err
	}
	return p.Recovery.Reconciliation.Run(ctx)
}
