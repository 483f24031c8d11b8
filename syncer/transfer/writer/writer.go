package writer

import (
	"context"
	"errors"
	"time"

	"postferry/syncer/transfer/job"
)

// Writer appends what the reader hands over, batch by batch, and enters it in
// the ledger. It alone uses the new session while it runs.
type Writer struct {
	*job.Work
	before      Before
	Ledger      *Ledger
	checks      *copyChecks
	refusals    *refusals
	odd         *oddCopies
	repaired    *repairedCopies
	Pipeline    *Pipeline
	review      *review
	Batch       *Batch
	copier      *copier
	checkpoints *checkpoints
	left        bool // the next folder is under way: the old session is that one's
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
		err = w.refusals.judge()
	}
	if err == nil {
		w.checkpoints.catchUp()
	}
	w.Pipeline.blame(ctx, err)
	for _, u := range w.Pipeline.calls {
		w.Ledger.release(u.events.messages()...)
	}
	w.Ledger.release(w.Batch.events.messages()...)
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
	if w.Pipeline.awaiting() || len(w.Batch.events) > 0 || w.before.Due() {
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

// progress settles the oldest batch under way, or sends what has gathered.
func (w *Writer) progress(ctx context.Context) error {
	switch {
	case w.before.Holds() && len(w.Batch.events) == 0:
		return w.before.Enter(ctx, nil)
	case w.before.Holds():
		return w.flush(ctx)
	case w.Pipeline.awaiting():
		return w.SettleOldest(ctx)
	case len(w.Batch.events) == 0:
		return w.before.Enter(ctx, nil)
	}
	return w.flush(ctx)
}

// finishUp sends what is left and brings everything to its end.
func (w *Writer) finishUp(ctx context.Context) error {
	if w.Batch.held = w.mayHold(); w.Batch.held {
		w.left = true
		return w.Pipeline.lookAtNext(ctx)
	}
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
	for len(w.Batch.events) > 0 || len(w.Pipeline.calls) > 0 || len(w.review.waiting) > 0 {
		if len(w.Batch.events) > 0 {
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
	case *job.Copying:
		return w.copier.copyAll(ctx, e, w.settleAll(ctx))
	case *job.Outgoing:
		return w.acceptMessage(ctx, &sending{Outgoing: e})
	case job.Shown:
		w.Batch.events = append(w.Batch.events, e)
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
	w.Batch.octets += int64(len(m.Body))
	return w.gather(ctx, m)
}

// gather puts an event into the batch, which is sent once it is full.
func (w *Writer) gather(ctx context.Context, e job.Event) error {
	if w.Batch.events = append(w.Batch.events, e); !w.Pipeline.size.full(len(w.Batch.events), w.Batch.octets) {
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
	w.Batch.events = eventsOf(m)
	err := w.flush(ctx)
	m.Streamed <- err
	return err
}

// flush writes the intents and sends the batch.
func (w *Writer) flush(ctx context.Context) error {
	if len(w.Batch.events) == 0 {
		return nil
	}
	for w.Pipeline.full(len(w.Batch.events)) || w.Pipeline.awaiting() && w.Pipeline.UnderWay()+w.before.Octets()+w.Batch.octets > octetsAhead {
		if err := w.SettleOldest(ctx); err != nil {
			return err
		}
	}
	w.Ledger.intend(w.Batch.events.messages()...)
	if err := w.before.Enter(ctx, w.Ledger); err != nil {
		return err
	}
	return w.send(ctx, w.Batch.take(), false)
}
