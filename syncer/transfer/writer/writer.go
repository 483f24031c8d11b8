package writer

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
)

const (
	// batchLinger is how long a batch that isn't full waits for the next message.
	batchLinger = 10 * time.Millisecond
	// So many batches, of so many octets together, may be under way: as much as a
	// fast line to a new server far away holds.
	batchesAhead = 12
	octetsAhead  = 8 << 20
	// Of larger batches no more are under way than have so many messages, or two: a client that renames or
	// deletes the folder waits until the new server has answered them, and one with maildirs is slow at each.
	messagesAhead = batchesAhead * batchMessages
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

// Pipeline is what the new server has not answered.
type Pipeline struct {
	job         *job.Job
	before      Before
	ledger      *Ledger
	newTroubles *job.Troubles
	calls       []under
	sending     []*sending // of the command that is being written
	settledAt   time.Time  // when it had answered what it was asked before
	// again counts batches under way that repeat a refused one. They were sent
	// after batches whose checkpoints lie behind them, so those have to wait.
	again int
	size  batchSize // that a batch should have
}

// Ledger enters in the ledger what becomes of messages.
type Ledger struct {
	job       *job.Job
	resources *job.Resources
	shared    *job.Shared
	tally     *job.Tally
	checks    *copyChecks
	Pending   store.Batch // outcomes not yet committed
	batches   uint64      // the number of the batch sent last
	unproven  []store.Intent
	unentered int                       // copies that are not entered yet, of those that have been answered
	bare      map[store.Key][]imap.Flag // messages that the new server took without some of their flags, and all of those
}

// Writer appends what the reader hands over, batch by batch, and enters it in
// the ledger. It alone uses the new session while it runs.
type Writer struct {
	*job.Work
	before   Before
	Ledger   *Ledger
	checks   *copyChecks
	refusals *refusals
	odd      *oddCopies
	repaired *repairedCopies
	Pipeline *Pipeline
	review   *review

	batch  events // what is to be sent next
	octets int64
	later  *store.Checkpoint // once no repeated batch is under way any more
	large  []*sending        // refused messages to be fetched again, which checkpoints wait for as well
	left   bool              // the next folder is under way: the old session is that one's
}

// Run ends when the reader has closed in and all is settled or, if left is true, only the last
// answers are missing; or with the first error. Outcomes known by then are committed but in the second case.
func (w *Writer) Run(ctx context.Context, in <-chan job.Event) (left bool, err error) {
	if err = w.loop(ctx, in); err == nil && w.left {
		return true, nil
	}
	return false, w.complete(ctx, err)
}

// complete brings everything to its end and makes it durable; err is what has stopped that.
func (w *Writer) complete(ctx context.Context, err error) error {
	err = w.End(ctx, err)
	return errors.Join(err, w.CommitLast(ctx))
}

// CommitLast commits although ctx may have ended: proofs that were already given must not be lost.
func (w *Writer) CommitLast(ctx context.Context) error {
	cctx, cancel := job.Lastly(ctx)
	defer cancel()
	return w.Ledger.Commit(cctx)
}

// End brings everything to its end; err is what has stopped that.
func (w *Writer) End(ctx context.Context, err error) error {
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
	w.Pipeline.blame(ctx, err)
	for _, u := range w.Pipeline.calls {
		w.Ledger.release(u.events.messages()...)
	}
	w.Ledger.release(w.batch.messages()...)
	w.review.enterUnlooked()
	return err
}

func (w *Writer) loop(ctx context.Context, in <-chan job.Event) error {
	for {
		e, ok, ready := w.next(ctx, in)
		if err := ctx.Err(); err != nil {
			if e != nil {
				w.Discard(e, err)
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
func (w *Writer) next(ctx context.Context, in <-chan job.Event) (e job.Event, ok, ready bool) {
	select {
	case e, ok = <-in:
		return e, ok, true
	default:
	}
	var late <-chan time.Time
	if w.Pipeline.awaiting() || len(w.batch) > 0 || w.before.Due() {
		t := time.NewTimer(w.Pipeline.lingering())
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
func (p *Pipeline) lingering() time.Duration {
	sent, owed := p.before.Oldest()
	if !owed && len(p.calls) > 0 {
		sent, owed = p.calls[0].sent, true
	}
	if !owed {
		return batchLinger
	}
	return max(batchLinger, min(time.Until(sent.Add(p.job.Pair.Trip)), tripMost))
}

// awaiting tells whether the new server owes an answer, be it about a folder before this one.
func (p *Pipeline) awaiting() bool { return len(p.calls) > 0 || p.before.Any() }

// progress settles the oldest batch under way, or sends what has gathered.
func (w *Writer) progress(ctx context.Context) error {
	switch {
	case w.Pipeline.awaiting():
		return w.SettleOldest(ctx)
	case len(w.batch) == 0:
		return w.before.Enter(ctx, nil)
	}
	return w.flush(ctx)
}

// finishUp sends what is left and brings everything to its end.
func (w *Writer) finishUp(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	if err := w.review.lookAtWaiting(ctx); err != nil {
		return err
	}
	if err := w.Pipeline.lookAtNext(ctx); err != nil {
		return err
	}
	if w.left = w.mayLeave(); w.left {
		return nil
	}
	return w.drain(ctx)
}

// drain brings everything to its end.
func (w *Writer) drain(ctx context.Context) error {
	for len(w.batch) > 0 || len(w.Pipeline.calls) > 0 || len(w.review.waiting) > 0 {
		if len(w.batch) > 0 {
			if err := w.flush(ctx); err != nil {
				return err
			}
		}
		if len(w.Pipeline.calls) == 0 && len(w.review.waiting) > 0 {
			if err := w.review.lookAtWaiting(ctx); err != nil {
				return err
			}
		}
		if err := w.SettleOldest(ctx); err != nil {
			return err
		}
	}
	return nil
}

// accept does with an event what is to be done with its kind.
func (w *Writer) accept(ctx context.Context, e job.Event) error {
	switch e := e.(type) {
	case job.Keywords:
		return w.checks.learnPermanent(ctx)
	case *job.Asking:
		return w.answer(ctx, e)
	case *job.Outgoing:
		return w.acceptMessage(ctx, &sending{Outgoing: e})
	case job.Shown:
		w.batch = append(w.batch, e)
		return w.flush(ctx)
	default:
		return w.gather(ctx, e)
	}
}

func (w *Writer) acceptMessage(ctx context.Context, m *sending) error {
	if alone, guilty := w.Pipeline.newTroubles.Suspect(m.Key); alone {
		return w.alone(ctx, m, guilty)
	}
	if m.Stream != nil {
		return w.pass(ctx, m)
	}
	w.octets += int64(len(m.Body))
	return w.gather(ctx, m)
}

// gather puts an event into the batch, which is sent once it is full.
func (w *Writer) gather(ctx context.Context, e job.Event) error {
	if w.batch = append(w.batch, e); !w.Pipeline.size.full(len(w.batch), w.octets) {
		return nil
	}
	return w.flush(ctx)
}

// pass sends a large message by itself, straight from the old server.
func (w *Writer) pass(ctx context.Context, m *sending) error {
	if err := w.flush(ctx); err != nil {
		m.Streamed <- err
		return err
	}
	w.batch = eventsOf(m)
	err := w.flush(ctx)
	m.Streamed <- err
	return err
}

// full tells whether a batch of so many messages has to wait for answers to those before it.
func (p *Pipeline) full(messages int) bool {
	for _, u := range p.calls {
		messages += len(u.events)
	}
	return len(p.calls) >= batchesAhead || len(p.calls) >= 2 && messages > messagesAhead
}

// flush writes the intents and sends the batch.
func (w *Writer) flush(ctx context.Context) error {
	if len(w.batch) == 0 {
		return nil
	}
	for w.Pipeline.full(len(w.batch)) || w.Pipeline.awaiting() && w.Pipeline.UnderWay()+w.before.Octets()+w.octets > octetsAhead {
		if err := w.SettleOldest(ctx); err != nil {
			return err
		}
	}
	w.Ledger.intend(w.batch.messages()...)
	if err := w.before.Enter(ctx, w.Ledger); err != nil {
		return err
	}
	batch := w.batch
	w.batch, w.octets = nil, 0
	return w.send(ctx, batch, false)
}

// Commit makes the outcomes and intents gathered so far durable.
func (l *Ledger) Commit(ctx context.Context) error {
	if l.Nothing() {
		return nil
	}
	if err := l.job.Store.Commit(ctx, l.Pending); err != nil {
		return err
	}
	l.Committed()
	return nil
}

// Nothing tells whether there is nothing to commit.
func (l *Ledger) Nothing() bool {
	b := &l.Pending
	return len(b.Intents)+len(b.Proofs)+len(b.Drop)+len(b.Quarantine) == 0 && b.Checkpoint == nil && b.Late.Messages == 0
}

// Committed notes that all that was gathered is durable.
func (l *Ledger) Committed() {
	if cp := l.Pending.Checkpoint; cp != nil {
		l.job.Row.Checkpoint = *cp
	}
	l.Pending = store.Batch{Account: l.job.Account, Folder: l.job.Row.ID}
}
