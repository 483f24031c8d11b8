package writer

import (
	"context"
	"slices"
	"time"

	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

// intend notes that messages are about to be sent one after the other.
func (l *Ledger) intend(msgs ...*sending) {
	now := time.Now()
	l.batches++
	for place, m := range msgs {
		m.Intent.Written, m.Intent.Batch, m.Intent.Place, m.Intent.Together = now, l.batches, uint32(place), l.job.New.Together()
		l.Pending.Intents = append(l.Pending.Intents, m.Intent)
	}
}

// send hands messages to the new server; their intents are durable.
func (w *Writer) send(ctx context.Context, batch events, again bool) error {
	msgs := batch.messages()
	if slices.ContainsFunc(msgs, func(m *sending) bool { return job.HasKeyword(m.Msg.Flags) }) {
		if err := w.checks.learnPermanent(ctx); err != nil {
			w.Ledger.release(msgs...)
			return err
		}
	}
	u := under{events: batch, again: again}
	var sent []upstream.Append
	for _, m := range msgs {
		m.keep, _ = w.checks.keepable(m.Msg.Flags)
		sent = append(sent, m.message())
		m.countLines()
		u.octets += int64(len(m.Body))
	}
	if again {
		w.Pipeline.again++
		w.review.expect = 0
	}
	if len(sent) > 0 {
		w.Pipeline.sending = msgs
		call, err := w.New.SendAppend(ctx, w.Row.New, sent)
		if err != nil {
			w.Ledger.release(msgs...)
			return err
		}
		w.Pipeline.sending, u.call, u.sent = nil, call, time.Now()
	}
	w.Pipeline.calls = append(w.Pipeline.calls, u)
	return w.review.foresee(ctx, msgs)
}

// SettleOldest waits for the oldest batch under way and notes its outcomes. Folders before this one come first.
func (w *Writer) SettleOldest(ctx context.Context) error {
	if !w.left && w.before.Any() {
		w.before.Step(ctx)
		return ctx.Err()
	}
	if len(w.Pipeline.calls) == 0 {
		return nil
	}
	u := w.Pipeline.calls[0]
	if u.look != nil {
		w.Pipeline.calls = w.Pipeline.calls[1:]
		return w.looked(ctx, u)
	}
	var results []upstream.AppendResult
	if u.call != nil {
		var err error
		if results, err = u.call.Wait(ctx); err != nil {
			return err
		}
		w.Pair.Answered(time.Since(u.sent))
		w.Pipeline.sized(u)
		w.Pipeline.settledAt = time.Now()
	}
	w.Pipeline.calls = w.Pipeline.calls[1:]
	err := w.outcome(ctx, u.events, results)
	if u.again {
		w.Pipeline.again--
	}
	if err == nil {
		w.catchUp()
	}
	return err
}

// sized learns from the answer to a batch how large the next ones had better be.
func (p *Pipeline) sized(u under) {
	since := u.sent.Add(p.job.Pair.Trip)
	if p.settledAt.After(since) {
		since = p.settledAt
	}
	if !u.again {
		p.size.answered(len(u.events), u.octets, time.Since(since))
	}
}
