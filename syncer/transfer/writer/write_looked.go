package writer

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// looked learns from a look.
func (w *Writer) looked(ctx context.Context, u under) error {
	l, began := u.look, u.sent
	if w.Pipeline.settledAt.After(began) {
		began = w.Pipeline.settledAt
	}
	found, err := l.call.Wait(ctx)
	if err != nil && !link.Answered(err) {
		return err
	}
	w.Pipeline.settledAt = time.Now()
	w.review.lookTook = w.Pipeline.settledAt.Sub(began)
	if err != nil {
		w.Log.Warn().Err(err).Msg("the new server does not let copies be looked at")
	}
	missing := w.review.learn(l, found, err == nil)
	if w.review.looks--; w.review.looks == 0 && len(missing) == 0 {
		w.checks.dating, w.checks.proving = false, nil
	}
	if l.again {
		w.review.unsure--
	}
	if len(missing) > 0 {
		if err := w.review.lookAgain(ctx, missing, true); err != nil {
			return err
		}
		w.review.unsure++
	}
	if w.review.unsure == 0 {
		for _, c := range w.review.heldBack {
			w.Ledger.enterLooked(c)
		}
		w.review.heldBack = nil
	}
	if last := w.Pipeline.lastLook(); last == nil || w.review.unsure == 0 {
		w.checkpoints.reach(l.checkpoint)
	} else if l.checkpoint != nil {
		last.checkpoint = l.checkpoint
	}
	w.Tell()
	w.checkpoints.catchUp()
	return w.judgeEarly(ctx)
}

// checkProved is check for a server that does not say where it has put a message:
// now it is known.
func (w *Writer) checkProved(ctx context.Context, proofs []store.Entry) error {
	var seen []imap.Flag
	for _, e := range proofs {
		keep, _ := w.checks.keepable(e.Flags)
		if news := message.WithoutFlags(w.checks.unproved(keep), seen); e.UID != 0 && len(news) > 0 && len(w.review.waiting) < checksMost {
			c := &given{uid: e.UID, flags: keep, sure: true}
			w.checks.looksAt(c)
			w.review.waiting = append(w.review.waiting, c)
			seen = append(seen, news...)
		}
	}
	if err := w.review.lookAtWaiting(ctx); err != nil {
		return err
	}
	return w.drain(ctx)
}

// judgeEarly finds out about odd copies before there are too many, as far as their headers
// tell: a server that rewrites messages does so with all of them.
func (w *Writer) judgeEarly(ctx context.Context) error {
	if len(w.odd.copies) < oddMost || len(w.odd.copies) <= w.odd.weighed || w.odd.judging || w.given() {
		return nil
	}
	w.odd.judging = true // until others have come
	if err := w.settleAll(ctx); err != nil {
		return err
	}
	err := w.odd.acceptRewritten(ctx)
	w.odd.judging = false
	return err
}

// judgeOdd finds out what the copies of unexplained sizes are, at the end of a pull.
func (w *Writer) judgeOdd(ctx context.Context) error {
	if len(w.odd.copies) == 0 {
		return nil
	}
	if err := w.drain(ctx); err != nil {
		return err
	}
	given := w.given()
	if !given { // the old session is still at this folder
		if err := w.odd.acceptSame(ctx); err != nil {
			return err
		}
	}
	if err := w.odd.acceptElsewhere(ctx); err != nil {
		return err
	}
	if err := w.odd.acceptRewritten(ctx); err != nil {
		return err
	}
	if given && len(w.odd.copies) > 0 {
		w.odd.leaveOdd()
		return session.ErrGiven // only the originals could tell
	}
	w.odd.giveUpOdd()
	w.checkpoints.catchUp()
	return nil
}
