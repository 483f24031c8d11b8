package writer

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/transfer/job"
	"postferry/upstream/link"
)

// alone sends a message by itself, at which a connection with the new server
// may have broken; or, if it is found to be the reason, not at all.
func (w *Writer) alone(ctx context.Context, m *sending, guilty bool) error {
	if guilty {
		w.batch = append(w.batch, w.Pipeline.skip(m))
		return nil
	}
	if err := w.settleAll(ctx); err != nil {
		w.Ledger.release(m)
		m.Pulled(err)
		return err
	}
	w.batch = eventsOf(m)
	err := w.flush(ctx)
	m.Pulled(err)
	if err != nil {
		return err
	}
	if err := w.drain(ctx); err != nil {
		return err
	}
	w.Pipeline.newTroubles.Cleared(m.Key)
	return nil
}

// settleAll brings to an end all that was handed over before.
func (w *Writer) settleAll(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	return w.drain(ctx)
}

// ErrUncertain says that the new server may have stored what it has refused.
var ErrUncertain = errors.New("the new server failed inside: what it has stored must be looked up")

// uncertain tells whether a refusal leaves open what was stored: by SERVERBUG a server says
// that something went wrong inside it (RFC 5530 section 3). Dovecot 2.3 says so when
// a folder is renamed while messages are stored there, and shows some of them afterwards.
func uncertain(why error) bool {
	e, ok := errors.AsType[*link.Error](why)
	return ok && e.Code == imap.ResponseCodeServerBug && e.Class == link.Later
}

// inDoubt ends the attempt with the intents of messages kept, as if the connection had
// broken at them: what has become of them is found out before they are sent again, each
// by itself.
func (p *Pipeline) inDoubt(msgs []*sending, why error) error {
	keys := make([]store.Key, len(msgs))
	for i, m := range msgs {
		keys[i] = m.Key
	}
	p.ledger.release(msgs...)
	p.newTroubles.Failed(why, keys...)
	return fmt.Errorf("%w: %w", ErrUncertain, why)
}

// skip makes a message one for the quarantine.
func (p *Pipeline) skip(m *sending) job.Quarantined {
	code, cause := reason.NewBreaks, "the connection broke while the message was appended"
	if why := p.newTroubles.Refusal(m.Key); why != nil {
		code, cause = reason.NotNowNew, serverSays(why)
	}
	p.ledger.release(m)
	m.Pulled(nil)
	return job.Quarantined{Quarantined: job.BrokeAt(m.Key, code, cause)}
}

// blame notes at which messages the connection with the new server broke.
func (p *Pipeline) blame(ctx context.Context, err error) {
	e, ok := errors.AsType[*link.Error](err)
	if !ok || e.Class != link.Lost || e.Op != "APPEND" || ctx.Err() != nil {
		return
	}
	var keys []store.Key
	msgs := p.sending
	for _, u := range p.calls {
		msgs = append(msgs, u.events.messages()...)
	}
	for _, m := range msgs {
		if m.Stream != nil && m.Stream.Err != nil {
			return // it was the old server's connection
		}
		keys = append(keys, m.Key)
	}
	p.newTroubles.Failed(nil, keys...)
}
