package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/upstream/link"
)

// alone sends a message by itself, at which a connection with the new server
// may have broken; or, if it is found to be the reason, not at all.
func (w *writer) alone(ctx context.Context, m *outgoing, guilty bool) error {
	if guilty {
		w.batch = append(w.batch, w.pipeline.skip(m))
		return nil
	}
	if err := w.settleAll(ctx); err != nil {
		w.ledger.release(m)
		m.pulled(err)
		return err
	}
	w.batch = eventsOf(m)
	err := w.flush(ctx)
	m.pulled(err)
	if err != nil {
		return err
	}
	if err := w.drain(ctx); err != nil {
		return err
	}
	w.pipeline.newTroubles.cleared(m.key)
	return nil
}

// settleAll brings to an end all that was handed over before.
func (w *writer) settleAll(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	return w.drain(ctx)
}

// errUncertain: the new server may have stored what it has refused.
var errUncertain = errors.New("the new server failed inside: what it has stored must be looked up")

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
func (p *pipeline) inDoubt(msgs []*outgoing, why error) error {
	keys := make([]store.Key, len(msgs))
	for i, m := range msgs {
		keys[i] = m.key
	}
	p.ledger.release(msgs...)
	p.newTroubles.failed(why, keys...)
	return fmt.Errorf("%w: %w", errUncertain, why)
}

// skip makes a message one for the quarantine.
func (p *pipeline) skip(m *outgoing) quarantined {
	code, cause := reason.NewBreaks, "the connection broke while the message was appended"
	if why := p.newTroubles.refusal(m.key); why != nil {
		code, cause = reason.NotNowNew, serverSays(why)
	}
	p.ledger.release(m)
	m.pulled(nil)
	return quarantined{brokeAt(m.key, code, cause)}
}

// blame notes at which messages the connection with the new server broke.
func (p *pipeline) blame(ctx context.Context, err error) {
	e, ok := errors.AsType[*link.Error](err)
	if !ok || e.Class != link.Lost || e.Op != "APPEND" || ctx.Err() != nil {
		return
	}
	var keys []store.Key
	msgs := p.sending
	for _, u := range p.calls {
		msgs = append(msgs, u.events.outgoing()...)
	}
	for _, m := range msgs {
		if m.stream != nil && m.stream.err != nil {
			return // it was the old server's connection
		}
		keys = append(keys, m.key)
	}
	p.newTroubles.failed(nil, keys...)
}
