package recovery

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

const (
	// soughtFolders is in how many folders moved messages are looked for.
	soughtFolders = 50
	// soughtNewest is how many of a folder's newest messages are looked at: what is moved there
	// gets the highest UIDs.
	soughtNewest = 2000
)

// otherFolders are those of the new server to which messages may have been moved.
type otherFolders struct{ folder *Folder }

// seekMoved looks in the other folders of the new server for messages that count as lost while
// something is gone from the folder that may have been they: their user may have moved them before we
// were back. What is found there has arrived. It is looked for only where something is gone, and what
// has been deleted for good can't be told from what never came: that is given to the server once more.
func (r *Reconciliation) seekMoved(ctx context.Context, intents []store.Intent, batch *store.Batch, there presentUIDs) error {
	gone := vanished(intents, batch.Proofs, there)
	if r.folder.Fleeting || gone == 0 || len(batch.Drop) == 0 {
		return nil
	}
	byKey := make(map[store.Key]store.Intent, len(intents))
	for _, in := range intents {
		byKey[in.Key] = in
	}
	lost := make([]store.Intent, len(batch.Drop))
	for i, key := range batch.Drop {
		lost[i] = byKey[key]
	}
	found, err := r.others.find(ctx, lost, sinceWritten(intents))
	if err != nil {
		return err
	}
	batch.Drop = nil
	moved := 0
	for i, in := range lost {
		if !found[i] || moved == gone {
			batch.Drop = append(batch.Drop, in.Key)
			continue
		}
		moved++
		batch.Proofs = append(batch.Proofs, r.folder.Proof(in, r.folder.Target.UIDValidity, 0))
	}
	if moved > 0 {
		r.folder.Log.Info().Int("messages", moved).Msg("messages whose arrival was in doubt are in other folders: somebody has moved them")
	}
	return nil
}

// vanished is how many UIDs were given since intents were written that no message has any more,
// beside those of intents that are known to have been removed.
func vanished(intents []store.Intent, proofs []store.Entry, there presentUIDs) int {
	from := Lowest(intents, there.Validity)
	if there.Next <= from || from == 1 && intents[0].UIDNext != 1 {
		return 0
	}
	n := int(there.Next - from)
	for uid := range there.UIDs {
		if uid >= from && uid < there.Next {
			n--
		}
	}
	for _, e := range proofs {
		if e.UID == 0 {
			n--
		}
	}
	return max(n, 0)
}

// find tells of each message whether it is in another folder of the new server, from a UID on.
func (o *otherFolders) find(ctx context.Context, lost []store.Intent, first func(store.Folder, upstream.Status) imap.UID) (map[int]bool, error) {
	_, boxes, err := o.folder.New.Folders(ctx, true)
	if err != nil {
		return nil, err
	}
	rows, err := o.folder.Store.Folders(ctx, o.folder.Account)
	if err != nil {
		return nil, err
	}
	known := make(map[string]store.Folder, len(rows))
	for _, row := range rows {
		if row.State == store.FolderPresent {
			known[row.New] = row
		}
	}
	found, looked := map[int]bool{}, 0
	for _, box := range boxes {
		if !foldertree.Selectable(box) || foldertree.ViewAttr(box) != "" || foldertree.CanonicalName(box.Name) == foldertree.CanonicalName(o.folder.Row.New) || box.Status == nil || looked == soughtFolders {
			continue
		}
		row := known[box.Name]
		from := first(row, *box.Status)
		if box.Status.Messages == 0 || box.Status.UIDNext <= from {
			continue
		}
		looked++
		if err := o.findIn(ctx, box.Name, from, row, lost, found); err != nil && link.ClassOf(err) != link.Refused {
			return nil, err
		}
	}
	return found, nil
}

// sinceWritten is cameSince for what has come since the first of some intents was written: a folder that was looked at in between may have
// had it by then.
func sinceWritten(intents []store.Intent) func(store.Folder, upstream.Status) imap.UID {
	first := intents[0].Written
	for _, in := range intents {
		if in.Written.Before(first) {
			first = in.Written
		}
	}
	return func(row store.Folder, st upstream.Status) imap.UID {
		if row.Checkpoint.Checked.Before(first) {
			return cameSince(row, st)
		}
		return newestFrom(row, st)
	}
}

// cameSince is the UID from which on messages have come to a folder since it was last looked at, or are its
// newest ones where that isn't known.
func cameSince(row store.Folder, st upstream.Status) imap.UID {
	from := newestFrom(row, st)
	if cp := row.Checkpoint; cp.NewUIDValidity == st.UIDValidity {
		from = max(from, cp.NewUIDNext)
	}
	return from
}

// newestFrom is the UID from which on the newest messages of a folder are.
func newestFrom(_ store.Folder, st upstream.Status) imap.UID {
	if st.UIDNext > soughtNewest {
		return st.UIDNext - soughtNewest
	}
	return 1
}

// findIn marks the messages that are found in a folder from a UID on.
func (o *otherFolders) findIn(ctx context.Context, name string, from imap.UID, row store.Folder, lost []store.Intent, found map[int]bool) error {
	sel, err := o.folder.New.Examine(ctx, name)
	if err != nil || Fleeting(sel) {
		return err
	}
	there, err := o.listed(ctx, from)
	if err != nil || len(there) == 0 {
		return err
	}
	if row.ID != 0 { // read after the folder: an intent is durable before its message is there
		ledger, err := o.folder.Store.Ledger(ctx, o.folder.Account, row.ID)
		if err != nil {
			return err
		}
		there = strangersTo(ledger, sel.UIDValidity, there)
	}
	want := make([]message.Wanted, len(lost))
	for i, in := range lost {
		want[i] = message.Wanted{Fingerprint: in.Fingerprint, Size: int64(in.Size)}
		if found[i] {
			want[i].Size = -1
		}
	}
	for i, c := range message.NewCandidates(there).TakeExact(want) {
		found[i] = found[i] || c.UID != 0
	}
	return nil
}

// listed are the messages of the open folder from a UID on.
func (o *otherFolders) listed(ctx context.Context, from imap.UID) (there []message.Candidate, err error) {
	all, err := o.folder.New.Search(ctx, "UID "+(imap.UIDSet{imap.UIDRange{Start: from, Stop: 0}}).String())
	if err != nil {
		return nil, err
	}
	for _, set := range session.Chunks(all, session.ListWindow) {
		err := headersOf(ctx, o.folder.New, set, func(m upstream.Message, header []byte) error {
			if m.UID >= from {
				there = append(there, message.Candidate{Fingerprint: message.Fingerprint(header, m.Size), Size: m.Size, UID: m.UID})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return there, nil
}

// strangersTo leaves out what a folder's ledger stands for or may stand for: copies with their UIDs, and
// as many that are like a line or an intent of which nobody knows where its copy is.
func strangersTo(l store.Ledger, uidValidity uint32, there []message.Candidate) (strangers []message.Candidate) {
	own, unplaced := session.NewUIDs(l, uidValidity), map[lookOf]bool{}
	for i := range l.Entries {
		if e := &l.Entries[i]; e.UID == 0 || e.UIDValidity != uidValidity {
			unplaced[lookOf{e.Fingerprint, e.Size}] = true
		}
	}
	for _, in := range append(l.Intents, l.Lost...) {
		unplaced[lookOf{in.Fingerprint, in.Size}] = true
	}
	for _, c := range there {
		if _, known := own[c.UID]; !known && !unplaced[lookOf{c.Fingerprint, uint32(max(c.Size, 0))}] {
			strangers = append(strangers, c)
		}
	}
	return strangers
}
