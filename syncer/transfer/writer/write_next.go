package writer

import (
	"context"
	"time"

	"postferry/syncer/transfer/job"
	"postferry/upstream/link"
)

// given tells whether the old session is another folder's.
func (w *Writer) given() bool { return w.left || w.Pair.Ahead.Any() }

// lookAtNext asks the new server for the folders that come next. All of the present one
// has been sent.
func (p *Pipeline) lookAtNext(ctx context.Context) error {
	for _, next := range p.job.Pair.Ahead.Unasked() {
		next.New = p.job.New
		err := next.Ask(ctx)
		if link.ClassOf(err) == link.Refused { // shows again when it is opened
			next.Asked, next.Status = nil, nil
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

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

// HearRest waits for the answers that nobody waits for any more: before they have come the server
// may store what was sent, and the folder must not be looked at anew. Its intents are in the ledger.
func (p *Pipeline) HearRest(ctx context.Context) error {
	for _, u := range p.calls {
		if u.call == nil {
			continue
		}
		if _, err := u.call.Wait(ctx); err != nil {
			return err
		}
	}
	p.calls = nil
	return nil
}

// Owed tells whether answers are missing.
func (p *Pipeline) Owed() bool { return len(p.calls) > 0 }

// OldestSent is when that was sent which the next answer is about.
func (p *Pipeline) OldestSent() (sent time.Time, owed bool) {
	if !p.Owed() {
		return sent, false
	}
	return p.calls[0].sent, true
}

// TakeBack has the writer wait for its last answers after all.
func (w *Writer) TakeBack(ctx context.Context) error {
	w.left = false
	return w.complete(ctx, nil)
}
