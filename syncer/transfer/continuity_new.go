package transfer

import (
	"context"
	"fmt"
	"slices"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
)

// checkNewNumbers recognises the copies anew if the new folder's numbering isn't the one it was,
// and looks at what has come there since: an earlier state of the ledger, put back from a
// backup, does not know of copies that were made after it.
func (p *Pull) checkNewNumbers(ctx context.Context) error {
	p.beyond = nil
	if v := p.Folder.Checkpoint.NewUIDValidity; v != 0 && v != p.Target.UIDValidity && !p.first() {
		// Numbered anew since the checkpoint: nothing tells what has come after it.
		var err error
		p.beyond, err = p.newcomers(ctx, 1)
		return err
	}
	seen := p.newWentBack()
	if seen != "" {
		// Of several nodes that are one server one may lag behind.
		if err := session.Pause(ctx, p.Quiet); err != nil {
			return err
		}
		if err := p.lookAtNew(ctx); err != nil {
			return err
		}
		seen = p.newWentBack()
	}
	if seen == "" && looked(p.Folder.Checkpoint) {
		if err := p.sampleAtLeast(ctx); err != nil {
			return err
		}
	}
	if seen == "" && p.sample != nil {
		var err error
		if seen, err = p.learnFromSample(ctx); err != nil {
			return err
		}
	}
	if seen == "" {
		return nil
	}
	return p.recogniseNew(ctx, seen)
}

// sampleAtLeast takes a sample if none was taken along with the opening although mail has come.
func (p *Pull) sampleAtLeast(ctx context.Context) error {
	if p.sample != nil || p.Target.UIDNext == p.Folder.Checkpoint.NewUIDNext {
		return nil
	}
	return p.lookAtNewAgain(ctx)
}

// newWentBack says what shows that the new folder was put back to an earlier state; "" for nothing.
func (p *Pull) newWentBack() string {
	if seen := newWentBack(p.Folder.Checkpoint, p.Target); seen != "" || p.Target.UIDNext == 0 {
		return seen
	}
	for i := range p.ledger.Entries {
		if e := &p.ledger.Entries[i]; e.UIDValidity == p.Target.UIDValidity && e.UID >= p.Target.UIDNext {
			return fmt.Sprintf("UIDNEXT is %d, but a copy had the UID %d", p.Target.UIDNext, e.UID)
		}
	}
	return ""
}

// learnFromSample says what a sample shows to be wrong with the numbering of the new folder; "" for
// nothing.
func (p *Pull) learnFromSample(ctx context.Context) (seen string, err error) {
	g := p.sample
	switch {
	case Fleeting(g.Sel):
		p.Fleeting = true
		return "", nil
	case g.Validity != p.Target.UIDValidity:
		return "", nil // the copies have been looked for already
	case g.Sel.UIDValidity != p.Target.UIDValidity:
		return "", errRecognised // numbered anew between the two questions
	}
	same, err := p.rewritten(ctx, g.Doubtful)
	if err != nil {
		return "", err
	}
	for uid, e := range g.Copies {
		if _, other := g.Doubtful[e.Key]; other && !same[e.Key] {
			return fmt.Sprintf("UID %d is another message than the copy", uid), nil
		}
	}
	return g.elsewhere(), p.takeBeyond(ctx, g.fresh)
}

// takeBeyond keeps of the messages that have come to the new folder those that no line of the
// ledger stands for.
func (p *Pull) takeBeyond(ctx context.Context, fresh []message.Candidate) error {
	if len(fresh) == 0 {
		return nil
	}
	if p.known.Before > 0 {
		if err := p.readLedger(ctx); err != nil {
			return err
		}
		p.begin()
	}
	ours := session.NewUIDs(p.ledger, p.Target.UIDValidity)
	p.beyond = slices.DeleteFunc(fresh, func(c message.Candidate) bool {
		_, known := ours[c.UID]
		return known
	})
	return nil
}

// recogniseNew looks for the copies in all of the new folder. One that is found elsewhere is
// known there from now on. Those that aren't found count as removed by their user, unless the
// server has lost them (see lostFrom): those are copied again.
func (p *Pull) recogniseNew(ctx context.Context, seen string) error {
	if err := p.readLedger(ctx); err != nil {
		return err
	}
	p.begin()
	v, err := p.takeInventory(ctx)
	if err != nil || v == nil {
		return err
	}
	same, err := p.rewritten(ctx, v.doubtful)
	if err != nil {
		return err
	}
	v.settle(same)
	if err := p.search(ctx, v); err != nil {
		return err
	}
	batch := p.entered(v)
	p.Log.Warn().Str("seen", seen).Int("same", len(v.same)).Int("elsewhere", v.found).Int("removed", len(v.lost)-v.found-len(batch.Forget)).Int("copied_again", len(batch.Forget)).
		Msg("the new server was put back to an earlier state, or numbers this folder in another way: its copies are recognised anew")
	if err := p.enterInventory(ctx, batch); err != nil {
		return err
	}
	p.beyond = v.strangers // the checkpoint's UIDNEXT may be another numbering's, as the ledger's lines were
	return nil
}

// entered is what an inventory changes in the ledger. The messages of lines that it forgets lie behind
// the checkpoint then.
func (p *Pull) entered(v *inventory) store.Batch {
	cp := p.Folder.Checkpoint
	batch := store.Batch{Account: p.Account, Folder: p.Folder.ID, Checkpoint: &cp}
	from := v.lostFrom()
	for _, l := range v.lost {
		if l.UID != 0 || l.was < from {
			batch.Proofs = append(batch.Proofs, l.Entry)
			continue
		}
		batch.Forget, batch.Drop = append(batch.Forget, l.Key), append(batch.Drop, l.Key)
		if uid, ok := p.Selected.Keys.UID(l.Key); ok && !p.Selected.POP3 {
			cp.UIDNext = min(cp.UIDNext, uid)
		}
	}
	next := max(v.sel.UIDNext, v.highest+1)
	if cp.NewUIDValidity == v.sel.UIDValidity {
		next = min(next, cp.NewUIDNext)
	}
	cp.NewUIDValidity, cp.NewHighestModSeq = v.sel.UIDValidity, v.sel.HighestModSeq
	cp.NewUIDNext = min(next, from)
	p.Target.Messages, p.Target.UIDNext = v.sel.Messages, max(v.sel.UIDNext, v.highest+1)
	p.Target.HighestModSeq = v.sel.HighestModSeq
	return batch
}

// enterInventory makes that durable, what is forgotten and the checkpoint first.
func (p *Pull) enterInventory(ctx context.Context, batch store.Batch) error {
	proofs := batch.Proofs
	batch.Proofs = nil
	if err := p.Store.Commit(ctx, batch); err != nil {
		return err
	}
	p.Folder.Checkpoint = *batch.Checkpoint
	for part := range slices.Chunk(proofs, session.ListWindow) {
		batch := store.Batch{Account: p.Account, Folder: p.Folder.ID, Proofs: part}
		var intents []store.Intent
		for _, e := range part {
			if in, ok := p.touching(e.Key, e); ok {
				intents = append(intents, in)
			}
		}
		if err := p.Store.Commit(ctx, batch); err != nil {
			return err
		}
		if err := p.intend(ctx, intents); err != nil {
			return err
		}
	}
	return p.beginAgain(ctx)
}
