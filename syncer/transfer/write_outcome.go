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
			w.quarantine(e.Quarantined)
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
	if err := w.lookIfDue(ctx); err != nil {
		w.release(refused...)
		return err
	}
	w.Tell()
	if err := w.refusedEach(ctx, refused, why); err != nil {
		return err
	}
	w.reachLooked(checkpoint)
	return w.settleHeld()
}

// shows tells that what has been stored so far is what somebody waits for.
func (w *writer) shows(s shown) {
	if s.search != nil {
		s.search.End()
		return
	}
	w.Worth()
}

// otherFolder tells that messages went into another folder of the same name: the one that
// was opened has been renamed or deleted since, and another one made. Their intents stay,
// so that they are looked for where the folder is now.
func (w *writer) otherFolder(results []upstream.AppendResult) error {
	for _, r := range results {
		if r.Err == nil && r.UID != 0 && r.UIDValidity != w.Target.UIDValidity && !w.Fleeting {
			return fmt.Errorf("%w: the new server has stored messages under UIDVALIDITY %d, the folder had %d", recovery.ErrNewGone, r.UIDValidity, w.Target.UIDValidity)
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
		w.pending.Checkpoint, w.later = cp, nil
	}
}

// reachLooked takes over a checkpoint once the copies before it have been looked at.
func (w *writer) reachLooked(cp *store.Checkpoint) {
	l := w.lastLook()
	switch {
	case cp == nil:
	case len(w.waiting) > 0:
		w.reached = cp
	case l != nil:
		l.checkpoint = cp
	default:
		w.reach(cp)
	}
}

// stored notes that the new server has a message.
func (w *writer) stored(m *outgoing, r upstream.AppendResult) {
	w.unavailable, w.parts = 0, 0
	w.accepted++
	w.bared(m)
	w.settled(int64(m.intent.Size))
	w.noteLate(m)
	w.release(m)
	if r.UID == 0 {
		w.count(uint64(m.intent.Size))
		m.intent.Taken = true
		w.pending.Intents = append(w.pending.Intents, m.intent)
		w.unproven = append(w.unproven, m.intent)
		return
	}
	w.Placed(r.UIDValidity, r.UID)
	w.arrived(m, r)
}

// count counts a copy.
func (w *writer) count(octets uint64) {
	w.Done.copied.Add(1)
	w.Done.bytes.Add(octets)
	w.dealt(1, octets)
}

// enter puts a copy into the ledger with the flags that it really has.
func (w *writer) enter(e store.Entry) {
	w.count(uint64(e.Size))
	w.proved(e)
}

// enterLooked is enter for a copy that has been looked at.
func (w *writer) enterLooked(c *given) {
	if c.entry != nil {
		w.enter(*c.entry)
		w.unentered--
		c.entry = nil
	}
}

// enterUnlooked enters the copies that nobody looks at any more: that a message was copied
// must not be lost for what isn't known of its copy.
func (w *writer) enterUnlooked() {
	for _, u := range w.calls {
		if u.look != nil {
			for _, c := range u.look.copies {
				w.enterLooked(c)
			}
		}
	}
	for _, c := range append(w.waiting, w.heldBack...) {
		w.enterLooked(c)
	}
	w.waiting, w.heldBack = nil, nil
}

// proved notes a line of the ledger, without the flags that its copy lacks.
func (w *writer) proved(e store.Entry) {
	w.dropLost(&e)
	w.pending.Proofs = append(w.pending.Proofs, e)
}

func (w *writer) quarantine(q *store.Quarantined) {
	if !w.Known.Once(q) {
		w.Done.Quarantined.Add(1)
	}
	w.dealt(1, 0)
	w.pending.Quarantine = append(w.pending.Quarantine, *q)
	w.Log.Warn().Str("key", message.KeyText(q.Key)).Str("cause", q.Cause).Msg("message quarantined")
}

// catchUp lets a checkpoint advance that had to wait.
func (w *writer) catchUp() {
	if w.later != nil && !w.behind() && w.unentered == 0 {
		w.pending.Checkpoint, w.later = w.later, nil
	}
}

// behind tells whether messages before those dealt with last are still to be settled.
func (w *writer) behind() bool {
	return w.again > 0 || len(w.large) > 0 || len(w.odd) > 0 || len(w.onTrial) > 0
}

// prove looks for the messages a server without UIDPLUS (RFC 4315) has taken
// without saying where.
func (w *writer) prove(ctx context.Context) error {
	if len(w.unproven) == 0 {
		return nil
	}
	if err := w.commit(ctx); err != nil {
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
	found, err := w.recovery.Copies.Newcomers(ctx, recovery.Lowest(w.unproven, w.Target.UIDValidity)) // as it is numbered now
	if err != nil {
		return err
	}
	judged, err := w.recovery.Copies.Judge(ctx, w.unproven, found)
	if err != nil {
		return err
	}
	proofs := judged.Proofs
	if err := w.checkProved(ctx, proofs); err != nil {
		return err
	}
	for _, e := range proofs {
		w.proved(e)
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
func (w *writer) settled(octets int64) {
	octets = min(octets, max(w.aside.Load(), 0))
	w.aside.Add(-octets)
	w.RateLimits.New.Budget.GiveBack(uint64(octets))
}

// ahead is how many octets are under way.
func (w *writer) ahead() (octets int64) {
	for _, u := range w.calls {
		octets += u.octets
	}
	return octets
}

func (w *writer) release(msgs ...*outgoing) {
	for _, m := range msgs {
		w.giveBack(m)
	}
}
