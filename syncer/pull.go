package syncer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"postferry/store"
	"postferry/upstream"
)

// fruitless is how many attempts in a row may fail without a single message
// getting further before a pull is given up for now.
const fruitless = 3

var (
	// errPause: the mailbox is to be left to others for a moment.
	errPause = errors.New("the POP3 session has lasted long enough")
	// errListAgain: POP3 lists what another session has deleted since; only a new session can tell.
	errListAgain = errors.New("the old server refuses messages that it listed; they are listed again")
	// errOldGone: the old server, which listed the folder just before, does not open it.
	errOldGone = errors.New("the old server does not open the folder")
	// errOldLeft: the old server has the folder no more, and not all of it was copied.
	errOldLeft = newProblem(store.FolderLeftOld, store.OldSide, "the old server does not have the folder any more")
	// errNotEmpty: the new folder, which was empty just before, is not any more.
	errNotEmpty = errors.New("messages were asked for that the new folder may have by now")
	// errNewGone: the folder is not on the new server any more.
	errNewGone = newProblem(store.FolderVanished, store.NewSide, "the folder is gone from the new server")
	// errNewOther: the new server has another folder under the name, as its UIDVALIDITY says.
	errNewOther = newProblem(store.FolderVanished, store.NewSide, "the new server has numbered the folder anew, or it is another one")
)

// stats are what a pull did.
type stats struct {
	Copied, Adopted, FlagChanges, Quarantined, Bytes uint64

	octets uint64 // of what was copied or adopted, on the old server
}

// dealt is how many messages have got an end.
func (s stats) dealt() uint64 { return s.Copied + s.Adopted + s.Quarantined }

func (s *stats) add(t stats) {
	s.Copied += t.Copied
	s.Adopted += t.Adopted
	s.FlagChanges += t.FlagChanges
	s.Quarantined += t.Quarantined
	s.Bytes += t.Bytes
}

// pull copies what is missing in one folder. It lives for one job on one lane.
type pull struct {
	account store.AccountID
	folder  store.Folder     // its checkpoint advances with what the writer commits
	base    store.Checkpoint // the checkpoint the present attempt started from
	store   store.Store
	lane    *lane
	memory  *semaphore.Weighted // octets of bodies in flight, of the whole engine
	buffers *buffers            // what bodies are held in, of the whole engine
	limit   int64               // of memory
	lasting bool                // the new server has refused all messages of this folder for long
	quiet   time.Duration       // settleQuiet, shorter in tests; the pauses between attempts go with it
	clock   func() time.Time    // what POP3 sessions are timed by
	log     zerolog.Logger
	visit   bool
	visiting
	until   time.Time          // when a POP3 session has lasted long enough; zero for never
	doubted map[store.Key]bool // messages that an earlier POP3 session would not give
	listing time.Duration      // how long it took
	yield   <-chan struct{}    // closed when the pull should stop at the next safe point
	report  func(progress)     // quick, from any of the pull's goroutines
	meter   *meter             // the account's
	traffic *traffic           // the account's
	hung    *hungSessions      // the account's
	early   int                // of the folder's messages are asked for before they are listed
	blind   bool               // a connection broke at a message that isn't known, as nothing had been listed
	ready   *prepared          // the folder was asked for ahead; nil if it wasn't, or has been opened
	// coming tells what comes next on the lane, if anything; nil for nothing.
	coming comingFunc
	octets uint64 // of the folder, as the old server's STATUS told; 0 if it didn't
	worth  func() // the folder is worth showing
	// restless: the new server numbers the folder anew again and again.
	restless bool

	old      oldSession
	new      newSession
	selected *oldFolder
	known    *known
	ledger   store.Ledger
	touched  map[store.Key][]imap.Flag // flags an interrupted pull was about to change
	target   upstream.Status           // of the new folder
	fleeting bool                      // its UIDs don't last, as it said when it was last opened
	marks    map[imap.UID]int64        // octets of messages in the new folder that are other tools' marks
	adopt    *adoption                 // nil when nothing can be adopted
	asked    permanentCall             // what flags the new folder can keep; nil if nobody asked in this session

	bare map[store.Key][]imap.Flag // messages that the new server took without some of their flags, and all of those

	oldTroubles, newTroubles troubles // over all attempts
	checks                   checks

	sample  *sample               // of the present attempt, nil for none
	beyond  []candidate           // messages that have come to the new folder since the checkpoint and that no line stands for
	thinned []thin                // folders that its messages may have been moved from
	taking  *sync.Mutex           // held while lines of the account's ledger are given other keys
	moves   *moves                // of the present attempt; nil for none
	archive *archive              // what a folder with all mail is pulled with; nil for all others
	rekeyed bool                  // lines of this folder have got other keys
	lastOwn imap.UID              // the highest UID that a copy of this pull has got
	proved  map[imap.UID]struct{} // copies that have been looked at before their flags were changed

	done  counters
	began stats        // done when the present attempt read the ledger
	held  uint64       // octets of the ledger then
	aside atomic.Int64 // octets of the new server's budget that are set aside
	sizes sizes        // of the messages seen on the old server
}

