package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

const (
	// A batch is closed at so many messages or octets: the new server's cost is
	// per transaction, a refusal's cost per message in it.
	BatchMessages = 100
	batchOctets   = 1 << 20
	// batchLinger is how long a batch that isn't full waits for the next message.
	batchLinger = 10 * time.Millisecond
	// So many batches, of so many octets together, may be under way: as much as a
	// fast line to a new server far away holds.
	batchesAhead = 12
	octetsAhead  = 8 << 20
	// tripMost bounds what is taken for the time that an answer needs at least.
	tripMost = time.Second
	// Copies are looked at every lookPause, or as much more rarely as keeps the time for it to
	// one part in lookShare: in a large maildir each look takes a while. No more than lookMost wait.
	lookPause = 2 * time.Second
	lookShare = 40
	lookMost  = 20_000
	// checksMost is how many copies of a look are compared in flags and dates.
	checksMost = 10
)

// under is a batch that was sent, or a look at copies that was asked for.
type under struct {
	items []*item
	call  session.AppendCall
	again bool // repeats a part of a refused batch
	look  *look

	octets int64
	sent   time.Time
}

// writer appends what the reader hands over, batch by batch, and enters it in
// the ledger. It alone uses the new session while it runs.
type writer struct {
	*Pull
	batch    []*item
	octets   int64
	calls    []under
	pending  store.Batch // outcomes not yet committed
	unproven []store.Intent
	// again counts batches under way that repeat a refused one. They were sent
	// after batches whose checkpoints lie behind them, so those have to wait.
	again int
	later *store.Checkpoint
	refusals
	// waiting are copies that are to be looked at. They are not entered before, and
	// checkpoints wait for them as well.
	waiting   []*given
	news      int               // of them those that show something new
	lookedAt  time.Time         // when the last look was asked for
	lookTook  time.Duration     // how long the new server was at it
	settledAt time.Time         // when it had answered what it was asked before
	unentered int               // copies that are not entered yet, of those that have been answered
	looks     int               // under way
	unsure    int               // of them those that repeat a look that did not show what it should
	heldBack  []*given          // copies that have been looked at, but may lack what those will show
	reached   *store.Checkpoint // once those have been looked at that are waiting
	weighing
	sending []*item // of the command that is being written
	// unavailable counts messages in a row that the new server can't take at the moment.
	unavailable int
	batches     uint64  // the number of the batch sent last
	moments     int     // how often it waited before a message was sent once more
	large       []*item // refused messages to be fetched again, which checkpoints wait for as well
	// expect is the UID that the next message should get; 0 if that can't be told any more.
	expect imap.UID
	before imap.UID // what is below it was there before this pull; 0 if that isn't known
}

func newWriter(p *Pull) *writer {
	w := &writer{Pull: p, lookedAt: time.Now(), batches: uint64(time.Now().UnixNano()), before: p.Target.UIDNext, pending: store.Batch{Account: p.Account, Folder: p.Folder.ID}}
	if p.new.UIDPlus() && !p.Fleeting {
		w.expect = p.Target.UIDNext
	}
	return w
}

// run ends when the reader has closed items and all is settled, or with the
// first error. Outcomes known by then are committed in either case.
func (w *writer) run(ctx context.Context, items <-chan *item) error {
	err := w.loop(ctx, items)
	if err == nil {
		err = w.mendLarge(ctx)
	}
	if err == nil {
		err = w.judgeOdd(ctx)
	}
	if err == nil {
		err = w.prove(ctx)
	}
	if err == nil {
		err = w.judgeRefused()
	}
	w.blame(ctx, err)
	for _, u := range w.calls {
		w.release(u.items)
	}
	w.release(w.batch)
	w.enterUnlooked()
	// A cancelled context must not lose proofs that were already given.
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, w.commit(cctx))
}

func (w *writer) loop(ctx context.Context, items <-chan *item) error {
	for {
		it, ok, ready := w.next(ctx, items)
		if err := ctx.Err(); err != nil {
			if it != nil {
				w.discard(it, err)
			}
			return err
		}
		if !ready {
			// The reader is slower than we are: use the time.
			if err := w.progress(ctx); err != nil {
				return err
			}
			continue
		}
		if !ok {
			return w.finishUp(ctx)
		}
		if err := w.accept(ctx, it); err != nil {
			return err
		}
	}
}

// next takes an item. While there is something else to do it waits only a
// moment for one, so that a batch isn't sent with its first message alone; and as
// long as no answer can have come, so that none is awaited while there is
// something to send.
func (w *writer) next(ctx context.Context, items <-chan *item) (it *item, ok, ready bool) {
	select {
	case it, ok = <-items:
		return it, ok, true
	default:
	}
	var late <-chan time.Time
	if len(w.calls) > 0 || len(w.batch) > 0 {
		t := time.NewTimer(w.lingering())
		defer t.Stop()
		late = t.C
	}
	select {
	case it, ok = <-items:
		return it, ok, true
	case <-late:
	case <-ctx.Done():
	}
	return nil, false, false
}

