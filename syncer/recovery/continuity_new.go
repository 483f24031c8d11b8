package recovery

import (
	"context"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/pause"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
)

// checkNew recognises the copies anew if the new folder's numbering isn't the one it was,
// and looks at what has come there since: an earlier state of the ledger, put back from a
// backup, does not know of copies that were made after it.
func (n *Numbers) checkNew(ctx context.Context) error {
	n.Beyond, n.Below = nil, nil
	switch v := n.folder.Row.Checkpoint.NewUIDValidity; {
	case v == 0 && n.folder.First() && len(n.folder.Known.Entries)+len(n.folder.Known.Stale) > 0 && n.folder.Selected.Early == nil && n.newWentBack() == "":
		return n.lookThrough(ctx) // after an interruption no checkpoint says how it was numbered
	case v != 0 && v != n.folder.Target.UIDValidity && !n.folder.First():
		return n.lookThrough(ctx)
	}
	if n.knowsNothing() || n.placeless() {
		var err error
		n.Beyond, err = n.copies.Newcomers(ctx, 1)
		return err
	}
	seen := n.newWentBack()
	if seen != "" {
		// Of several nodes that are one server one may lag behind.
		if err := pause.For(ctx, session.SettleQuiet); err != nil {
			return err
		}
		if err := n.folder.sameNumbering(func() error { return n.folder.LookAtNew(ctx) }); err != nil {
			return err
		}
		seen = n.newWentBack()
	}
	if seen == "" && looked(n.folder.Row.Checkpoint) {
		if err := n.sampleAtLeast(ctx); err != nil {
			return err
		}
	}
	if seen == "" && n.folder.Sample != nil {
		var err error
		if seen, err = n.learnFromSample(ctx); err != nil {
			return err
		}
	}
	switch {
	case seen != "":
		return n.recogniseNew(ctx, seen)
	case n.unnumbered() || n.folder.Fleeting && n.toCopy():
		return n.lookThrough(ctx)
	case n.unshown():
		found, err := n.copies.Newcomers(ctx, 1)
		for _, c := range strangersTo(n.folder.Ledger, n.folder.Target.UIDValidity, found) {
			if c.UID < n.folder.Sample.From {
				n.Below = append(n.Below, c)
			}
		}
		return err
	}
	return nil
}

// knowsNothing tells whether the ledger has nothing at all to tell how the new folder was numbered, neither a checkpoint nor a line,
// though it was pulled to its end: a person has said that the mailbox may be another one, and an earlier state of the ledger
// may not know what has been copied.
func (n *Numbers) knowsNothing() bool {
	cp, k := n.folder.Row.Checkpoint, n.folder.Known
	return cp.NewUIDValidity == 0 && !n.folder.First() && len(k.Entries)+k.Before+len(k.Stale) == 0 &&
		n.folder.Target.Messages > 0 && n.toCopy()
}

// placeless tells whether there is mail to copy and the new folder's UIDs don't last, so that neither checkpoint nor lines tell what has come there since:
// of the messages that no line stands for any may be the copy of one that an earlier state of the ledger does not know. They are taken for newcomers
// as at a first pull; see AlikeCopies for what their user has moved there. A checkpoint may have noted numbers all the same, as they were at one opening.
func (n *Numbers) placeless() bool {
	return !n.folder.First() && n.folder.Target.Messages > 0 && n.toCopy() &&
		slices.ContainsFunc(n.folder.Ledger.Entries, func(e store.Entry) bool { return e.UID == 0 && e.UIDValidity == 0 })
}

// toCopy tells whether the old folder may have messages that the ledger does not know.
func (n *Numbers) toCopy() bool {
	f := n.folder
	if !f.Selected.Traits.StableUIDs {
		return f.Known.Count() < int(f.Selected.Messages)
	}
	return f.Selected.UIDNext > max(f.Row.Checkpoint.UIDNext, 1) || len(f.Known.Again) > 0
}

// unnumbered tells whether there is mail to copy and no checkpoint that tells what has come to the new folder since, though its ledger has copies: a person
// has accepted the mailbox, and the ledger may be an earlier state of itself.
func (n *Numbers) unnumbered() bool {
	cp := n.folder.Row.Checkpoint
	return cp.NewUIDValidity == 0 && !n.folder.First() && !n.folder.Fleeting && n.toCopy() &&
		slices.ContainsFunc(n.folder.Ledger.Entries, func(e store.Entry) bool { return e.UID != 0 })
}

// unshown tells whether there is mail to copy and no copy that would show whether the new folder's UIDs are those that the
// checkpoint knows: server and ledger may both have been put back, and what has a UID below it may be a copy.
func (n *Numbers) unshown() bool {
	return n.folder.Sample != nil && len(n.folder.Sample.Copies) == 0 && !n.folder.Fleeting && !n.folder.First() &&
		n.folder.Target.Messages > 0 && n.toCopy()
}

