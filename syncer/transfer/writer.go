package transfer

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/session"
)

const (
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
	events events
	call   session.AppendCall
	again  bool // repeats a part of a refused batch
	look   *look

	octets int64
	sent   time.Time
}

// writer appends what the reader hands over, batch by batch, and enters it in
// the ledger. It alone uses the new session while it runs.
type writer struct {
	*Job
	*Resources
	*Shared
	*Events
	*tally
	*stopping
	adopt       *adoption // nil when nothing can be adopted
	checks      *checks
	newTroubles *troubles
	bare        map[store.Key][]imap.Flag // messages that the new server took without some of their flags, and all of those
	told        Told                      // odd copies that the next attempt has to judge
	gathering
	underWay
	entering
	readingBack
	refusals
	weighing
	left bool // the next folder is under way: the old session is that one's
}

// gathering is what is to be sent next.
type gathering struct {
	batch   events
	octets  int64
	batches uint64 // the number of the batch sent last
	size    batchSize
}

// underWay is what the new server has not answered.
type underWay struct {
	calls     []under
	sending   []*outgoing // of the command that is being written
	settledAt time.Time   // when it had answered what it was asked before
	// again counts batches under way that repeat a refused one. They were sent
	// after batches whose checkpoints lie behind them, so those have to wait.
	again int
}

// entering is what is on its way into the ledger.
type entering struct {
	pending  store.Batch // outcomes not yet committed
	unproven []store.Intent
	later    *store.Checkpoint // once no repeated batch is under way any more
	reached  *store.Checkpoint // once those copies have been looked at that are waiting
}

func (p *Pull) newWriter() *writer {
	w := &writer{
		Job: &p.Job, Resources: &p.Resources, Shared: &p.Shared, Events: &p.Events, tally: &p.tally, stopping: &p.stopping,
		adopt: p.adopt, checks: &p.Checks, newTroubles: &p.newTroubles, bare: p.bare, told: p.told,
		gathering:   gathering{batches: uint64(time.Now().UnixNano())},
		entering:    entering{pending: store.Batch{Account: p.Account, Folder: p.Row.ID}},
		readingBack: readingBack{lookedAt: time.Now(), before: p.Target.UIDNext},
	}
	if p.New.UIDPlus() && !p.Fleeting {
		w.expect = p.Target.UIDNext
	}
	return w
}

// run ends when the reader has closed in and all is settled or, if left is true, only the last
// answers are missing; or with the first error. Outcomes known by then are committed but in the second case.
func (w *writer) run(ctx context.Context, in <-chan event) (left bool, err error) {
	if err = w.loop(ctx, in); err == nil && w.left {
		return true, nil
	}
	return false, w.complete(ctx, err)
}

// complete brings everything to its end; err is what has stopped that.
func (w *writer) complete(ctx context.Context, err error) error {
	if err == nil {
		err = w.drain(ctx)
	}
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
		w.release(u.events.outgoing()...)
	}
	w.release(w.batch.outgoing()...)
	w.enterUnlooked()
	// A cancelled context must not lose proofs that were already given.
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, w.commit(cctx))
}

func (w *writer) loop(ctx context.Context, in <-chan event) error {
	for {
		e, ok, ready := w.next(ctx, in)
		if err := ctx.Err(); err != nil {
			if e != nil {
				w.discard(e, err)
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
		if err := w.accept(ctx, e); err != nil {
			return err
		}
	}
}

// next takes an event. While there is something else to do it waits only a
// moment for one, so that a batch isn't sent with its first message alone; and as
// long as no answer can have come, so that none is awaited while there is
// something to send.
func (w *writer) next(ctx context.Context, in <-chan event) (e event, ok, ready bool) {
	select {
	case e, ok = <-in:
		return e, ok, true
	default:
	}
	var late <-chan time.Time
	if w.awaiting() || len(w.batch) > 0 {
		t := time.NewTimer(w.lingering())
		defer t.Stop()
		late = t.C
	}
	select {
	case e, ok = <-in:
		return e, ok, true
	case <-late:
	case <-ctx.Done():
	}
	return nil, false, false
}

// lingering is how long the next event is waited for while there is something else to do.
func (w *writer) lingering() time.Duration {
	first := w.Outstanding.oldest()
	if first == nil && len(w.calls) > 0 {
		first = &w.calls[0]
	}
	if first == nil {
		return batchLinger
	}
	return max(batchLinger, min(time.Until(first.sent.Add(w.Pair.Trip)), tripMost))
}

// awaiting tells whether the new server owes an answer, be it about a folder before this one.
func (w *writer) awaiting() bool { return len(w.calls) > 0 || w.Outstanding.any() }

// progress settles the oldest batch under way, or sends what has gathered.
func (w *writer) progress(ctx context.Context) error {
	if w.awaiting() {
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
	if w.left = w.mayLeave(); w.left {
		return nil
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

// accept does with an event what is to be done with its kind.
func (w *writer) accept(ctx context.Context, e event) error {
	switch e := e.(type) {
	case keywords:
		return w.learnPermanent(ctx)
	case *asking:
		return w.answer(ctx, e)
	case *outgoing:
		return w.acceptMessage(ctx, e)
	case shown:
		w.batch = append(w.batch, e)
		return w.flush(ctx)
	default:
		return w.gather(ctx, e)
	}
}

func (w *writer) acceptMessage(ctx context.Context, m *outgoing) error {
	if alone, guilty := w.newTroubles.suspect(m.key); alone {
		return w.alone(ctx, m, guilty)
	}
	if m.stream != nil {
		return w.pass(ctx, m)
	}
	w.octets += int64(len(m.body))
	return w.gather(ctx, m)
}

// gather puts an event into the batch, which is sent once it is full.
func (w *writer) gather(ctx context.Context, e event) error {
	if w.batch = append(w.batch, e); !w.size.full(len(w.batch), w.octets) {
		return nil
	}
	return w.flush(ctx)
}

// pass sends a large message by itself, straight from the old server.
func (w *writer) pass(ctx context.Context, m *outgoing) error {
	if err := w.flush(ctx); err != nil {
		m.streamed <- err
		return err
	}
	w.batch = eventsOf(m)
	err := w.flush(ctx)
	m.streamed <- err
	return err
}

// flush writes the intents and sends the batch.
func (w *writer) flush(ctx context.Context) error {
	if len(w.batch) == 0 {
		return nil
	}
	for len(w.calls) >= batchesAhead || w.awaiting() && w.ahead()+w.Outstanding.octets()+w.octets > octetsAhead {
		if err := w.settleOldest(ctx); err != nil {
			return err
		}
	}
	w.intend(w.batch.outgoing()...)
	if err := w.commit(ctx); err != nil {
		return err
	}
	batch := w.batch
	w.batch, w.octets = nil, 0
	return w.send(ctx, batch, false)
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
		w.Row.Checkpoint = *b.Checkpoint
	}
	w.pending = store.Batch{Account: w.Account, Folder: w.Row.ID}
	return nil
}
