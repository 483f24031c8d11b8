package writer

import (
	"context"

	"postferry/upstream"
)

// noteRefusal notes that a message was refused, and when that was for the first time.
func (w *Writer) noteRefusal(m *sending, r upstream.AppendResult) {
	if !m.refusedBefore {
		m.refusedBefore, m.since = true, w.refusals.accepted
	}
	m.foreseen, m.said, w.review.expect = nil, nil, 0
	w.Pipeline.size.refused()
	if r.Alone {
		m.said = r.Err
	}
}

// refusedEach decides about refused messages: about each by itself if each had a command of
// its own, otherwise about all of them together.
func (w *Writer) refusedEach(ctx context.Context, msgs []*sending, why error) error {
	for _, m := range msgs {
		if m.said == nil || len(msgs) == 1 || uncertain(why) {
			return w.refused(ctx, msgs, why)
		}
	}
	for i := range msgs {
		if err := w.refused(ctx, msgs[i:i+1], msgs[i].said); err != nil {
			for _, m := range msgs[i+1:] {
				w.Ledger.Pending.Drop = append(w.Ledger.Pending.Drop, m.Key)
			}
			w.Ledger.release(msgs[i+1:]...)
			return err
		}
	}
	return nil
}

// refused decides about messages the new server said NO to. A refused
// MULTIAPPEND is halved until the one message stands alone (RFC 3502: all or
// nothing).
func (w *Writer) refused(ctx context.Context, msgs []*sending, why error) error {
	if len(msgs) == 0 {
		return nil
	}
	if uncertain(why) {
		return w.Pipeline.inDoubt(msgs, why)
	}
	if stop := w.refusals.stops(why); stop != nil {
		for _, m := range msgs {
			w.Ledger.Pending.Drop = append(w.Ledger.Pending.Drop, m.Key)
		}
		w.Ledger.release(msgs...)
		return stop
	}
	if len(msgs) == 1 {
		return w.settleRefused(ctx, msgs[0], why)
	}
	w.refusals.parts++
	one, other := msgs[:len(msgs)/2], msgs[len(msgs)/2:]
	w.Ledger.intend(one...) // what is found of one half says nothing of the other
	w.Ledger.intend(other...)
	if err := w.Ledger.Commit(ctx); err != nil {
		w.Ledger.release(msgs...)
		return err
	}
	if err := w.send(ctx, eventsOf(one...), true); err != nil {
		w.Ledger.release(other...)
		return err
	}
	return w.send(ctx, eventsOf(other...), true)
}
