package syncer

import (
	"context"
	"fmt"

	"postferry/store"
	"postferry/upstream"
)

// outcome notes what became of each item of a batch.
func (w *writer) outcome(ctx context.Context, items []*item, results []upstream.AppendResult) error {
	var refused []*item
	var copies []*given
	var why error
	var checkpoint *store.Checkpoint
	if err := w.otherFolder(results); err != nil {
		return err
	}
	for _, it := range items {
		switch {
		case it.checkpoint != nil:
			checkpoint = it.checkpoint
		case it.shows:
			w.worth()
		case it.quarantine != nil:
			w.quarantine(it.quarantine)
		case results[0].Err != nil:
			if refused = append(refused, it); !uncertain(why) {
				why = results[0].Err
			}
			w.firstRefused(it)
			it.foreseen, it.said, w.expect = nil, nil, 0
			if results[0].Alone {
				it.said = results[0].Err
			}
			results = results[1:]
		default:
			if c := w.copied(it, results[0], len(copies)); c != nil {
				copies = append(copies, c)
			}
			w.stored(it, results[0])
			results = results[1:]
		}
	}
	if err := w.lookAt(ctx, copies); err != nil {
		w.release(refused)
		return err
	}
	w.tell()
	if err := w.refusedEach(ctx, refused, why); err != nil {
		return err
	}
	w.reach(checkpoint)
	return w.settleHeld()
}

// otherFolder tells that messages went into another folder of the same name: the one that
// was opened has been renamed or deleted since, and another one made. Their intents stay,
// so that they are looked for where the folder is now.
func (w *writer) otherFolder(results []upstream.AppendResult) error {
	for _, r := range results {
		if r.Err == nil && r.UID != 0 && r.UIDValidity != w.target.UIDValidity && !w.fleeting {
			return fmt.Errorf("%w: the new server has stored messages under UIDVALIDITY %d, the folder had %d", errNewGone, r.UIDValidity, w.target.UIDValidity)
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

// stored notes that the new server has a message.
func (w *writer) stored(it *item, r upstream.AppendResult) {
	w.unavailable, w.parts = 0, 0
	w.accepted++
	w.bared(it)
	w.settled(int64(it.intent.Size))
	w.release([]*item{it})
	if r.UID == 0 {
		w.count(uint64(it.intent.Size))
		it.intent.Taken = true
		w.pending.Intents = append(w.pending.Intents, it.intent)
		w.unproven = append(w.unproven, it.intent)
		return
	}
	w.own(r.UIDValidity, r.UID)
	w.enter(w.proof(it.intent, r.UIDValidity, r.UID))
}

// count counts a copy.
func (w *writer) count(octets uint64) {
	w.done.copied.Add(1)
	w.done.bytes.Add(octets)
	w.dealt(1, octets)
}

// enter puts a copy into the ledger with the flags that it really has, once all is
// known of those.
func (w *writer) enter(e store.Entry) { w.unchecked = append(w.unchecked, e) }

// enterChecked enters the copies that were waiting unless there are looks under way.
func (w *writer) enterChecked() {
	if w.looks > 0 {
		return
	}
	for _, e := range w.unchecked {
		w.count(uint64(e.Size))
		w.proved(e)
	}
	w.unchecked = w.unchecked[:0]
}

// proved notes a line of the ledger, without the flags that its copy lacks.
func (w *writer) proved(e store.Entry) {
	w.dropLost(&e)
	w.pending.Proofs = append(w.pending.Proofs, e)
}

func (w *writer) quarantine(q *store.Quarantined) {
	if !w.known.once(q) {
		w.done.quarantined.Add(1)
	}
	w.dealt(1, 0)
	w.pending.Quarantine = append(w.pending.Quarantine, *q)
	w.log.Warn().Str("key", keyText(q.Key)).Str("cause", q.Cause).Msg("message quarantined")
}

// catchUp lets a checkpoint advance that had to wait.
func (w *writer) catchUp() {
	if w.later != nil && !w.behind() {
		w.pending.Checkpoint, w.later = w.later, nil
	}
}

// behind tells whether messages before those dealt with last are still to be settled.
func (w *writer) behind() bool {
	return w.again > 0 || len(w.large) > 0 || len(w.unchecked) > 0 || len(w.onTrial) > 0
}
