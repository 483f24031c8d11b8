package transfer

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/sync/errgroup"

	"postferry/internal/pause"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/problem"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// fruitless is how many attempts in a row may fail without a single message
// getting further before a pull is given up for now.
const fruitless = 3

var (
	// errPause says that the mailbox is to be left to others for a moment.
	errPause = errors.New("the session has lasted long enough")
	// errListAgain: where a session goes on with its first listing, that shows what another session has deleted since; only a new session can tell.
	errListAgain = errors.New("the old server refuses messages that it listed; they are listed again")
	// ErrOldGone says that the old server, which listed the folder just before, does not open it.
	ErrOldGone = errors.New("the old server does not open the folder")
	// ErrOldLeft says that the old server has the folder no more, and not all of it was copied.
	ErrOldLeft = problem.New(store.FolderLeftOld, store.OldSide, "the old server does not have the folder any more")
	// errNotEmpty: the new folder, which was empty just before, is not any more.
	errNotEmpty = errors.New("messages were asked for that the new folder may have by now")
	// ErrOldOther says that the old server has numbered the folder anew since the trees were looked at: the login
	// may lead to another mailbox by now.
	ErrOldOther = problem.New(store.FolderVanished, store.OldSide, "the old server has numbered the folder anew, or it is another one")
	// ErrNewOther says that the new server has another folder under the name, as its UIDVALIDITY says.
	ErrNewOther = problem.New(store.FolderVanished, store.NewSide, "the new server has numbered the folder anew, or it is another one")
)

// Stats are what a pull did.
type Stats struct {
	Copied, Adopted, FlagChanges, Quarantined, Bytes uint64

	octets uint64 // of what was copied or adopted, on the old server
}

// dealt is how many messages have got an end.
func (s Stats) dealt() uint64 { return s.Copied + s.Adopted + s.Quarantined }

func (s *Stats) Add(t Stats) {
	s.Copied += t.Copied
	s.Adopted += t.Adopted
	s.FlagChanges += t.FlagChanges
	s.Quarantined += t.Quarantined
	s.Bytes += t.Bytes
}

// Pull copies what is missing in one folder. It lives for one job on one pair.
type Pull struct {
	Job
	Resources
	Shared
	Events
	tally
	stopping
	Listing time.Duration   // how long it took
	adopt   *adoption       // nil when nothing can be adopted
	moves   *recovery.Moves // nil for none

	// Over all attempts.
	doubted                  map[store.Key]bool        // messages that an earlier session would not give
	blind                    bool                      // a connection broke at a message that isn't known, as nothing had been listed
	bare                     map[store.Key][]imap.Flag // messages that the new server took without some of their flags, and all of those
	told                     Told                      // odd copies that the last attempt has left
	oldTroubles, newTroubles troubles
	Checks                   checks

	writer *writer // of a pull that waits for its last answers only; nil for others
	err    error   // what came of it
}

// Run pulls until nothing is missing. What it returned an error for goes on in
// a later pull. It returns the checkpoint it reached.
func (p *Pull) Run(ctx context.Context) error {
	p.prepare()
	for failures := 0; ; {
		before, narrowed := p.Done.dealt(), p.oldTroubles.narrowed()+p.newTroubles.narrowed()
		err := p.tryOnce(ctx)
		if errors.Is(err, errPause) {
			if err = p.leaveAlone(ctx); err == nil {
				continue
			}
		}
		if err == nil || errors.Is(err, session.ErrYield) || session.Interrupted(ctx, err) || !worthRetrying(err) {
			return err
		}
		p.Outstanding.Settle(ctx)
		p.leaveHung(ctx)
		p.Outstanding.Tell()
		event := p.Log.Warn()
		if errors.Is(err, session.ErrGiven) || errors.Is(err, errNotEmpty) || errors.Is(err, recovery.ErrRecognised) || errors.Is(err, errFarBehind) {
			event = p.Log.Debug()
		}
		if p.Pair.Ahead.Any() { // it may be the reason
			p.Pair.Cautious = true
		}
		event.Err(err).Msg("pull interrupted, connecting again")
		p.Pair.Drop()
		p.Next = nil
		if p.Done.dealt() > before || p.oldTroubles.narrowed()+p.newTroubles.narrowed() > narrowed {
			failures = 0
		}
		if failures++; p.blind || errors.Is(err, errNotEmpty) { // neither happens twice
			failures, p.blind = 0, false
		}
		if failures == fruitless {
			return err
		}
		if err := pause.For(ctx, time.Duration(failures)*p.Quiet/6); err != nil {
			return err
		}
	}
}