// run pulls until nothing is missing. What it returned an error for goes on in
// a later pull. It returns the checkpoint it reached.
func (p *pull) run(ctx context.Context) error {
	for failures := 0; ; {
		before, narrowed := p.done.dealt(), p.oldTroubles.narrowed()+p.newTroubles.narrowed()
		err := p.attempt(ctx)
		if errors.Is(err, errPause) {
			if err = p.leaveAlone(ctx); err == nil {
				continue
			}
		}
		if err == nil || errors.Is(err, errYield) || interrupted(ctx, err) || !worthRetrying(err) {
			return err
		}
		p.leaveHung(ctx)
		event := p.log.Warn()
		if errors.Is(err, errGiven) || errors.Is(err, errNotEmpty) || errors.Is(err, errRecognised) {
			event = p.log.Debug()
		}
		if p.lane.prepared != nil { // it may be the reason
			p.lane.cautious = true
		}
		event.Err(err).Msg("pull interrupted, connecting again")
		p.lane.drop()
		p.coming = nil
		if p.done.dealt() > before || p.oldTroubles.narrowed()+p.newTroubles.narrowed() > narrowed {
			failures = 0
		}
		if failures++; p.blind || errors.Is(err, errNotEmpty) { // neither happens twice
			failures, p.blind = 0, false
		}
		if failures == fruitless {
			return err
		}
		if err := pause(ctx, time.Duration(failures)*p.quiet/6); err != nil {
			return err
		}
	}
}

// worthRetrying tells whether new connections may help at once.
func worthRetrying(err error) bool {
	if _, resting := errors.AsType[*restingError](err); resting {
		return false
	}
	return upstream.ClassOf(err) == upstream.Lost || errors.Is(err, errListAgain) || errors.Is(err, errGiven) || errors.Is(err, errNotEmpty) || errors.Is(err, errUncertain) || errors.Is(err, errRecognised)
}

// A POP3 session may lock the mailbox. It is therefore ended after so many
// times the pull's quiet, and the mailbox left to its owner's mail program for some.
const (
	pop3Session = 40 // two minutes
	pop3Pause   = 2
	pop3Worth   = 4 // times what the listing took, at least
)

// limitSession sets when a POP3 session has lasted long enough: long enough, too, for
// what is done in it to be worth the listing.
func (p *pull) limitSession() {
	if p.until = (time.Time{}); p.selected.pop3 {
		p.until = p.clock().Add(max(pop3Session*p.quiet, pop3Worth*p.listing))
	}
}

