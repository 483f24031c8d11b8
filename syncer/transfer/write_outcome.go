package transfer

import (
	"context"
	"fmt"
	"time"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream"
)

// outcome notes what became of each event of a batch.
func (w *writer) outcome(ctx context.Context, batch events, results []upstream.AppendResult) error {
	var refused []*outgoing
	var why error
	var checkpoint *store.Checkpoint
	if err := w.otherFolder(results); err != nil {
		return err
	}
	for _, e := range batch {
		switch e := e.(type) {
		case reached:
			checkpoint = e.Checkpoint
		case shown:
			w.shows(e)
		case quarantined:
			w.ledger.quarantine(e.Quarantined)
		case *outgoing:
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
		w.ledger.release(refused...)
		return err
	}
	w.Tell()
	if err := w.refusedEach(ctx, refused, why); err != nil {
		return err
	}
	w.reachLooked(checkpoint)
	return w.refusals.settleHeld()
}

// shows tells that what has been stored so far is what somebody waits for.
func (e *Events) shows(s shown) {
	if s.search != nil {
		s.search.End()
		return
	}
	e.Worth()
}

// otherFolder tells that messages went into another folder of the same name: the one that
// was opened has been renamed or deleted since, and another one made. Their intents stay,
// so that they are looked for where the folder is now.
func (j *Job) otherFolder(results []upstream.AppendResult) error {
	for _, r := range results {
		if r.Err == nil && r.UID != 0 && r.UIDValidity != j.Target.UIDValidity && !j.Fleeting {
			return fmt.Errorf("%w: the new server has stored messages under UIDVALIDITY %d, the folder had %d", recovery.ErrNewGone, r.UIDValidity, j.Target.UIDValidity)
		}
	}
	return nil
}

// reach takes over a checkpoint, or keeps it until repeated batches are settled.
func (w *writer) reach(cp *store.Checkpoint) {
	switch {
	case cp == nil:
	case w.behind():
		w.later = cp
	default:
		w.ledger.pending.Checkpoint, w.later = cp, nil
	}
}

// reachLooked takes over a checkpoint once the copies before it have been looked at.
func (w *writer) reachLooked(cp *store.Checkpoint) {
	l := w.pipeline.lastLook()
	switch {
	case cp == nil:
	case len(w.review.waiting) > 0:
		w.review.reached = cp
	case l != nil:
		l.checkpoint = cp
	default:
		w.reach(cp)
	}
}

// stored notes that the new server has a message.
func (w *writer) stored(m *outgoing, r upstream.AppendResult) {
	w.refusals.unavailable, w.refusals.parts = 0, 0
	w.refusals.accepted++
	w.ledger.bared(m)
	w.ledger.settled(int64(m.intent.Size))
	w.ledger.noteLate(m)
	w.ledger.release(m)
	if r.UID == 0 {
		w.ledger.count(uint64(m.intent.Size))
		m.intent.Taken = true
		w.ledger.pending.Intents = append(w.ledger.pending.Intents, m.intent)
		w.ledger.unproven = append(w.ledger.unproven, m.intent)
		return
	}
	w.Placed(r.UIDValidity, r.UID)
	w.review.arrived(m, r)
}

// count counts a copy.
func (l *ledgerWriter) count(octets uint64) {
	l.tally.Done.copied.Add(1)
	l.tally.Done.bytes.Add(octets)
	l.tally.dealt(1, octets)
}

// enter puts a copy into the ledger with the flags that it really has.
func (l *ledgerWriter) enter(e store.Entry) {
	l.count(uint64(e.Size))
	l.proved(e)
}

// enterLooked is enter for a copy that has been looked at.
func (l *ledgerWriter) enterLooked(c *given) {
	if c.entry != nil {
		l.enter(*c.entry)
		l.unentered--
		c.entry = nil
	}
}

// enterUnlooked enters the copies that nobody looks at any more: that a message was copied
// must not be lost for what isn't known of its copy.
func (v *review) enterUnlooked() {
	for _, u := range v.pipeline.calls {
		if u.look != nil {
			for _, c := range u.look.copies {
				v.ledger.enterLooked(c)
			}
		}
	}
	for _, c := range append(v.waiting, v.heldBack...) {
		v.ledger.enterLooked(c)
	}
	v.waiting, v.heldBack = nil, nil
}

// proved notes a line of the ledger, without the flags that its copy lacks.
func (l *ledgerWriter) proved(e store.Entry) {
	l.checks.dropLost(&e)
	l.pending.Proofs = append(l.pending.Proofs, e)
}

func (l *ledgerWriter) quarantine(q *store.Quarantined) {
	if !l.job.Known.Once(q) {
		l.tally.Done.Quarantined.Add(1)
	}
	l.tally.dealt(1, 0)
	l.pending.Quarantine = append(l.pending.Quarantine, *q)
	l.job.Log.Warn().Str("key", message.KeyText(q.Key)).Str("cause", q.Cause).Msg("message quarantined")
}

// catchUp lets a checkpoint advance that had to wait.
func (w *writer) catchUp() {
	if w.later != nil && !w.behind() && w.ledger.unentered == 0 {
		w.ledger.pending.Checkpoint, w.later = w.later, nil
	}
}

// behind tells whether messages before those dealt with last are still to be settled.
func (w *writer) behind() bool {
	return w.pipeline.again > 0 || len(w.large) > 0 || len(w.odd.copies) > 0 || len(w.refusals.onTrial) > 0
}

// prove looks for the messages a server without UIDPLUS (RFC 4315) has taken
// without saying where.
func (w *writer) prove(ctx context.Context) error {
	if len(w.ledger.unproven) == 0 {
		return nil
	}
	if err := w.ledger.commit(ctx); err != nil {
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
	found, err := w.recovery.Copies.Newcomers(ctx, recovery.Lowest(w.ledger.unproven, w.Target.UIDValidity)) // as it is numbered now
	if err != nil {
		return err
	}
	judged, err := w.recovery.Copies.Judge(ctx, w.ledger.unproven, found)
	if err != nil {
		return err
	}
	proofs := judged.Proofs
	if err := w.checkProved(ctx, proofs); err != nil {
		return err
	}
	for _, e := range proofs {
		w.ledger.proved(e)
	}
	return nil
}

// newQuarantined is a first entry in the quarantine.
func newQuarantined(key store.Key, why reason.Reason, cause string) *store.Quarantined {
	now := time.Now()
	return &store.Quarantined{Key: key, Reason: why, Cause: cause, Attempts: 1, Since: now, Last: now}
}

// settled ends what portion set aside for a message on the new server: it was
// counted when it was written.
func (l *ledgerWriter) settled(octets int64) {
	octets = min(octets, max(l.tally.aside.Load(), 0))
	l.tally.aside.Add(-octets)
	l.shared.RateLimits.New.Budget.GiveBack(uint64(octets))
}

// ahead is how many octets are under way.
func (p *pipeline) ahead() (octets int64) {
	for _, u := range p.calls {
		octets += u.octets
	}
	return octets
}

func (l *ledgerWriter) release(msgs ...*outgoing) {
	for _, m := range msgs {
		l.resources.giveBack(m)
	}
}
