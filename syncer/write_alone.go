package syncer

import (
	"context"
	"errors"

	"postferry/store"
	"postferry/upstream"
)

// alone sends a message by itself, at which a connection with the new server
// may have broken; or, if it is found to be the reason, not at all.
func (w *writer) alone(ctx context.Context, it *item, guilty bool) error {
	if guilty {
		w.skip(it)
		w.batch = append(w.batch, it)
		return nil
	}
	if err := w.settleAll(ctx); err != nil {
		w.release([]*item{it})
		w.pulled(it, err)
		return err
	}
	w.batch = []*item{it}
	err := w.flush(ctx)
	w.pulled(it, err)
	if err != nil {
		return err
	}
	if err := w.drain(ctx); err != nil {
		return err
	}
	w.newTroubles.cleared(it.key)
	return nil
}

// settleAll brings to an end all that was handed over before.
func (w *writer) settleAll(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	return w.drain(ctx)
}

// skip makes an item one for the quarantine.
func (w *writer) skip(it *item) {
	it.quarantine = brokeAt(it.key, "The connection with the new server breaks each time it is given this message.",
		"the connection broke while the message was appended")
	w.release([]*item{it})
	w.pulled(it, nil)
	it.stream, it.streamed = nil, nil
}

// pulled tells the reader, if it waits, that a streamed message was read or won't be.
func (w *writer) pulled(it *item, err error) {
	if it.streamed != nil {
		it.streamed <- err
	}
}

// blame notes at which messages the connection with the new server broke.
func (w *writer) blame(ctx context.Context, err error) {
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok || e.Class != upstream.Lost || e.Op != "APPEND" || ctx.Err() != nil {
		return
	}
	var keys []store.Key
	items := w.sending
	for _, u := range w.calls {
		items = append(items, u.items...)
	}
	for _, it := range items {
		switch {
		case it.stream != nil && it.stream.err != nil:
			return // it was the old server's connection
		case it.sendable():
			keys = append(keys, it.key)
		}
	}
	if len(keys) == 1 {
		if alone, _ := w.newTroubles.suspect(keys[0]); alone {
			w.newTroubles.brokeAlone(keys[0])
			return
		}
	}
	w.newTroubles.broke(keys...)
}
