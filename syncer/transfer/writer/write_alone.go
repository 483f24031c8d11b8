package writer

import (
	"context"
)

// alone sends a message by itself, at which a connection with the new server
// may have broken; or, if it is found to be the reason, not at all.
func (w *Writer) alone(ctx context.Context, m *sending, guilty bool) error {
	if guilty {
		w.Batch.events = append(w.Batch.events, w.Pipeline.skip(m))
		return nil
	}
	if err := w.settleAll(ctx); err != nil {
		w.Ledger.release(m)
		m.Pulled(err)
		return err
	}
	w.Batch.events = eventsOf(m)
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