// lingering is how long the next item is waited for while there is something else to do.
func (w *writer) lingering() time.Duration {
	if len(w.calls) == 0 {
		return batchLinger
	}
	return max(batchLinger, min(time.Until(w.calls[0].sent.Add(w.Pair.Trip)), tripMost))
}

// progress settles the oldest batch under way, or sends what has gathered.
func (w *writer) progress(ctx context.Context) error {
	if len(w.calls) > 0 {
		return w.settleOldest(ctx)
	}
	return w.flush(ctx)
}

// finishUp sends what is left and brings everything to its end.
func (w *writer) finishUp(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	if err := w.lookAtWaiting(ctx); err != nil {
		return err
	}
	if err := w.lookAtNext(ctx); err != nil {
		return err
	}
	return w.drain(ctx)
}

// drain brings everything to its end.
func (w *writer) drain(ctx context.Context) error {
	for len(w.batch) > 0 || len(w.calls) > 0 || len(w.waiting) > 0 {
		if len(w.batch) > 0 {
			if err := w.flush(ctx); err != nil {
				return err
			}
		}
		if len(w.calls) == 0 && len(w.waiting) > 0 {
			if err := w.lookAtWaiting(ctx); err != nil {
				return err
			}
		}
		if err := w.settleOldest(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) accept(ctx context.Context, it *item) error {
	if it.keywords {
		return w.learnPermanent(ctx)
	}
	if it.compare != nil {
		return w.compared(ctx, it.compare)
	}
	if it.sendable() {
		if alone, guilty := w.newTroubles.suspect(it.key); alone {
			return w.alone(ctx, it, guilty)
		}
	}
	if it.stream != nil {
		return w.pass(ctx, it)
	}
	w.batch = append(w.batch, it)
	w.octets += int64(len(it.body))
	if len(w.batch) < BatchMessages && w.octets < batchOctets && !it.shows {
		return nil
	}
	return w.flush(ctx)
}

// pass sends a large message by itself, straight from the old server.
func (w *writer) pass(ctx context.Context, it *item) error {
	if err := w.flush(ctx); err != nil {
		it.streamed <- err
		return err
	}
	w.batch = []*item{it}
	err := w.flush(ctx)
	it.streamed <- err
	return err
}

// flush writes the intents and sends the batch.
func (w *writer) flush(ctx context.Context) error {
	if len(w.batch) == 0 {
		return nil
	}
	for len(w.calls) >= batchesAhead || len(w.calls) > 0 && w.ahead()+w.octets > octetsAhead {
		if err := w.settleOldest(ctx); err != nil {
			return err
		}
	}
	w.intend(w.batch)
	if err := w.commit(ctx); err != nil {
		return err
	}
	batch := w.batch
	w.batch, w.octets = nil, 0
	return w.send(ctx, batch, false)
}

// intend notes that items are about to be sent one after the other.
func (w *writer) intend(items []*item) {
	now, place := time.Now(), uint32(0)
	w.batches++
	for _, it := range items {
		if it.sendable() {
			it.intent.Written, it.intent.Batch, it.intent.Place, it.intent.Together = now, w.batches, place, w.new.Together()
			w.pending.Intents = append(w.pending.Intents, it.intent)
			place++
		}
	}
}

// ahead is how many octets are under way.
func (w *writer) ahead() (octets int64) {
	for _, u := range w.calls {
		octets += u.octets
	}
	return octets
}

// sendable tells whether an item is a message to append.
func (it *item) sendable() bool {
	return it.quarantine == nil && it.checkpoint == nil && !it.shows && !it.keywords && it.compare == nil
}

// send hands messages to the new server; their intents are durable.
func (w *writer) send(ctx context.Context, items []*item, again bool) error {
	if slices.ContainsFunc(items, func(it *item) bool { return hasKeyword(it.msg.Flags) }) {
		if err := w.learnPermanent(ctx); err != nil {
			w.release(items)
			return err
		}
	}
	var msgs []upstream.Append
	for _, it := range items {
		if it.sendable() {
			it.keep, _ = w.keepable(it.msg.Flags)
			msgs = append(msgs, it.message())
			it.countLines()
		}
	}
	u := under{items: items, again: again}
	for _, it := range items {
		u.octets += int64(len(it.body))
	}
	if again {
		w.again++
		w.expect = 0
	}
	if len(msgs) > 0 {
		w.sending = items
		call, err := w.new.SendAppend(ctx, w.Folder.New, msgs)
		if err == nil {
			w.sending = nil
		} else {
			w.release(items)
			return err
		}
		u.call, u.sent = call, time.Now()
	}
	w.calls = append(w.calls, u)
	return w.foresee(ctx, items)
}

func (it *item) message() upstream.Append {
	a := upstream.Append{Flags: it.flags(), Date: it.msg.Date, Size: int64(len(it.body)), Body: bytes.NewReader(it.body)}
	if it.stream != nil {
		a.Size, a.Body = int64(it.intent.Size), it.stream
	}
	return a
}

// settleOldest waits for the oldest batch under way and notes its outcomes.
func (w *writer) settleOldest(ctx context.Context) error {
	if len(w.calls) == 0 {
		return nil
	}
	u := w.calls[0]
	if u.look != nil {
		w.calls = w.calls[1:]
		return w.looked(ctx, u)
	}
	var results []upstream.AppendResult
	if u.call != nil {
		var err error
		if results, err = u.call.Wait(ctx); err != nil {
			return err
		}
		w.Pair.Answered(time.Since(u.sent))
		w.settledAt = time.Now()
	}
	w.calls = w.calls[1:]
	err := w.outcome(ctx, u.items, results)
	if u.again {
		w.again--
	}
	if err == nil {
		w.catchUp()
	}
	return err
}

// refused decides about messages the new server said NO to. A refused
// MULTIAPPEND is halved until the one message stands alone (RFC 3502: all or
// nothing).
func (w *writer) refused(ctx context.Context, items []*item, why error) error {
	if len(items) == 0 {
		return nil
	}
	if uncertain(why) {
		return w.inDoubt(items, why)
	}
	if stop := w.stops(why); stop != nil {
		for _, it := range items {
			w.pending.Drop = append(w.pending.Drop, it.key)
		}
		w.release(items)
		return stop
	}
	if len(items) > 1 {
		w.parts++
		half := len(items) / 2
		w.intend(items[:half]) // what is found of one half says nothing of the other
		w.intend(items[half:])
		if err := w.commit(ctx); err != nil {
			w.release(items)
			return err
		}
		if err := w.send(ctx, items[:half], true); err != nil {
			w.release(items[half:])
			return err
		}
		return w.send(ctx, items[half:], true)
	}
	return w.settleRefused(ctx, items[0], why)
}

// stops tells whether a refusal is about more than the message: then the
// error to stop with.
func (w *writer) stops(why error) error {
	if session.AboutOne(why) && w.unavailable < unavailableMost && w.parts < partsMost {
		return nil
	}
	e, ok := errors.AsType[*upstream.Error](why)
	if !ok || e.Class != upstream.Refused {
		return why
	}
	switch e.Code {
	case imap.ResponseCodeTryCreate, imap.ResponseCodeNonExistent:
		return fmt.Errorf("%w: %w", ErrNewGone, why)
	}
	if w.parts >= partsMost && w.refusesAll() {
		return &refusesAllError{why}
	}
	return nil
}

func (w *writer) release(items []*item) {
	for _, it := range items {
		w.giveBack(it)
	}
}

// commit makes the outcomes and intents gathered so far durable.
func (w *writer) commit(ctx context.Context) error {
	b := w.pending
	if len(b.Intents)+len(b.Proofs)+len(b.Drop)+len(b.Quarantine) == 0 && b.Checkpoint == nil && b.Late.Messages == 0 {
		return nil
	}
	if err := w.Store.Commit(ctx, b); err != nil {
		return err
	}
	if b.Checkpoint != nil {
		w.Folder.Checkpoint = *b.Checkpoint
	}
	w.pending = store.Batch{Account: w.Account, Folder: w.Folder.ID}
	return nil
}

// prove looks for the messages a server without UIDPLUS (RFC 4315) has taken
// without saying where.
func (w *writer) prove(ctx context.Context) error {
	if len(w.unproven) == 0 {
		return nil
	}
	if err := w.commit(ctx); err != nil {
		return err
	}
	if w.Pair.Prefetched != nil {
		return session.ErrGiven // what is asked for on the new session would come in between
	}
	if err := w.lookAtNew(ctx); err != nil {
		return err
	}
	if err := w.readLedger(ctx); err != nil {
		return err
	}
	found, err := w.newcomers(ctx, Lowest(w.unproven, w.Target.UIDValidity)) // as it is numbered now
	if err != nil {
		return err
	}
	judged, err := w.Judge(ctx, w.unproven, found)
	if err != nil {
		return err
	}
	proofs := judged.Proofs
	if err := w.checkProved(ctx, proofs); err != nil {
		return err
	}
	for _, e := range proofs {
		w.proved(e)
	}
	return nil
}

// newQuarantined is a first entry in the quarantine.
func newQuarantined(key store.Key, reason, cause string) *store.Quarantined {
	now := time.Now()
	return &store.Quarantined{Key: key, Reason: reason, Cause: cause, Attempts: 1, Since: now, Last: now}
}

// KeyText shows a key to people.
func KeyText(k store.Key) string {
	if v, uid, ok := message.SplitKey(k); ok {
		return fmt.Sprintf("uidvalidity %d uid %d", v, uid)
	}
	if text, ok := message.FormerText(k); ok {
		return text
	}
	return strings.TrimRight(strings.ToValidUTF8(string(k), "?"), " ")
}