// leaveAlone ends the session with the old server for a moment.
func (p *pull) leaveAlone(ctx context.Context) error {
	p.lane.old.close(ctx)
	t := time.NewTimer(pop3Pause * p.quiet)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-p.yield:
		return errYield
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attempt is one try with one pair of sessions.
func (p *pull) attempt(ctx context.Context) error {
	if err := p.traffic.spent(time.Now()); err != nil {
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
	p.limitSession()
	if err := p.copyMissing(ctx); err != nil {
		return err
	}
	p.worth()
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
func (p *pull) open(ctx context.Context) error {
	if err := p.lane.reserve(ctx); err != nil {
		return err
	}
	ready := p.ready
	p.ready = nil
	g := new(errgroup.Group)
	g.Go(func() error { return p.openOld(ctx, ready) })
	g.Go(func() error { return p.openNew(ctx, ready) })
	err := g.Wait()
	if err != nil && ready != nil {
		p.lane.cautious = true
	}
	p.early = 0 // if it comes to nothing, what is asked for next is what is known to be missing
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
	if p.folder.Checkpoint.UIDValidity != p.selected.UIDValidity {
		p.folder.Checkpoint = reset(p.folder.Checkpoint, p.selected.UIDValidity)
	}
	if err := p.checkIDs(ctx); err != nil {
		return err
	}
	p.base = p.folder.Checkpoint
	p.tell()
	return nil
}

// begin counts from the ledger as it has just been read.
func (p *pull) begin() {
	p.known = newKnown(p.ledger, p.selected.keys)
	p.began, p.held = p.done.stats(), p.sizes.reset(p.known.entries)
	p.archive.begin()
}

// readWhatCounts reads the folder's ledger: of one that has been pulled to its end
// before, only what lies behind the checkpoint, whatever its size.
func (p *pull) readWhatCounts(ctx context.Context) error {
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
	p.known.before = int(l.Before)
	if p.selected.Messages > 0 { // about
		p.held += uint64(float64(p.octets) / float64(p.selected.Messages) * float64(l.Before))
	}
	return nil
}

// readTail reads the ledger behind the checkpoint. It returns false where all of it
// is needed: to find copies again, after an interruption, or to compare all flags.
func (p *pull) readTail(ctx context.Context) (l store.LedgerTail, ok bool, err error) {
	cp := p.folder.Checkpoint
	if p.selected.pop3 || cp.Checked.IsZero() || cp.UIDNext < 2 || cp.UIDValidity != p.selected.UIDValidity ||
		cp.HighestModSeq == 0 || p.selected.HighestModSeq < cp.HighestModSeq ||
		cp.NewUIDValidity != p.target.UIDValidity || newWentBack(cp, p.target) != "" {
		return l, false, nil
	}
	l, err = p.store.LedgerFrom(ctx, p.account, p.folder.ID, p.selected.keys.key(tailFrom(cp)))
	if err != nil || len(l.Intents)+len(l.Lost) > 0 {
		return l, false, err
	}
	// Keys are sorted: if the first and the last are of the folder as it is, all are.
	_, present := p.selected.keys.uid(l.First.Key)
	_, stale := p.selected.keys.split(l.Entries)
	here := l.First.UID != 0 && l.First.UIDValidity == p.target.UIDValidity
	return l, present && len(stale) == 0 && here, nil
}

func (p *pull) openOld(ctx context.Context, ready *prepared) error {
	if open, err := p.openPrepared(ctx, ready); err != nil {
		return err
	} else if !open {
		if err := p.openAsUsual(ctx); err != nil {
			return err
		}
	}
	if p.selected.octets > 0 {
		p.octets = p.selected.octets
	}
	p.selected.toldNext = p.selected.UIDNext != 0
	p.archive.limit(p.selected)
	if p.selected.early != nil {
		return nil // nothing else may be asked now
	}
	return p.findUIDNext(ctx)
}

func (p *pull) openAsUsual(ctx context.Context) (err error) {
	if p.old, err = p.lane.oldSession(ctx); err != nil {
		return err
	}
	began := p.clock()
	if p.selected, err = p.old.Open(ctx, p.folder.Old, ahead{list: firstWindow(p.folder.Checkpoint), first: p.early, heads: lastKnown(p.folder.Checkpoint)}); err != nil {
		return p.gone(err, errOldGone)
	}
	p.listing = p.clock().Sub(began)
	return nil
}

func (p *pull) openNew(ctx context.Context, ready *prepared) (err error) {
	if ready != nil {
		return p.lookAtPrepared(ctx, ready)
	}
	if p.new, err = p.lane.newSession(ctx); err != nil {
		return err
	}
	p.asked, p.sample, p.proved, p.rekeyed = nil, nil, nil, false
	if p.early > 0 { // it is empty: nothing there is \Recent
		if err := p.askPermanent(ctx); err != nil {
			return p.gone(err, errNewGone)
		}
	}
	return p.lookAtNewAgain(ctx)
}

// gone turns a refusal to open a folder into the error that says it is gone.
func (p *pull) gone(err, as error) error {
	if upstream.ClassOf(err) == upstream.Refused {
		return fmt.Errorf("%w: %w", as, err)
	}
	return err
}

// lookAtNew learns where the new folder's next message will be.
func (p *pull) lookAtNew(ctx context.Context) error {
	all, err := p.new.Status(ctx, []string{p.folder.New})
	if err != nil {
		return err
	}
	st, ok := all[p.folder.New]
	if !ok {
		return errNewGone
	}
	p.target = st
	return nil
}

// sameFolder returns errNewOther if the new folder is not the one it was, as far as can be
// seen: nothing is written there before it is known which it is. INBOX is always itself.
func (p *pull) sameFolder() error {
	if p.restless || p.folder.New == inboxName || !differ(p.folder.NewUIDValidity, p.target.UIDValidity) {
		return nil
	}
	return errNewOther
}

// findUIDNext asks for the last message where the server did not tell UIDNEXT
// (it need not, RFC 3501 section 7.1).
func (p *pull) findUIDNext(ctx context.Context) error {
	if p.selected.UIDNext != 0 {
		return nil
	}
	p.selected.UIDNext = 1
	if p.selected.Messages == 0 {
		return nil
	}
	last := imap.UIDSet{imap.UIDRange{Start: 0, Stop: 0}} // "*"
	return p.old.ListFlags(ctx, last, func(m upstream.Message) error {
		p.selected.UIDNext = max(p.selected.UIDNext, m.UID+1)
		return nil
	})
}

// first tells whether the folder has never been pulled to its end.
func (p *pull) first() bool { return p.base.Checked.IsZero() }

// finish writes the checkpoint once everything the old server announced has
// been seen.
func (p *pull) finish(ctx context.Context) error {
	cp := store.Checkpoint{
		UIDValidity:   p.selected.UIDValidity,
		UIDNext:       p.selected.UIDNext,
		HighestModSeq: p.selected.HighestModSeq,
		Messages:      p.toCopy(),
		Checked:       time.Now(),
	}
	if p.selected.pop3 {
		cp.UIDNext = 0 // it is of this session
	}
	p.noteNew(&cp)
	if have, messages := p.seen(), p.announced(); have < messages {
		// Counters are no proof, but when even everything ever seen is less
		// than what is there, something was missed: list from the start next time.
		p.log.Warn().Int("seen", have).Int("messages", messages).Uint32("from_uid", uint32(p.base.UIDNext)).
			Msg("something was missed in this folder, it is listed again")
		p.folder.Checkpoint = reset(p.base, cp.UIDValidity)
		p.folder.Checkpoint.Messages = cp.Messages
		again := p.folder.Checkpoint
		err := p.store.Commit(ctx, store.Batch{Account: p.account, Folder: p.folder.ID, Checkpoint: &again})
		return errors.Join(&countsError{listed: have, messages: messages}, err)
	}
	done := store.Batch{Account: p.account, Folder: p.folder.ID, Checkpoint: &cp, Release: p.voidQuarantine()}
	if err := p.store.Commit(ctx, done); err != nil {
		return err
	}
	p.folder.Checkpoint = cp
	p.tell()
	return nil
}

// dealt counts messages that have got an end, for the rate; octets are theirs.
func (p *pull) dealt(messages, octets uint64) {
	p.done.octets.Add(octets)
	p.meter.add(time.Now(), messages, octets)
}

// voidQuarantine are the keys of messages that were quarantined before the old
// server numbered the folder anew. They have been tried again under their new ones.
func (p *pull) voidQuarantine() (void []store.Key) {
	if p.selected.pop3 && !p.first() {
		return nil // what is not listed is gone, and stays on record
	}
	for _, q := range p.ledger.Quarantine {
		if _, present := p.selected.keys.uid(q.Key); !present {
			void = append(void, q.Key)
		}
	}
	return void
}

// settled ends what portion set aside for a message on the new server: it was
// counted when it was written.
func (p *pull) settled(octets int64) {
	octets = min(octets, max(p.aside.Load(), 0))
	p.aside.Add(-octets)
	p.traffic.new.budget.giveBack(uint64(octets))
}

// tell reports progress.
func (p *pull) tell() {
	s, total := p.done.stats(), uint64(p.toCopy())
	have := uint64(len(p.known.entries)+p.known.before+len(p.known.refused)) + s.dealt() - p.began.dealt()
	far := progress{done: min(have, total), total: total, octets: p.held + s.octets - p.began.octets}
	far.octetsTotal, far.exact = p.sizes.of(total, uint64(len(p.known.refused)))
	if p.octets > 0 {
		far.octetsTotal, far.exact = p.octets, true
	}
	far.octets = min(far.octets, far.octetsTotal)
	p.report(far)
}
