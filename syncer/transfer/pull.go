package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/sync/errgroup"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/upstream"
)

// fruitless is how many attempts in a row may fail without a single message
// getting further before a pull is given up for now.
const fruitless = 3

var (
	// ErrPause says that the mailbox is to be left to others for a moment.
	ErrPause = errors.New("the POP3 session has lasted long enough")
	// errListAgain: POP3 lists what another session has deleted since; only a new session can tell.
	errListAgain = errors.New("the old server refuses messages that it listed; they are listed again")
	// ErrOldGone says that the old server, which listed the folder just before, does not open it.
	ErrOldGone = errors.New("the old server does not open the folder")
	// ErrOldLeft says that the old server has the folder no more, and not all of it was copied.
	ErrOldLeft = problem.New(store.FolderLeftOld, store.OldSide, "the old server does not have the folder any more")
	// errNotEmpty: the new folder, which was empty just before, is not any more.
	errNotEmpty = errors.New("messages were asked for that the new folder may have by now")
	// ErrNewGone says that the folder is not on the new server any more.
	ErrNewGone = problem.New(store.FolderVanished, store.NewSide, "the folder is gone from the new server")
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
//
// While its reader and its writer run, what an attempt knows is only read by either, but for
// what is theirs: the old session is the reader's, the new one and the ledger's changes are the
// writer's; troubles, checks, counters and the adoption guard themselves.
type Pull struct {
	Job
	Resources
	Shared
	Events
	attempt

	until   time.Time                 // when a POP3 session has lasted long enough; zero for never
	doubted map[store.Key]bool        // messages that an earlier POP3 session would not give
	Listing time.Duration             // how long it took
	blind   bool                      // a connection broke at a message that isn't known, as nothing had been listed
	bare    map[store.Key][]imap.Flag // messages that the new server took without some of their flags, and all of those
	rekeyed bool                      // lines of this folder have got other keys
	lastOwn imap.UID                  // the highest UID that a copy of this pull has got

	oldTroubles, newTroubles troubles // over all attempts
	Checks                   checks
	Done                     counters
	aside                    atomic.Int64 // octets of the new server's budget that are set aside
	sizes                    sizes        // of the messages seen on the old server
}

// Run pulls until nothing is missing. What it returned an error for goes on in
// a later pull. It returns the checkpoint it reached.
func (p *Pull) Run(ctx context.Context) error {
	for failures := 0; ; {
		before, narrowed := p.Done.dealt(), p.oldTroubles.narrowed()+p.newTroubles.narrowed()
		err := p.tryOnce(ctx)
		if errors.Is(err, ErrPause) {
			if err = p.leaveAlone(ctx); err == nil {
				continue
			}
		}
		if err == nil || errors.Is(err, session.ErrYield) || session.Interrupted(ctx, err) || !worthRetrying(err) {
			return err
		}
		p.leaveHung(ctx)
		event := p.Log.Warn()
		if errors.Is(err, session.ErrGiven) || errors.Is(err, errNotEmpty) || errors.Is(err, errRecognised) || errors.Is(err, errFarBehind) {
			event = p.Log.Debug()
		}
		if p.Pair.Prefetched != nil { // it may be the reason
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
		if err := session.Pause(ctx, time.Duration(failures)*p.Quiet/6); err != nil {
			return err
		}
	}
}

// worthRetrying tells whether new connections may help at once.
func worthRetrying(err error) bool {
	if _, resting := errors.AsType[*session.RestingError](err); resting {
		return false
	}
	return upstream.ClassOf(err) == upstream.Lost || errors.Is(err, errListAgain) || errors.Is(err, session.ErrGiven) || errors.Is(err, errNotEmpty) || errors.Is(err, errUncertain) || errors.Is(err, errRecognised) || errors.Is(err, errFarBehind)
}

// A POP3 session may lock the mailbox. It is therefore ended after so many
// times the pull's quiet, and the mailbox left to its owner's mail program for some.
const (
	pop3Session = 40 // two minutes
	pop3Pause   = 2
	pop3Worth   = 4 // times what the listing took, at least
)

// LimitSession sets when a POP3 session has lasted long enough: long enough, too, for
// what is done in it to be worth the listing.
func (p *Pull) LimitSession() {
	if p.until = (time.Time{}); p.Selected.POP3 {
		p.until = p.Clock().Add(max(pop3Session*p.Quiet, pop3Worth*p.Listing))
	}
}

// leaveAlone ends the session with the old server for a moment.
func (p *Pull) leaveAlone(ctx context.Context) error {
	p.Pair.Old.Close(ctx)
	t := time.NewTimer(pop3Pause * p.Quiet)
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
	if err := p.reconcile(ctx); err != nil {
		return err
	}
	if err := p.followNumbers(ctx); err != nil {
		return err
	}
	if err := p.seekSecondCopies(ctx); err != nil {
		return err
	}
	if err := p.checkNumbers(ctx); err != nil {
		return err
	}
	if err := p.prepareMoves(ctx); err != nil {
		return err
	}
	if err := p.prepareAdoption(ctx); err != nil {
		return err
	}
	p.LimitSession()
	if err := p.copyMissing(ctx); err != nil {
		return err
	}
	p.Worth()
	if err := p.storeLeftOut(ctx); err != nil {
		return err
	}
	if err := p.carryFlags(ctx); err != nil {
		return err
	}
	return p.finish(ctx)
}

// open opens the folder on both sides at the same time, as each may be far
// away, and reads its ledger.
func (p *Pull) open(ctx context.Context) error {
	if err := p.Pair.Reserve(ctx); err != nil {
		return err
	}
	ready := p.Ready
	p.Ready = nil
	g := new(errgroup.Group)
	g.Go(func() error { return p.openOld(ctx, ready) })
	g.Go(func() error { return p.openNew(ctx, ready) })
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
	if err := p.readWhatCounts(ctx); err != nil {
		return err
	}
	if p.Folder.Checkpoint.UIDValidity != p.Selected.UIDValidity {
		p.Folder.Checkpoint = reset(p.Folder.Checkpoint, p.Selected.UIDValidity)
	}
	if err := p.checkIDs(ctx); err != nil {
		return err
	}
	p.base = p.Folder.Checkpoint
	p.tell()
	return nil
}

// begin counts from the ledger as it has just been read.
func (p *Pull) begin() {
	p.known = session.NewKnown(p.ledger, p.Selected.Keys)
	p.began, p.held = p.Done.Stats(), p.sizes.reset(p.known.Entries)
	p.Archive.begin()
}

// readWhatCounts reads the folder's ledger: of one that has been pulled to its end
// before, only what lies behind the checkpoint, whatever its size.
func (p *Pull) readWhatCounts(ctx context.Context) error {
	l, ok, err := p.readTail(ctx)
	if err != nil {
		return err
	}
	if !ok {
		err = p.readLedger(ctx)
		p.begin()
		return err
	}
	p.ledger, p.touched = l.Ledger, nil
	p.begin()
	p.known.Before = int(l.Before)
	if p.Selected.Messages > 0 { // about
		p.held += uint64(float64(p.Octets) / float64(p.Selected.Messages) * float64(l.Before))
	}
	return nil
}

// readTail reads the ledger behind the checkpoint. It returns false where all of it
// is needed: to find copies again, after an interruption, or to compare all flags.
func (p *Pull) readTail(ctx context.Context) (l store.LedgerTail, ok bool, err error) {
	cp := p.Folder.Checkpoint
	if p.Selected.POP3 || cp.Checked.IsZero() || cp.UIDNext < 2 || cp.UIDValidity != p.Selected.UIDValidity ||
		cp.HighestModSeq == 0 || p.Selected.HighestModSeq < cp.HighestModSeq ||
		cp.NewUIDValidity != p.Target.UIDValidity || newWentBack(cp, p.Target) != "" {
		return l, false, nil
	}
	l, err = p.Store.LedgerFrom(ctx, p.Account, p.Folder.ID, p.Selected.Keys.Key(TailFrom(cp)))
	if err != nil || len(l.Intents)+len(l.Lost) > 0 {
		return l, false, err
	}
	// Keys are sorted: if the first and the last are of the folder as it is, all are.
	_, present := p.Selected.Keys.UID(l.First.Key)
	_, stale := p.Selected.Keys.Split(l.Entries)
	here := l.First.UID != 0 && l.First.UIDValidity == p.Target.UIDValidity
	return l, present && len(stale) == 0 && here, nil
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
	return p.findUIDNext(ctx)
}

func (p *Pull) openAsUsual(ctx context.Context) (err error) {
	if p.old, err = p.Pair.Source(ctx); err != nil {
		return err
	}
	began := p.Clock()
	if p.Selected, err = p.old.Open(ctx, p.Folder.Old, session.OpenWith{List: p.openWith(), First: p.Early, Headers: LastKnown(p.Folder.Checkpoint)}); err != nil {
		return p.gone(err, ErrOldGone)
	}
	p.Listing = p.Clock().Sub(began)
	return nil
}

// openWith is what is listed along with the opening of the folder: what comes first.
func (p *Pull) openWith() imap.UIDSet {
	if p.Visiting.Next <= 1 || p.Early > 0 || !p.Folder.Checkpoint.Checked.IsZero() {
		return FirstWindow(p.Folder.Checkpoint)
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
	if p.new, err = p.Pair.Target(ctx); err != nil {
		return err
	}
	p.asked, p.sample, p.proved, p.rekeyed = nil, nil, nil, false
	if p.Early > 0 { // it is empty: nothing there is \Recent
		if err := p.askPermanent(ctx); err != nil {
			return p.gone(err, ErrNewGone)
		}
	}
	return p.lookAtNewAgain(ctx)
}

// gone turns a refusal to open a folder into the error that says it is gone.
func (p *Pull) gone(err, as error) error {
	if upstream.ClassOf(err) == upstream.Refused {
		return fmt.Errorf("%w: %w", as, err)
	}
	return err
}

// lookAtNew learns where the new folder's next message will be.
func (p *Pull) lookAtNew(ctx context.Context) error {
	all, err := p.new.Status(ctx, []string{p.Folder.New})
	if err != nil {
		return err
	}
	st, ok := all[p.Folder.New]
	if !ok {
		return ErrNewGone
	}
	p.Target = st
	return nil
}

// sameFolder returns errNewOther if the new folder is not the one it was, as far as can be
// seen: nothing is written there before it is known which it is. INBOX is always itself.
func (p *Pull) sameFolder() error {
	if p.Restless || p.Folder.New == foldertree.InboxName || !Differ(p.Folder.NewUIDValidity, p.Target.UIDValidity) {
		return nil
	}
	return ErrNewOther
}

// findUIDNext asks for the last message where the server did not tell UIDNEXT
// (it need not, RFC 3501 section 7.1).
func (p *Pull) findUIDNext(ctx context.Context) error {
	if p.Selected.UIDNext != 0 {
		return nil
	}
	p.Selected.UIDNext = 1
	if p.Selected.Messages == 0 {
		return nil
	}
	last := imap.UIDSet{imap.UIDRange{Start: 0, Stop: 0}} // "*"
	return p.old.ListFlags(ctx, last, func(m upstream.Message) error {
		p.Selected.UIDNext = max(p.Selected.UIDNext, m.UID+1)
		return nil
	})
}

// first tells whether the folder has never been pulled to its end.
func (p *Pull) first() bool { return p.base.Checked.IsZero() }

// finish writes the checkpoint once everything the old server announced has
// been seen.
func (p *Pull) finish(ctx context.Context) error {
	cp := store.Checkpoint{
		UIDValidity:   p.Selected.UIDValidity,
		UIDNext:       p.Selected.UIDNext,
		HighestModSeq: p.Selected.HighestModSeq,
		Messages:      p.toCopy(),
		Checked:       time.Now(),
	}
	if p.Selected.POP3 {
		cp.UIDNext = 0 // it is of this session
	}
	p.noteNew(&cp)
	if have, messages := p.seen(), p.announced(); have < messages {
		// Counters are no proof, but when even everything ever seen is less
		// than what is there, something was missed: list from the start next time.
		p.Log.Warn().Int("seen", have).Int("messages", messages).Uint32("from_uid", uint32(p.base.UIDNext)).
			Msg("something was missed in this folder, it is listed again")
		p.Folder.Checkpoint = reset(p.base, cp.UIDValidity)
		p.Folder.Checkpoint.Messages = cp.Messages
		again := p.Folder.Checkpoint
		err := p.Store.Commit(ctx, store.Batch{Account: p.Account, Folder: p.Folder.ID, Checkpoint: &again})
		return errors.Join(&session.CountsError{Listed: have, Messages: messages}, err)
	}
	done := store.Batch{Account: p.Account, Folder: p.Folder.ID, Checkpoint: &cp, Release: p.voidQuarantine()}
	if err := p.Store.Commit(ctx, done); err != nil {
		return err
	}
	p.Folder.Checkpoint = cp
	p.tell()
	return nil
}

// dealt counts messages that have got an end, for the rate; octets are theirs.
func (p *Pull) dealt(messages, octets uint64) {
	p.Done.octets.Add(octets)
	p.Meter.Add(time.Now(), messages, octets)
}

// voidQuarantine are the keys of messages that were quarantined before the old
// server numbered the folder anew. They have been tried again under their new ones.
func (p *Pull) voidQuarantine() (void []store.Key) {
	if p.Selected.POP3 && !p.first() {
		return nil // what is not listed is gone, and stays on record
	}
	for _, q := range p.ledger.Quarantine {
		if _, present := p.Selected.Keys.UID(q.Key); !present {
			void = append(void, q.Key)
		}
	}
	return void
}

// settled ends what portion set aside for a message on the new server: it was
// counted when it was written.
func (p *Pull) settled(octets int64) {
	octets = min(octets, max(p.aside.Load(), 0))
	p.aside.Add(-octets)
	p.RateLimits.New.Budget.GiveBack(uint64(octets))
}

// tell reports progress.
func (p *Pull) tell() {
	s, total := p.Done.Stats(), uint64(p.toCopy())
	have := uint64(len(p.known.Entries)+p.known.Before+len(p.known.Refused)) + s.dealt() - p.began.dealt()
	far := Progress{Done: min(have, total), Total: total, Octets: p.held + s.octets - p.began.octets}
	far.OctetsTotal, far.Exact = p.sizes.of(total, uint64(len(p.known.Refused)))
	if p.Octets > 0 {
		far.OctetsTotal, far.Exact = p.Octets, true
	}
	far.Octets = min(far.Octets, far.OctetsTotal)
	p.Report(far)
}
