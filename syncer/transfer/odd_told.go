package transfer

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/transfer/job"
)

// A copy of unexplained size is compared with its original. Where the old session has gone on to the next folder, that is
// done by the pull that begins again: the new server has told where the copy is, so nothing is sent once more for it.

// judgeTold compares the copies that the last attempt has left with their originals: they are entered, or their messages
// go to quarantine.
func (p *pull) judgeTold(ctx context.Context) error {
	intents := p.toldIntents()
	if len(intents) == 0 {
		return nil
	}
	places, uids := make([]int, len(intents)), make([]imap.UID, len(intents))
	for i, in := range intents {
		places[i], uids[i] = i, p.told[in.Key].UID
	}
	olds, err := p.OldContents(ctx, places, func(i int) (imap.UID, bool) { return p.Selected.Keys.UID(intents[i].Key) })
	if err != nil {
		return err
	}
	news, err := p.ReadNew(ctx, uids)
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
			batch.Quarantine = append(batch.Quarantine, *job.NotAsGiven(in.Key, in.Size, p.told[in.Key].Size))
		}
	}
	clear(p.told)
	return p.enterTold(ctx, batch)
}

// toldIntents are the intents of the copies that the last attempt has left.
func (p *pull) toldIntents() (intents []store.Intent) {
	for _, in := range p.Ledger.Intents {
		if t, ok := p.told[in.Key]; ok && t.UIDValidity == p.Target.UIDValidity && !p.Fleeting {
			intents = append(intents, in)
		}
	}
	return intents
}

// enterTold makes that durable, and counts it.
func (p *pull) enterTold(ctx context.Context, batch store.Batch) error {
	if err := p.Recovery.Reconciliation.CheckFound(ctx, batch.Proofs); err != nil {
		return err
	}
	if err := p.Store.Commit(ctx, batch); err != nil {
		return err
	}
	p.Done.Copied.Add(uint64(len(batch.Proofs)))
	p.Done.Quarantined.Add(uint64(len(batch.Quarantine)))
	p.Dealt(uint64(len(batch.Proofs)+len(batch.Quarantine)), 0)
	if err := p.ReadLedger(ctx); err != nil {
		return err
	}
	p.Begin()
	return nil
}
