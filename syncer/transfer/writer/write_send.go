package writer

import (
	"context"
	"slices"
	"time"

	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

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
		w.checkpoints.catchUp()
	}
	return err
}