// lookThrough looks at all of a folder that is numbered anew since the checkpoint: nothing tells what has come after that. Lines
// that an interrupted pull has given UIDs since are checked as well: another message that is like one of them may be its copy. A server that numbers
// a folder anew whenever it is opened has just had all copies looked for.
func (n *Numbers) lookThrough(ctx context.Context) error {
	placed, numbered := map[lookOf]imap.UID{}, n.folder.Target.UIDValidity
	for i := range n.folder.Ledger.Entries {
		if e := &n.folder.Ledger.Entries[i]; e.UID != 0 && e.UIDValidity == n.folder.Target.UIDValidity {
			placed[lookOf{e.Fingerprint, e.Size}] = e.UID
		}
	}
	var err error
	if n.Beyond, err = n.copies.Newcomers(ctx, 1); err != nil || len(placed) == 0 || n.folder.Target.UIDValidity != numbered {
		return err
	}
	for _, c := range n.Beyond {
		if uid, ok := placed[lookOf{c.Fingerprint, uint32(max(c.Size, 0))}]; ok && !n.folder.Fleeting {
			return n.recogniseNew(ctx, fmt.Sprintf("the copy with the UID %d may have the UID %d", uid, c.UID))
		}
	}
	return nil
}

// sampleAtLeast takes a sample if none was taken along with the opening although mail has come.
func (n *Numbers) sampleAtLeast(ctx context.Context) error {
	if n.folder.Sample != nil || n.folder.Target.UIDNext == n.folder.Row.Checkpoint.NewUIDNext {
		return nil
	}
	return n.folder.sameNumbering(func() error { return n.folder.LookAtNewAgain(ctx) })
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
func (n *Numbers) newWentBack() string {
	if seen := newWentBack(n.folder.Row.Checkpoint, n.folder.Target); seen != "" || n.folder.Target.UIDNext == 0 {
		return seen
	}
	for i := range n.folder.Ledger.Entries {
		if e := &n.folder.Ledger.Entries[i]; e.UIDValidity == n.folder.Target.UIDValidity && e.UID >= n.folder.Target.UIDNext {
			return fmt.Sprintf("UIDNEXT is %d, but a copy had the UID %d", n.folder.Target.UIDNext, e.UID)
		}
	}
	for _, a := range n.folder.Ledger.Away {
		if a.UIDValidity == n.folder.Target.UIDValidity && a.UID >= n.folder.Target.UIDNext {
			return fmt.Sprintf("UIDNEXT is %d, but a copy had the UID %d", n.folder.Target.UIDNext, a.UID)
		}
	}
	return ""
}

// learnFromSample says what a sample shows to be wrong with the numbering of the new folder; "" for
// nothing.
func (n *Numbers) learnFromSample(ctx context.Context) (seen string, err error) {
	g := n.folder.Sample
	switch {
	case Fleeting(g.Sel):
		n.folder.Fleeting = true
		return "", nil
	case g.Validity != n.folder.Target.UIDValidity:
		return "", nil // the copies have been looked for already
	case g.Sel.UIDValidity != n.folder.Target.UIDValidity:
		return "", ErrRecognised // numbered anew between the two questions
	}
	same, err := n.folder.notOthers(ctx, g.Doubtful)
	if err != nil {
		return "", err
	}
	for uid, e := range g.Copies {
		if _, other := g.Doubtful[e.Key]; other && !same[e.Key] {
			return fmt.Sprintf("UID %d is another message than the copy", uid), nil
		}
	}
	return g.elsewhere(), n.takeBeyond(ctx, g.fresh)
}

// takeBeyond keeps of the messages that have come to the new folder those that no line of the
// ledger stands for.
func (n *Numbers) takeBeyond(ctx context.Context, fresh []message.Candidate) error {
	if len(fresh) == 0 {
		return nil
	}
	if n.folder.Known.Before > 0 {
		if err := n.folder.ReadLedger(ctx); err != nil {
			return err
		}
		n.folder.Begin()
	}
	ours := session.NewUIDs(n.folder.Ledger, n.folder.Target.UIDValidity)
	n.Beyond = slices.DeleteFunc(fresh, func(c message.Candidate) bool {
		_, known := ours[c.UID]
		return known
	})
	return nil
}

// recogniseNew looks for the copies in all of the new folder. One that is found elsewhere is
// known there from now on. Those that aren't found count as removed by their user, unless the
// server has lost them (see lostFrom): those are copied again.
func (n *Numbers) recogniseNew(ctx context.Context, seen string) error {
	if err := n.folder.ReadLedger(ctx); err != nil {
		return err
	}
	n.folder.Begin()
	v, err := n.takeInventory(ctx)
	if err != nil || v == nil {
		return err
	}
	same, err := n.folder.notOthers(ctx, v.doubtful)
	if err != nil {
		return err
	}
	v.settle(same)
	if err := n.search(ctx, v); err != nil {
		return err
	}
	batch, away := n.entered(v)
	again := len(batch.Forget) + len(away)
	n.folder.Log.Warn().Str("seen", seen).Int("same", len(v.same)).Int("elsewhere", v.found).Int("removed", len(v.lost)-v.found-again).Int("copied_again", again).
		Msg("the new server was put back to an earlier state, or numbers this folder in another way: its copies are recognised anew")
	if err := n.reopenWayBack(ctx, &batch); err != nil {
		return err
	}
	if err := n.enterInventory(ctx, batch, away); err != nil {
		return err
	}
	n.Beyond = v.strangers // the checkpoint's UIDNEXT may be another numbering's, as the ledger's lines were
	return nil
}

// reopenWayBack has what has UIDs of messages that the new folder has lost looked at on the way back as well: it is new mail.
func (n *Numbers) reopenWayBack(ctx context.Context, batch *store.Batch) error {
	ways, returns, err := n.folder.Store.WaysBack(ctx, n.folder.Account)
	if err != nil {
		return err
	}
	cp := batch.Checkpoint
	for _, w := range ways {
		if w.Folder == n.folder.Row.ID && w.UIDValidity == cp.NewUIDValidity && cp.NewUIDNext < w.Next {
			w.Next = cp.NewUIDNext
			batch.WayBack = &w
		}
	}
	if batch.WayBack == nil {
		return nil
	}
	for _, r := range returns {
		if r.Folder == n.folder.Row.ID && r.UIDValidity == cp.NewUIDValidity && r.UID >= cp.NewUIDNext && r.State == store.ReturnRefused {
			batch.Returned = append(batch.Returned, r.Key())
		}
	}
	return nil
}

// entered is what an inventory changes in the ledger. The messages of lines that it forgets lie behind
// the checkpoint then. away are lost copies of lines that are in other folders.
func (n *Numbers) entered(v *inventory) (batch store.Batch, away []store.Away) {
	cp := n.folder.Row.Checkpoint
	batch = store.Batch{Account: n.folder.Account, Folder: n.folder.Row.ID, Checkpoint: &cp}
	from := v.lostFrom()
	for _, l := range v.lost {
		if a, ok := v.away[l.Key]; ok {
			if l.UID == 0 && l.was >= from {
				away = append(away, a)
			} else {
				a.UID = l.UID // 0 if its user has removed it
				batch.Away = append(batch.Away, a)
			}
			continue
		}
		if l.UID != 0 || l.was < from {
			batch.Proofs = append(batch.Proofs, l.Entry)
			continue
		}
		batch.Forget, batch.Drop = append(batch.Forget, l.Key), append(batch.Drop, l.Key)
		if uid, ok := n.folder.Selected.Keys.UID(l.Key); ok && n.folder.Selected.Traits.StableUIDs {
			cp.UIDNext = min(cp.UIDNext, uid)
		}
	}
	next := max(v.sel.UIDNext, v.highest+1)
	if cp.NewUIDValidity == v.sel.UIDValidity {
		next = min(next, cp.NewUIDNext)
	}
	cp.NewUIDValidity, cp.NewHighestModSeq = v.sel.UIDValidity, v.sel.HighestModSeq
	cp.NewUIDNext = min(next, from)
	n.folder.Target.Messages, n.folder.Target.UIDNext = v.sel.Messages, max(v.sel.UIDNext, v.highest+1)
	n.folder.Target.HighestModSeq = v.sel.HighestModSeq
	return batch, away
}

// enterInventory makes that durable, what is forgotten and the checkpoint first.
func (n *Numbers) enterInventory(ctx context.Context, batch store.Batch, away []store.Away) error {
	proofs := batch.Proofs
	batch.Proofs = nil
	if err := n.folder.CommitLeaving(ctx, batch, away...); err != nil {
		return err
	}
	n.folder.Row.Checkpoint = *batch.Checkpoint
	for part := range slices.Chunk(proofs, session.ListWindow) {
		batch := store.Batch{Account: n.folder.Account, Folder: n.folder.Row.ID, Proofs: part}
		var intents []store.Intent
		for _, e := range part {
			if in, ok := n.folder.touching(e.Key, e); ok {
				intents = append(intents, in)
			}
		}
		if err := n.folder.Store.Commit(ctx, batch); err != nil {
			return err
		}
		if err := n.folder.intend(ctx, intents); err != nil {
			return err
		}
	}
	return n.folder.beginAgain(ctx)
}
