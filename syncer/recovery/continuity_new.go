package recovery

import (
	"context"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
)

// checkNewNumbers recognises the copies anew if the new folder's numbering isn't the one it was,
// and looks at what has come there since: an earlier state of the ledger, put back from a
// backup, does not know of copies that were made after it.
func (f *Folder) checkNewNumbers(ctx context.Context) error {
	f.Beyond, f.Below = nil, nil
	if v := f.Row.Checkpoint.NewUIDValidity; v != 0 && v != f.Target.UIDValidity && !f.First() {
		return f.lookThrough(ctx)
	}
	seen := f.newWentBack()
	if seen != "" {
		// Of several nodes that are one server one may lag behind.
		if err := session.Pause(ctx, f.Quiet); err != nil {
			return err
		}
		if err := f.sameNumbering(func() error { return f.LookAtNew(ctx) }); err != nil {
			return err
		}
		seen = f.newWentBack()
	}
	if seen == "" && looked(f.Row.Checkpoint) {
		if err := f.sampleAtLeast(ctx); err != nil {
			return err
		}
	}
	if seen == "" && f.Sample != nil {
		var err error
		if seen, err = f.learnFromSample(ctx); err != nil {
			return err
		}
	}
	switch {
	case seen != "":
		return f.recogniseNew(ctx, seen)
	case f.unshown():
		found, err := f.Newcomers(ctx, 1)
		for _, c := range strangersTo(f.Ledger, f.Target.UIDValidity, found) {
			if c.UID < f.Sample.From {
				f.Below = append(f.Below, c)
			}
		}
		return err
	}
	return nil
}

// unshown tells whether there is mail to copy and no copy that would show whether the new folder's UIDs are those that the
// checkpoint knows: server and ledger may both have been put back, and what has a UID below it may be a copy.
func (f *Folder) unshown() bool {
	cp := f.Row.Checkpoint
	return f.Sample != nil && len(f.Sample.Copies) == 0 && !f.Fleeting && !f.First() &&
		f.Target.Messages > 0 && f.Selected.UIDNext > max(cp.UIDNext, 1)
}

// lookThrough looks at all of a folder that is numbered anew since the checkpoint: nothing tells what has come after that. Lines
// that an interrupted pull has given UIDs since are checked as well: another message that is like one of them may be its copy.
func (f *Folder) lookThrough(ctx context.Context) error {
	placed := map[lookOf]imap.UID{}
	for i := range f.Ledger.Entries {
		if e := &f.Ledger.Entries[i]; e.UID != 0 && e.UIDValidity == f.Target.UIDValidity {
			placed[lookOf{e.Fingerprint, e.Size}] = e.UID
		}
	}
	var err error
	if f.Beyond, err = f.Newcomers(ctx, 1); err != nil || len(placed) == 0 {
		return err
	}
	for _, c := range f.Beyond {
		if uid, ok := placed[lookOf{c.Fingerprint, uint32(max(c.Size, 0))}]; ok && !f.Fleeting {
			return f.recogniseNew(ctx, fmt.Sprintf("the copy with the UID %d may have the UID %d", uid, c.UID))
		}
	}
	return nil
}

// sampleAtLeast takes a sample if none was taken along with the opening although mail has come.
func (f *Folder) sampleAtLeast(ctx context.Context) error {
	if f.Sample != nil || f.Target.UIDNext == f.Row.Checkpoint.NewUIDNext {
		return nil
	}
	return f.sameNumbering(func() error { return f.LookAtNewAgain(ctx) })
}

// sameNumbering takes another look at the new folder. If it is numbered anew by then, the pull begins again: the UIDs that the
// ledger has are void.
func (f *Folder) sameNumbering(look func() error) error {
	before := f.Target.UIDValidity
	err := look()
	if err == nil && f.Target.UIDValidity != before {
		return ErrRecognised
	}
	return err
}

// newWentBack says what shows that the new folder was put back to an earlier state; "" for nothing.
func (f *Folder) newWentBack() string {
	if seen := newWentBack(f.Row.Checkpoint, f.Target); seen != "" || f.Target.UIDNext == 0 {
		return seen
	}
	for i := range f.Ledger.Entries {
		if e := &f.Ledger.Entries[i]; e.UIDValidity == f.Target.UIDValidity && e.UID >= f.Target.UIDNext {
			return fmt.Sprintf("UIDNEXT is %d, but a copy had the UID %d", f.Target.UIDNext, e.UID)
		}
	}
	return ""
}