// prepare ties together what counts and what is counted.
func (p *Pull) prepare() {
	p.tally.job, p.tally.meter, p.tally.report = &p.Job, p.Meter, p.Report
	p.stopping.yield, p.stopping.clock = p.Yield, p.Clock
	p.Progress = &p.tally
	p.recovery = recovery.New(p.Folder)
	p.doubted, p.bare, p.told = map[store.Key]bool{}, map[store.Key][]imap.Flag{}, Told{}
	maps.Copy(p.told, p.Told)
}

// worthRetrying tells whether new connections may help at once.
func worthRetrying(err error) bool {
	if _, resting := errors.AsType[*session.RestingError](err); resting {
		return false
	}
	return link.ClassOf(err) == link.Lost || errors.Is(err, errListAgain) || errors.Is(err, session.ErrGiven) || errors.Is(err, errNotEmpty) || errors.Is(err, errUncertain) || errors.Is(err, recovery.ErrRecognised) || errors.Is(err, errFarBehind)
}

// A session that may lock the mailbox is ended after a while, and the mailbox left to its owner's
// mail program for some.
const (
	leftAlone = 6 * time.Second
	holdWorth = 4 // times what the listing took, at least
)

// scaled is a time as it is where pulls are in a hurry, as in tests.
func (p *Pull) scaled(d time.Duration) time.Duration { return d / recovery.SettleQuiet * p.Quiet }

// limitSession sets when a session has lasted long enough: long enough, too, for
// what is done in it to be worth the listing.
func (p *Pull) limitSession() {
	if p.until = (time.Time{}); p.Selected.Traits.HoldFor > 0 {
		p.until = p.Clock().Add(max(p.scaled(p.Selected.Traits.HoldFor), holdWorth*p.Listing))
	}
}

