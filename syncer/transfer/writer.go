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

// pipeline is what the new server has not answered.
type pipeline struct {
	job         *Job
	events      *Events
	ledger      *ledgerWriter
	newTroubles *troubles
	calls       []under
	sending     []*outgoing // of the command that is being written
	settledAt   time.Time   // when it had answered what it was asked before
	// again counts batches under way that repeat a refused one. They were sent
	// after batches whose checkpoints lie behind them, so those have to wait.
	again int
	size  batchSize // that a batch should have
}

// ledgerWriter enters in the ledger what becomes of messages.
type ledgerWriter struct {
	job       *Job
	resources *Resources
	shared    *Shared
	tally     *tally
	checks    *copyChecks
	pending   store.Batch // outcomes not yet committed
	batches   uint64      // the number of the batch sent last
	unproven  []store.Intent
	unentered int                       // copies that are not entered yet, of those that have been answered
	bare      map[store.Key][]imap.Flag // messages that the new server took without some of their flags, and all of those
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
	ledger   *ledgerWriter
	checks   *copyChecks
	refusals *refusals
	odd      *oddCopies
	repaired *repairedCopies
	pipeline *pipeline
	review   *review

	batch  events // what is to be sent next
	octets int64
	later  *store.Checkpoint // once no repeated batch is under way any more
	large  []*outgoing       // refused messages to be fetched again, which checkpoints wait for as well
	left   bool              // the next folder is under way: the old session is that one's
}

func (p *Pull) newWriter() *writer {
	job := &p.Job
	checks := &copyChecks{&p.Checks, job}
	ledger := &ledgerWriter{job: job, resources: &p.Resources, shared: &p.Shared, tally: &p.tally, checks: checks, bare: p.bare,
		pending: store.Batch{Account: p.Account, Folder: p.Row.ID}, batches: uint64(time.Now().UnixNano())}
	odd := &oddCopies{job: job, ledger: ledger, checks: checks, told: p.told}
	pipeline := &pipeline{job: job, events: &p.Events, ledger: ledger, newTroubles: &p.newTroubles}
	w := &writer{
		Job: job, Resources: &p.Resources, Shared: &p.Shared, Events: &p.Events, tally: &p.tally, stopping: &p.stopping,
		ledger: ledger, checks: checks, odd: odd, pipeline: pipeline,
		refusals: &refusals{job: job, tally: &p.tally, ledger: ledger},
		repaired: &repairedCopies{job: job, tally: &p.tally, ledger: ledger, adopt: p.adopt, before: p.Target.UIDNext},
		review:   &review{job: job, ledger: ledger, checks: checks, odd: odd, pipeline: pipeline, lookedAt: time.Now()},
	}
	if p.New.UIDPlus() && !p.Fleeting {
		w.review.expect = p.Target.UIDNext
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

// complete brings everything to its end and makes it durable; err is what has stopped that.
func (w *writer) complete(ctx context.Context, err error) error {
	err = w.end(ctx, err)
	return errors.Join(err, w.commitLast(ctx))
}

// commitLast commits although ctx may have ended: proofs that were already given must not be lost.
func (w *writer) commitLast(ctx context.Context) error {
	cctx, cancel := lastly(ctx)
	defer cancel()
	return w.ledger.commit(cctx)
}

// lastly is a context for what is written when ctx may have ended.
func lastly(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}

// end brings everything to its end; err is what has stopped that.
func (w *writer) end(ctx context.Context, err error) error {
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
	w.pipeline.blame(ctx, err)
	for _, u := range w.pipeline.calls {
		w.ledger.release(u.events.outgoing()...)
	}
	w.ledger.release(w.batch.outgoing()...)
	w.review.enterUnlooked()
	return err
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
	if w.pipeline.awaiting() || len(w.batch) > 0 || w.Outstanding.due() {
		t := time.NewTimer(w.pipeline.lingering())
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
func (p *pipeline) lingering() time.Duration {
	first := p.events.Outstanding.oldest()
	if first == nil && len(p.calls) > 0 {
		first = &p.calls[0]
	}
	if first == nil {
		return batchLinger
	}
	return max(batchLinger, min(time.Until(first.sent.Add(p.job.Pair.Trip)), tripMost))
}

// awaiting tells whether the new server owes an answer, be it about a folder before this one.
func (p *pipeline) awaiting() bool { return len(p.calls) > 0 || p.events.Outstanding.any() }

// progress settles the oldest batch under way, or sends what has gathered.
func (w *writer) progress(ctx context.Context) error {
	switch {
	case w.pipeline.awaiting():
		return w.settleOldest(ctx)
	case len(w.batch) == 0:
		return w.Outstanding.enter(ctx, nil)
	}
	return w.flush(ctx)
}

// finishUp sends what is left and brings everything to its end.
func (w *writer) finishUp(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	if err := w.review.lookAtWaiting(ctx); err != nil {
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
	for len(w.batch) > 0 || len(w.pipeline.calls) > 0 || len(w.review.waiting) > 0 {
		if len(w.batch) > 0 {
			if err := w.flush(ctx); err != nil {
				return err
			}
		}
		if len(w.pipeline.calls) == 0 && len(w.review.waiting) > 0 {
			if err := w.review.lookAtWaiting(ctx); err != nil {
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
		return w.checks.learnPermanent(ctx)
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
	if alone, guilty := w.pipeline.newTroubles.suspect(m.key); alone {
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
	if w.batch = append(w.batch, e); !w.pipeline.size.full(len(w.batch), w.octets) {
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

// full tells whether a batch of so many messages has to wait for answers to those before it.
func (p *pipeline) full(messages int) bool {
	for _, u := range p.calls {
		messages += len(u.events)
	}
	return len(p.calls) >= batchesAhead || len(p.calls) >= 2 && messages > messagesAhead
}

// flush writes the intents and sends the batch.
func (w *writer) flush(ctx context.Context) error {
	if len(w.batch) == 0 {
		return nil
	}
	for w.pipeline.full(len(w.batch)) || w.pipeline.awaiting() && w.pipeline.ahead()+w.Outstanding.octets()+w.octets > octetsAhead {
		if err := w.settleOldest(ctx); err != nil {
			return err
		}
	}
	w.ledger.intend(w.batch.outgoing()...)
	if err := w.Outstanding.enter(ctx, w.ledger); err != nil {
		return err
	}
	batch := w.batch
	w.batch, w.octets = nil, 0
	return w.send(ctx, batch, false)
}

// commit makes the outcomes and intents gathered so far durable.
func (l *ledgerWriter) commit(ctx context.Context) error {
	if l.nothing() {
		return nil
	}
	if err := l.job.Store.Commit(ctx, l.pending); err != nil {
		return err
	}
	l.committed()
	return nil
}

// nothing tells whether there is nothing to commit.
func (l *ledgerWriter) nothing() bool {
	b := &l.pending
	return len(b.Intents)+len(b.Proofs)+len(b.Drop)+len(b.Quarantine) == 0 && b.Checkpoint == nil && b.Late.Messages == 0
}

// committed notes that all that was gathered is durable.
func (l *ledgerWriter) committed() {
	if cp := l.pending.Checkpoint; cp != nil {
		l.job.Row.Checkpoint = *cp
	}
	l.pending = store.Batch{Account: l.job.Account, Folder: l.job.Row.ID}
}
