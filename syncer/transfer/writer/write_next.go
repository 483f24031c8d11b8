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
	return w.before.Takes() && w.Pair.Ahead.Any() && len(w.Pipeline.calls) > 0 && len(w.batch) == 0 && w.untroubled() && len(w.review.waiting) == 0
}

// untroubled tells whether nothing has gone wrong that is still to be dealt with.
func (w *Writer) untroubled() bool {
	return w.Pipeline.again == 0 && len(w.Ledger.bare)+len(w.large)+len(w.odd.copies)+len(w.refusals.onTrial)+len(w.Ledger.unproven) == 0
}

// A small folder's only batch may wait for those of the folders that come next, so that they share a commit, as long
// as the new server is busy with what was sent before and their messages are on their way.

// mayHold tells whether the last batch, which has not been sent, may be held back.
func (w *Writer) mayHold() bool {
	if !w.before.Takes() || len(w.batch) == 0 || w.Pipeline.Owed() || len(w.review.waiting) > 0 || !w.untroubled() {
		return false
	}
	next := w.Pair.Ahead.First()
	return next != nil && next.Early > 0 && w.before.Joins(len(w.batch), w.octets)
}

// Holds tells whether the batch is held back.
func (w *Writer) Holds() bool { return w.held }

// HeldMessages and HeldOctets are how much that is.
func (w *Writer) HeldMessages() int {
	if !w.held {
		return 0
	}
	return len(w.batch)
}

func (w *Writer) HeldOctets() int64 {
	if !w.held {
		return 0
	}
	return w.octets
}

// Intend has what is held back be written down with what is committed next.
func (w *Writer) Intend() { w.Ledger.intend(w.batch.messages()...) }

// KeepHeld leaves what is held back unsent: the pull ends with an error.
func (w *Writer) KeepHeld() { w.held = false }

// SendHeld sends what was held back. Its intents are durable.
func (w *Writer) SendHeld(ctx context.Context) error {
	batch := w.batch
	w.batch, w.octets, w.held = nil, 0, false
	if err := w.send(ctx, batch, false); err != nil {
		return err
	}
	return w.review.lookAtWaiting(ctx)
}

// TakeBack has the writer wait for its last answers after all.
func (w *Writer) TakeBack(ctx context.Context) error {
	w.left, w.held = false, false
	return w.complete(ctx, nil)
}