// leaveAlone ends the session with the old server for a moment.
func (p *Pull) leaveAlone(ctx context.Context) error {
	p.Pair.Old.Close(ctx)
	t := time.NewTimer(p.scaled(leftAlone))
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
func (p *Pull) tryOnce(ctx context.Context) error {
	if err := p.RateLimits.Spent(time.Now()); err != nil {
		return err
	}
	if err := p.open(ctx); err != nil {
		return err
	}
	if err := p.settleIntents(ctx); err != nil {
		return err
	}
	if err := p.recovery.Copies.Follow(ctx); err != nil {
		return err
	}
	if err := p.recovery.Seconds.Seek(ctx); err != nil {
		return err
	}
	if err := p.recovery.Numbers.Check(ctx); err != nil {
		return err
	}
	if err := p.prepareMoves(ctx); err != nil {
		return err
	}
	if err := p.prepareAdoption(ctx); err != nil {
		return err
	}
	if p.adopt != nil && len(p.adopt.stale) > 0 {
		p.moves.WithoutStale()
	}
	p.limitSession()
	if err := p.copyMissing(ctx); err != nil || p.Left() {
		return err
	}
	return p.afterCopying(ctx)
}

// afterCopying does what is left to do once nothing is missing.
func (p *Pull) afterCopying(ctx context.Context) error {
	p.Worth()
	if err := p.recovery.Flags.Store(ctx, p.bare); err != nil {
		return err
	}
	clear(p.bare)
	if p.Selected.Traits.Flags { // else flags on the new server are the user's alone
		if err := p.recovery.Flags.Carry(ctx, p.adopt != nil && len(p.adopt.stale) > 0, p.Yielded); err != nil {
			return err
		}
	}
	return p.finish(ctx)
}

// prepareMoves finds out which folders newcomers of this one may have been moved from.
func (p *Pull) prepareMoves(ctx context.Context) (err error) {
	if p.moves = nil; p.Archive == nil {
		p.moves, err = p.PrepareMoves(ctx, p.Thinned, p.Taking)
	}
	return err
}

// Thin tells whether the ledger has lines of messages that the old folder doesn't have any more.
func (p *Pull) Thin() bool { return p.Archive == nil && p.Folder.Thin() }

// settleIntents finds out what became of what was being sent when the last pull ended without a word.
func (p *Pull) settleIntents(ctx context.Context) error {
	if len(p.Ledger.Intents) == 0 {
		return nil
	}
	if err := p.awaitHung(ctx); err != nil {
		return err
	}
	if err := p.judgeTold(ctx); err != nil || len(p.Ledger.Intents) == 0 {
		return err
	}
	return p.recovery.Reconciliation.Run(ctx)
}

// open opens the folder on both sides at the same time, as each may be far
// away, and reads its ledger.
func (p *Pull) open(ctx context.Context) error {
	if err := p.Pair.Reserve(ctx); err != nil {
		return err
	}
	ready := p.Ready
	p.Ready = nil
	g, opened := new(errgroup.Group), make(chan struct{})
	g.Go(func() error {
		defer close(opened)
		return p.openOld(ctx, ready)
	})
	g.Go(func() error {
		err := p.openNew(ctx, ready)
		if err == nil && p.Outstanding != nil {
			p.Outstanding.settleMeanwhile(ctx, opened)
		}
		return err
	})
	err := g.Wait()
	if err != nil && ready != nil {
		p.Pair.Cautious = true
	}
	p.Early = 0 // if it comes to nothing, what is asked for next is what is known to be missing
	if err == nil {
		err = p.sameFolder()
	}
	if err != nil {
		return err
	}
	if err := p.checkRoom(ctx); err != nil {
		return err
	}
	if err := p.ReadWhatCounts(ctx); err != nil {
		return err
	}
	if p.Row.Checkpoint.UIDValidity != p.Selected.UIDValidity {
		p.Row.Checkpoint = recovery.Reset(p.Row.Checkpoint, p.Selected.UIDValidity)
	}
	if err := p.CheckIDs(ctx); err != nil {
		return err
	}
	p.Base = p.Row.Checkpoint
	p.Tell()
	return nil
}

func (p *Pull) openOld(ctx context.Context, ready *session.Prefetched) error {
	if open, err := p.openPrepared(ctx, ready); err != nil {
		return err
	} else if !open {
		if err := p.openAsUsual(ctx); err != nil {
			return err
		}
	}
	if p.Selected.Octets > 0 {
		p.Octets = p.Selected.Octets
	}
	p.Selected.ToldNext = p.Selected.UIDNext != 0
	p.Archive.limit(p.Selected)
	if p.Selected.Early != nil {
		return nil // nothing else may be asked now
	}
	return p.FindUIDNext(ctx)
}

func (p *Pull) openAsUsual(ctx context.Context) (err error) {
	if p.Old, err = p.Pair.Source(ctx); err != nil {
		return err
	}
	began := p.Clock()
	if p.Selected, err = p.Old.Open(ctx, p.Row.Old, session.OpenWith{List: p.openWith(), First: p.Early, Headers: recovery.LastKnown(p.Row.Checkpoint)}); err != nil {
		return p.Gone(err, ErrOldGone)
	}
	p.Listing = p.Clock().Sub(began)
	return nil
}

// openWith is what is listed along with the opening of the folder: what comes first.
func (p *Pull) openWith() imap.UIDSet {
	if p.Visiting.Next <= 1 || p.Early > 0 || !p.Row.Checkpoint.Checked.IsZero() {
		return recovery.FirstWindow(p.Row.Checkpoint)
	}
	first := imap.UID(1)
	if window := imap.UID(p.Visiting.Window); p.Visiting.Next > window {
		first = p.Visiting.Next - window
	}
	return imap.UIDSet{imap.UIDRange{Start: first, Stop: p.Visiting.Next - 1}}
}

func (p *Pull) openNew(ctx context.Context, ready *session.Prefetched) (err error) {
	if ready != nil {
		return p.lookAtPrepared(ctx, ready)
	}
	if p.New, err = p.Pair.Target(ctx); err != nil {
		return err
	}
	p.Permanent, p.Sample, p.recovery.Flags.Proved, p.Rekeyed = nil, nil, nil, false
	if p.Early > 0 { // it is empty: nothing there is \Recent
		if err := p.AskPermanent(ctx); err != nil {
			return p.Gone(err, recovery.ErrNewGone)
		}
	}
	return p.LookAtNewAgain(ctx)
}

// sameFolder returns errNewOther if the new folder is not the one it was, as far as can be
// seen: nothing is written there before it is known which it is. INBOX is always itself, unless the
// login leads to another mailbox, as another old folder may show as well: there has to be a look at the
// trees that has seen it so.
func (p *Pull) sameFolder() error {
	cp := p.Row.Checkpoint
	switch {
	case p.Selected.Traits.StableUIDs && !recovery.Fleeting(&p.Selected.Selected) && recovery.Differ(cp.UIDValidity, p.Selected.UIDValidity) && recovery.Differ(p.OldValidity, p.Selected.UIDValidity):
		return ErrOldOther
	case p.Restless || !recovery.Differ(p.Row.NewUIDValidity, p.Target.UIDValidity):
		return nil
	case p.Row.New == foldertree.InboxName && !recovery.Differ(p.NewValidity, p.Target.UIDValidity):
		return nil
	}
	return ErrNewOther
}
