package writer

import (
	"context"

	"postferry/store"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

// outcome notes what became of each event of a batch.
func (w *Writer) outcome(ctx context.Context, batch events, results []upstream.AppendResult) error {
	var refused []*sending
	var why error
	var checkpoint *store.Checkpoint
	if err := w.Pipeline.otherFolder(results); err != nil {
		return err
	}
	for _, e := range batch {
		switch e := e.(type) {
		case job.Reached:
			checkpoint = e.Checkpoint
		case job.Shown:
			w.Shows(e)
		case job.Quarantined:
			w.Ledger.quarantine(e.Quarantined)
		case *sending:
			r := results[0]
			if results = results[1:]; r.Err == nil {
				w.stored(e, r)
				continue
			}
			if refused = append(refused, e); !uncertain(why) {
				why = r.Err
			}
			w.noteRefusal(e, r)
		}
	}
	if err := w.review.lookIfDue(ctx); err != nil {
		w.Ledger.release(refused...)
		return err
	}
	w.Tell()
	if err := w.refusedEach(ctx, refused, why); err != nil {
		return err
	}
	w.checkpoints.reachLooked(checkpoint)
	return w.refusals.settleHeld()
}

// stored notes that the new server has a message.
func (w *Writer) stored(m *sending, r upstream.AppendResult) {
	w.refusals.unavailable, w.refusals.parts = 0, 0
	w.refusals.accepted++
	w.Ledger.bared(m)
	w.Ledger.settled(int64(m.Intent.Size))
	w.Ledger.noteLate(m)
	w.Ledger.release(m)
	if r.UID == 0 {
		w.Ledger.count(uint64(m.Intent.Size))
		m.Intent.Taken = true
		w.Ledger.Pending.Intents = append(w.Ledger.Pending.Intents, m.Intent)
		w.Ledger.unproven = append(w.Ledger.unproven, m.Intent)
		return
	}
	w.Placed(r.UIDValidity, r.UID)
	w.review.arrived(m, r)
}

// prove looks for the messages a server without UIDPLUS (RFC 4315) has taken
// without saying where.
func (w *Writer) prove(ctx context.Context) error {
	if len(w.Ledger.unproven) == 0 {
		return nil
	}
	if err := w.Ledger.Commit(ctx); err != nil {
		return err
	}
	if w.given() {
		return session.ErrGiven // what is asked for on the new session would come in between
	}
	if err := w.LookAtNew(ctx); err != nil {
		return err
	}
	if err := w.ReadLedger(ctx); err != nil {
		return err
	}
	found, err := w.Recovery.Copies.Newcomers(ctx, recovery.Lowest(w.Ledger.unproven, w.Target.UIDValidity)) // as it is numbered now
	if err != nil {
		return err
	}
	judged, err := w.Recovery.Copies.Judge(ctx, w.Ledger.unproven, found)
	if err != nil {
		return err
	}
	proofs := judged.Proofs
	if err := w.checkProved(ctx, proofs); err != nil {
		return err
	}
	for _, e := range proofs {
		w.Ledger.proved(e)
	}
	return nil
}
