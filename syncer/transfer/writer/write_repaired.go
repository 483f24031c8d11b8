package writer

import (
	"context"
	"time"

	"postferry/internal/pause"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
)

// momentsMost is how many times a pull waits for a moment before it sends a message once
// more: a refusal that nothing explains may be the server's own trouble, gone soon. Cyrus
// 3.6 says "System I/O error" at times when a new person's first folders get mail at once.
const momentsMost = 3

// settleRefused decides about one message that the new server refused standing alone.
func (w *Writer) settleRefused(ctx context.Context, m *sending, why error) error {
	if m.Stream == nil && m.unexplained(why) {
		return w.onceMore(ctx, m, why)
	}
	if again, err := w.mend(ctx, m, why); again {
		return err
	}
	w.refusals.giveUp(m, why)
	return nil
}

// onceMore sends a refused message again as it is, after a moment.
func (w *Writer) onceMore(ctx context.Context, m *sending, why error) error {
	m.twice = true
	w.Log.Info().Str("key", message.KeyText(m.Key)).Str("cause", why.Error()).Msg("message refused without a reason, trying it once more")
	if w.refusals.moments++; w.refusals.moments <= momentsMost {
		if err := pause.For(ctx, session.SettleQuiet/6); err != nil {
			w.Ledger.release(m)
			return err
		}
	}
	return w.resend(ctx, m)
}

// resend sends a message for which an intent may have to be written anew.
func (w *Writer) resend(ctx context.Context, m *sending) error {
	w.Ledger.intend(m)
	if err := w.Ledger.Commit(ctx); err != nil {
		w.Ledger.release(m)
		return err
	}
	return w.send(ctx, eventsOf(m), true)
}

// mend tries a refused message again, repaired. It returns false if there is
// nothing more to try. The intent is written anew before, with what the
// repaired copy is recognised by: the refusal is proof that there is no other.
func (w *Writer) mend(ctx context.Context, m *sending, why error) (bool, error) {
	if m.repaired != nil && !m.lighter && len(m.flags()) == 0 || hopeless(why) {
		return false, nil
	}
	if m.Stream != nil || w.repaired.mayBeThere() && !m.aside {
		return w.refusals.putOff(m, why), nil
	}
	fixed, ok := m.redate(serverWords(why))
	if !ok {
		fixed, ok = message.RepairMessage(m.Body, m.flags(), serverWords(why))
	}
	if !ok {
		return false, nil
	}
	m.lighter = len(fixed.Body) == len(m.Body) && (fixed.Dated || len(fixed.Flags) < len(m.flags()))
	m.kept = fixed.Flags // of m.flags(), which m.repaired has a say in
	if m.repaired == nil {
		m.refusal = why
		m.repaired = &store.Repaired{Key: m.Key, What: fixed.Reason(),
			Fingerprint: m.Intent.Fingerprint, Size: m.Intent.Size, When: time.Now()}
	} else {
		m.repaired.What = reason.All(m.repaired.What, fixed.Reason())
	}
	m.Intent.Flags = message.WithoutFlags(m.Msg.Flags, message.WithoutFlags(m.keep, m.kept))
	if more := int64(len(fixed.Body)) - int64(len(m.Body)); more > 0 && w.Memory.TryAcquire(more) {
		m.Held += more
	}
	m.Body = fixed.Body
	size := int64(len(m.Body))
	m.Intent.Fingerprint, m.Intent.Size = message.Fingerprint(message.Header(m.Body), size), recovery.ClampSize(size)
	if adopted, err := w.repaired.adoptRepaired(ctx, m); adopted || err != nil {
		return true, err
	}
	w.Ledger.Pending.Repaired = append(w.Ledger.Pending.Repaired, *m.repaired)
	w.Log.Info().Str("key", message.KeyText(m.Key)).Stringer("repair", m.repaired.What).Str("cause", why.Error()).Msg("message refused, trying it repaired")
	return true, w.resend(ctx, m)
}

// mendLarge fetches the large messages that were refused and tries them
// repaired. The reader has ended, so the old session is free.
func (w *Writer) mendLarge(ctx context.Context) error {
	for len(w.refusals.large) > 0 {
		if err := w.Yielded(); err != nil {
			return err // the checkpoint lies before them: the next pull comes by again
		}
		m := w.refusals.large[0]
		if err := w.mendOne(ctx, m); err != nil {
			return err
		}
		if err := w.drain(ctx); err != nil {
			return err
		}
		w.refusals.large = w.refusals.large[1:]
	}
	w.checkpoints.catchUp()
	return nil
}

func (w *Writer) mendOne(ctx context.Context, m *sending) error {
	why := m.refusal
	m.Stream = nil
	if err := w.repaired.fetchAgain(ctx, m); err != nil {
		w.Ledger.release(m)
		return err
	}
	if m.Body != nil {
		return w.settleRefused(ctx, m, why)
	}
	w.refusals.giveUp(m, why)
	return nil
}
