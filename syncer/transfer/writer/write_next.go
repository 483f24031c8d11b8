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
	return w.before.Takes() && w.Pair.Ahead.Any() && len(w.Pipeline.calls) > 0 && len(w.batch) == 0 && w.Pipeline.again == 0 && len(w.Ledger.bare) == 0 &&
		len(w.large)+len(w.odd.copies)+len(w.refusals.onTrial)+len(w.Ledger.unproven)+len(w.review.waiting) == 0
}

// TakeBack has the writer wait for its last answers after all.
func (w *Writer) TakeBack(ctx context.Context) error {
	w.left = false
	return w.complete(ctx, nil)
}
