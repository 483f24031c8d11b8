package transfer

import (
	"context"
	"slices"
	"time"

	"postferry/upstream"
)

// intend notes that messages are about to be sent one after the other.
func (l *ledgerWriter) intend(msgs ...*outgoing) {
	now := time.Now()
	l.batches++
	for place, m := range msgs {
		m.intent.Written, m.intent.Batch, m.intent.Place, m.intent.Together = now, l.batches, uint32(place), l.job.New.Together()
		l.pending.Intents = append(l.pending.Intents, m.intent)
	}
}

// send hands messages to the new server; their intents are durable.
func (w *writer) send(ctx context.Context, batch events, again bool) error {
	msgs := batch.outgoing()
	if slices.ContainsFunc(msgs, func(m *outgoing) bool { return hasKeyword(m.msg.Flags) }) {
		if err := w.checks.learnPermanent(ctx); err != nil {
			w.ledger.release(msgs...)
			return err
		}
	}
	u := under{events: batch, again: again}
	var sent []upstream.Append
	for _, m := range msgs {
		m.keep, _ = w.checks.keepable(m.msg.Flags)
		sent = append(sent, m.message())
		m.countLines()
		u.octets += int64(len(m.body))
	}
	if again {
		w.pipeline.again++
		w.review.expect = 0
	}
	if len(sent) > 0 {
		w.pipeline.sending = msgs
		call, err := w.New.SendAppend(ctx, w.Row.New, sent)
		if err != nil {
			w.ledger.release(msgs...)
			return err
		}
		w.pipeline.sending, u.call, u.sent = nil, call, time.Now()
	}
	w.pipeline.calls = append(w.pipeline.calls, u)
	return w.review.foresee(ctx, msgs)
}

// settleOldest waits for the oldest batch under way and notes its outcomes. Folders before this one come first.
func (w *writer) settleOldest(ctx context.Context) error {
	if !w.left && w.Outstanding.any() {
		w.Outstanding.step(ctx)
		return ctx.Err()
	}
	if len(w.pipeline.calls) == 0 {
		return nil
	}
	u := w.pipeline.calls[0]
	if u.look != nil {
		w.pipeline.calls = w.pipeline.calls[1:]
		return w.looked(ctx, u)
	}
	var results []upstream.AppendResult
	if u.call != nil {
		var err error
		if results, err = u.call.Wait(ctx); err != nil {
			return err
		}
		w.Pair.Answered(time.Since(u.sent))
		w.pipeline.sized(u)
		w.pipeline.settledAt = time.Now()
	}
	w.pipeline.calls = w.pipeline.calls[1:]
	err := w.outcome(ctx, u.events, results)
	if u.again {
		w.pipeline.again--
	}
	if err == nil {
		w.catchUp()
	}
	return err
}

// sized learns from the answer to a batch how large the next ones had better be.
func (p *pipeline) sized(u under) {
	since := u.sent.Add(p.job.Pair.Trip)
	if p.settledAt.After(since) {
		since = p.settledAt
	}
	if !u.again {
		p.size.answered(len(u.events), u.octets, time.Since(since))
	}
}
