package syncer

import (
	"context"
	"fmt"
	"slices"

	"postferry/store"
)

// checkNewNumbers recognises the copies anew if the new folder's numbering isn't the one it was,
// and looks at what has come there since: an earlier state of the ledger, put back from a
// backup, does not know of copies that were made after it.
func (p *pull) checkNewNumbers(ctx context.Context) error {
	p.beyond = nil
	if v := p.folder.Checkpoint.NewUIDValidity; v != 0 && v != p.target.UIDValidity && !p.first() {
		// Numbered anew since the checkpoint: nothing tells what has come after it.
		var err error
		p.beyond, err = p.newcomers(ctx, 1)
		return err
	}
	seen := p.newWentBack()
	if seen != "" {
		// Of several nodes that are one server one may lag behind.
		if err := pause(ctx, p.quiet); err != nil {
			return err
		}
		if err := p.lookAtNew(ctx); err != nil {
			return err
		}
		seen = p.newWentBack()
	}
	if seen == "" && looked(p.folder.Checkpoint) {
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
func (p *pull) sampleAtLeast(ctx context.Context) error {
	if p.sample != nil || p.target.UIDNext == p.folder.Checkpoint.NewUIDNext {
		return nil
	}
	return p.lookAtNewAgain(ctx)
}

// newWentBack says what shows that the new folder was put back to an earlier state; "" for nothing.
func (p *pull) newWentBack() string {
	if seen := newWentBack(p.folder.Checkpoint, p.target); seen != "" || p.target.UIDNext == 0 {
		return seen
	}
	for i := range p.ledger.Entries {
		if e := &p.ledger.Entries[i]; e.UIDValidity == p.target.UIDValidity && e.UID >= p.target.UIDNext {
			return fmt.Sprintf("UIDNEXT is %d, but a copy had the UID %d", p.target.UIDNext, e.UID)
		}
	}
	return ""
}

// learnFromSample says what a sample shows to be wrong with the numbering of the new folder; "" for
// nothing.
func (p *pull) learnFromSample(ctx context.Context) (seen string, err error) {
	g := p.sample
	switch {
	case fleeting(g.sel):
		p.fleeting = true
		return "", nil
	case g.validity != p.target.UIDValidity:
		return "", nil // the copies have been looked for already
	case g.sel.UIDValidity != p.target.UIDValidity:
		return "", errRecognised // numbered anew between the two questions
	}
	same, err := p.rewritten(ctx, g.doubtful)
	if err != nil {
		return "", err
	}
	for uid, e := range g.copies {
		if _, other := g.doubtful[e.Key]; other && !same[e.Key] {
			return fmt.Sprintf("UID %d is another message than the copy", uid), nil
		}
	}
	return g.elsewhere(), p.takeBeyond(ctx, g.fresh)
}

// takeBeyond keeps of the messages that have come to the new folder those that no line of the
// ledger stands for.
func (p *pull) takeBeyond(ctx context.Context, fresh []candidate) error {
	if len(fresh) == 0 {
		return nil
	}
	if p.known.before > 0 {
		if err := p.readLedger(ctx); err != nil {
			return err
		}
		p.begin()
	}
	ours := newUIDs(p.ledger, p.target.UIDValidity)
	p.beyond = slices.DeleteFunc(fresh, func(c candidate) bool {
		_, known := ours[c.UID]
		return known
	})
	return nil
}

// recogniseNew looks for the copies in all of the new folder. One that is found elsewhere is
// known there from now on. Those that aren't found count as removed by their user, unless the
// server has lost them (see lostFrom): those are copied again.
func (p *pull) recogniseNew(ctx context.Context, seen string) error {
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
	p.log.Warn().Str("seen", seen).Int("same", len(v.same)).Int("elsewhere", v.found).Int("removed", len(v.lost)-v.found-len(batch.Forget)).Int("copied_again", len(batch.Forget)).
		Msg("the new server was put back to an earlier state, or numbers this folder in another way: its copies are recognised anew")
	if err := p.enterInventory(ctx, batch); err != nil {
		return err
	}
	p.beyond = slices.DeleteFunc(v.strangers, func(c candidate) bool { return c.UID < p.folder.Checkpoint.NewUIDNext })
	return nil
}

// entered is what an inventory changes in the ledger. The messages of lines that it forgets lie behind
// the checkpoint then.
func (p *pull) entered(v *inventory) store.Batch {
	cp := p.folder.Checkpoint
	batch := store.Batch{Account: p.account, Folder: p.folder.ID, Checkpoint: &cp}
	from := v.lostFrom()
	for _, l := range v.lost {
		if l.UID != 0 || l.was < from {
			batch.Proofs = append(batch.Proofs, l.Entry)
			continue
		}
		batch.Forget, batch.Drop = append(batch.Forget, l.Key), append(batch.Drop, l.Key)
		if uid, ok := p.selected.keys.uid(l.Key); ok && !p.selected.pop3 {
			cp.UIDNext = min(cp.UIDNext, uid)
		}
	}
	next := max(v.sel.UIDNext, v.highest+1)
	if cp.NewUIDValidity == v.sel.UIDValidity {
		next = min(next, cp.NewUIDNext)
	}
	cp.NewUIDValidity, cp.NewHighestModSeq = v.sel.UIDValidity, v.sel.HighestModSeq
	cp.NewUIDNext = min(next, from)
	p.target.Messages, p.target.UIDNext = v.sel.Messages, max(v.sel.UIDNext, v.highest+1)
	p.target.HighestModSeq = v.sel.HighestModSeq
	return batch
}

// enterInventory makes that durable, what is forgotten and the checkpoint first.
func (p *pull) enterInventory(ctx context.Context, batch store.Batch) error {
	proofs := batch.Proofs
	batch.Proofs = nil
	if err := p.store.Commit(ctx, batch); err != nil {
		return err
	}
	p.folder.Checkpoint = *batch.Checkpoint
	for part := range slices.Chunk(proofs, listWindow) {
		batch := store.Batch{Account: p.account, Folder: p.folder.ID, Proofs: part}
		var intents []store.Intent
		for _, e := range part {
			if in, ok := p.touching(e.Key, e); ok {
				intents = append(intents, in)
			}
		}
		if err := p.store.Commit(ctx, batch); err != nil {
			return err
		}
		if err := p.intend(ctx, intents); err != nil {
			return err
		}
	}
	return p.beginAgain(ctx)
}
