package transfer

import (
	"context"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
)

// A copy of unexplained size is compared with its original. Where the old session has gone on to the next folder, that is
// done by the pull that begins again: the new server has told where the copy is, so nothing is sent once more for it.

// Told are the copies that an attempt has left to be judged, by their messages.
type Told map[store.Key]toldCopy

// toldCopy is where such a copy is.
type toldCopy struct {
	uidValidity uint32
	uid         imap.UID
	size        int64 // that it has there
}

// leaveOdd keeps the odd copies for the next attempt.
func (o *oddCopies) leaveOdd() {
	for _, c := range o.copies {
		o.told[c.entry.Key] = toldCopy{o.job.Target.UIDValidity, c.uid, c.found.Size}
	}
}

// LeftToJudge are the copies that the next pull of the folder has to judge.
func (p *Pull) LeftToJudge() Told { return p.told }

// judgeTold compares the copies that the last attempt has left with their originals: they are entered, or their messages
// go to quarantine.
func (p *Pull) judgeTold(ctx context.Context) error {
	intents := p.toldIntents()
	if len(intents) == 0 {
		return nil
	}
	places, uids := make([]int, len(intents)), make([]imap.UID, len(intents))
	for i, in := range intents {
		places[i], uids[i] = i, p.told[in.Key].uid
	}
	olds, err := p.OldContents(ctx, places, func(i int) (imap.UID, bool) { return p.Selected.Keys.UID(intents[i].Key) })
	if err != nil {
		return err
	}
	news, err := p.readNew(ctx, uids)
	if err != nil {
		return err
	}
	batch := store.Batch{Account: p.Account, Folder: p.Row.ID}
	for i, in := range intents {
		old, haveOld := olds[i]
		copied, haveNew := news[uids[i]]
		if haveOld && haveNew && old.Says(copied) {
			batch.Proofs = append(batch.Proofs, p.Proof(in, p.Target.UIDValidity, uids[i]))
		} else {
			batch.Quarantine = append(batch.Quarantine, *notAsGiven(in.Key, in.Size, p.told[in.Key].size))
		}
	}
	clear(p.told)
	return p.enterTold(ctx, batch)
}

// toldIntents are the intents of the copies that the last attempt has left.
func (p *Pull) toldIntents() (intents []store.Intent) {
	for _, in := range p.Ledger.Intents {
		if t, ok := p.told[in.Key]; ok && t.uidValidity == p.Target.UIDValidity && !p.Fleeting {
			intents = append(intents, in)
		}
	}
	return intents
}

// enterTold makes that durable, and counts it.
func (p *Pull) enterTold(ctx context.Context, batch store.Batch) error {
	if err := p.recovery.Reconciliation.CheckFound(ctx, batch.Proofs); err != nil {
		return err
	}
	if err := p.Store.Commit(ctx, batch); err != nil {
		return err
	}
	p.Done.copied.Add(uint64(len(batch.Proofs)))
	p.Done.Quarantined.Add(uint64(len(batch.Quarantine)))
	p.dealt(uint64(len(batch.Proofs)+len(batch.Quarantine)), 0)
	if err := p.ReadLedger(ctx); err != nil {
		return err
	}
	p.Begin()
	return nil
}

// notAsGiven is the quarantine's entry of a message whose copy is not what was sent.
func notAsGiven(key store.Key, sent uint32, stored int64) *store.Quarantined {
	return newQuarantined(key, reason.Of(reason.ChangedNew),
		fmt.Sprintf("given %d octets, under the UID that it told it has %d", sent, stored))
}
