package writer

import (
	"context"

	"postferry/syncer/transfer/job"
)

// given tells whether the old session is another folder's.
func (w *Writer) given() bool { return w.left || w.Pair.Ahead.Any() }

// answer asks what the reader wants to know.
func (w *Writer) answer(ctx context.Context, a *job.Asking) error {
	err := w.settleAll(ctx)
	if err == nil {
		err = a.Ask(ctx)
	}
	a.Done <- err
	return err
}

// mayLeave tells whether the answers that are missing may come in while the next folder is under way:
// that has been asked for, and nothing has gone wrong so far.
func (w *Writer) mayLeave() bool {
	return w.before.Takes() && w.Pair.Ahead.Any() && len(w.Pipeline.calls) > 0 && len(w.Batch.events) == 0 && w.checkpoints.untroubled() && len(w.review.waiting) == 0
}

// mayHold tells whether the last batch, which has not been sent, may be held back.
func (w *Writer) mayHold() bool {
	if !w.before.Takes() || len(w.Batch.events) == 0 || w.Pipeline.Owed() || len(w.review.waiting) > 0 || !w.checkpoints.untroubled() {
		return false
	}
	next := w.Pair.Ahead.First()
	return next != nil && next.Early > 0 && w.before.Joins(len(w.Batch.events), w.Batch.octets)
}

// SendHeld sends what was held back. Its intents are durable.
func (w *Writer) SendHeld(ctx context.Context) error {
	if err := w.send(ctx, w.Batch.take(), false); err != nil {
		return err
	}
	return w.review.lookAtWaiting(ctx)
}

// TakeBack has the writer wait for its last answers after all.
func (w *Writer) TakeBack(ctx context.Context) error {
	w.left, w.Batch.held = false, false
	return w.complete(ctx, nil)
}