// learnFromSample says what a sample shows to be wrong with the numbering of the new folder; "" for
// nothing.
func (f *Folder) learnFromSample(ctx context.Context) (seen string, err error) {
	g := f.Sample
	switch {
	case Fleeting(g.Sel):
		f.Fleeting = true
		return "", nil
	case g.Validity != f.Target.UIDValidity:
		return "", nil // the copies have been looked for already
	case g.Sel.UIDValidity != f.Target.UIDValidity:
		return "", ErrRecognised // numbered anew between the two questions
	}
	same, err := f.rewritten(ctx, g.Doubtful)
	if err != nil {
		return "", err
	}
	for uid, e := range g.Copies {
		if _, other := g.Doubtful[e.Key]; other && !same[e.Key] {
			return fmt.Sprintf("UID %d is another message than the copy", uid), nil
		}
	}
	return g.elsewhere(), f.takeBeyond(ctx, g.fresh)
}

// takeBeyond keeps of the messages that have come to the new folder those that no line of the
// ledger stands for.
func (f *Folder) takeBeyond(ctx context.Context, fresh []message.Candidate) error {
	if len(fresh) == 0 {
		return nil
	}
	if f.Known.Before > 0 {
		if err := f.ReadLedger(ctx); err != nil {
			return err
		}
		f.Begin()
	}
	ours := session.NewUIDs(f.Ledger, f.Target.UIDValidity)
	f.Beyond = slices.DeleteFunc(fresh, func(c message.Candidate) bool {
		_, known := ours[c.UID]
		return known
	})
	return nil
}

// recogniseNew looks for the copies in all of the new folder. One that is found elsewhere is
// known there from now on. Those that aren't found count as removed by their user, unless the
// server has lost them (see lostFrom): those are copied again.
func (f *Folder) recogniseNew(ctx context.Context, seen string) error {
	if err := f.ReadLedger(ctx); err != nil {
		return err
	}
	f.Begin()
	v, err := f.takeInventory(ctx)
	if err != nil || v == nil {
		return err
	}
	same, err := f.rewritten(ctx, v.doubtful)
	if err != nil {
		return err
	}
	v.settle(same)
	if err := f.search(ctx, v); err != nil {
		return err
	}
	batch := f.entered(v)
	f.Log.Warn().Str("seen", seen).Int("same", len(v.same)).Int("elsewhere", v.found).Int("removed", len(v.lost)-v.found-len(batch.Forget)).Int("copied_again", len(batch.Forget)).
		Msg("the new server was put back to an earlier state, or numbers this folder in another way: its copies are recognised anew")
	if err := f.enterInventory(ctx, batch); err != nil {
		return err
	}
	f.Beyond = v.strangers // the checkpoint's UIDNEXT may be another numbering's, as the ledger's lines were
	return nil
}

// entered is what an inventory changes in the ledger. The messages of lines that it forgets lie behind
// the checkpoint then.
func (f *Folder) entered(v *inventory) store.Batch {
	cp := f.Row.Checkpoint
	batch := store.Batch{Account: f.Account, Folder: f.Row.ID, Checkpoint: &cp}
	from := v.lostFrom()
	for _, l := range v.lost {
		if l.UID != 0 || l.was < from {
			batch.Proofs = append(batch.Proofs, l.Entry)
			continue
		}
		batch.Forget, batch.Drop = append(batch.Forget, l.Key), append(batch.Drop, l.Key)
		if uid, ok := f.Selected.Keys.UID(l.Key); ok && f.Selected.Traits.StableUIDs {
			cp.UIDNext = min(cp.UIDNext, uid)
		}
	}
	next := max(v.sel.UIDNext, v.highest+1)
	if cp.NewUIDValidity == v.sel.UIDValidity {
		next = min(next, cp.NewUIDNext)
	}
	cp.NewUIDValidity, cp.NewHighestModSeq = v.sel.UIDValidity, v.sel.HighestModSeq
	cp.NewUIDNext = min(next, from)
	f.Target.Messages, f.Target.UIDNext = v.sel.Messages, max(v.sel.UIDNext, v.highest+1)
	f.Target.HighestModSeq = v.sel.HighestModSeq
	return batch
}

// enterInventory makes that durable, what is forgotten and the checkpoint first.
func (f *Folder) enterInventory(ctx context.Context, batch store.Batch) error {
	proofs := batch.Proofs
	batch.Proofs = nil
	if err := f.Store.Commit(ctx, batch); err != nil {
		return err
	}
	f.Row.Checkpoint = *batch.Checkpoint
	for part := range slices.Chunk(proofs, session.ListWindow) {
		batch := store.Batch{Account: f.Account, Folder: f.Row.ID, Proofs: part}
		var intents []store.Intent
		for _, e := range part {
			if in, ok := f.touching(e.Key, e); ok {
				intents = append(intents, in)
			}
		}
		if err := f.Store.Commit(ctx, batch); err != nil {
			return err
		}
		if err := f.intend(ctx, intents); err != nil {
			return err
		}
	}
	return f.beginAgain(ctx)
}
