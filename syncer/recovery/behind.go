package recovery

import (
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/session"
)

// A new server that consists of several nodes may show an earlier state of a folder than it has: the node that was asked lags behind. It
// looks as one that was put back to a backup, but for one thing: the UIDs that seem to be free were given, and are not given again. So of what such a
// folder seems to have lost one message is copied first. If it gets a UID behind all of them, nothing was lost; the
// message is there twice, and the second one goes once both are seen.

// forgotten is what has been taken out of the ledger as the new server seemed to have lost it.
type forgotten struct {
	back   store.Batch // puts it into the ledger again
	next   imap.UID    // behind the UIDs of all that seems to be lost
	behind bool        // nothing was lost
}

// forget notes what an inventory takes out of the ledger.
func (n *Numbers) forget(v *inventory, batch *store.Batch) {
	if f := n.folder; len(batch.Forget) > 0 && f.New.UIDPlus() {
		before := f.Row.Checkpoint
		f.forgotten = nil
		was := &forgotten{back: store.Batch{Account: f.Account, Folder: f.Row.ID, Checkpoint: &before}}
		gone := make(map[store.Key]bool, len(batch.Forget))
		for _, key := range batch.Forget {
			gone[key] = true
		}
		for _, l := range v.lost {
			if !gone[l.Key] {
				continue
			}
			e := l.Entry
			e.UID = l.was
			was.back.Proofs = append(was.back.Proofs, e)
			if r, ok := f.RepairOf(e.Key); ok {
				was.back.Repaired = append(was.back.Repaired, r)
			}
			if was.next = max(was.next, l.was+1); l.was < v.sel.UIDNext {
				return // it is put back: what would have to be there isn't
			}
		}
		f.forgotten = was
	}
}

// Probing tells whether the next copy shows whether the new server has lost what it seems to have lost.
func (f *Folder) Probing() bool { return f.forgotten != nil && !f.forgotten.behind }

// Behind tells whether the new server has shown an earlier state of the folder than it is in.
func (f *Folder) Behind() bool { return f.forgotten != nil && f.forgotten.behind }

// probed learns from the UID that a copy has got.
func (f *Folder) probed(uid imap.UID) {
	if !f.Probing() {
		return
	}
	if f.forgotten.behind = uid >= f.forgotten.next; !f.forgotten.behind {
		f.forgotten = nil
	}
}

// CaughtOut is what has to be written when the new server has turned out to be behind: what was forgotten, and the message that has been copied once more,
// with its UID.
func (f *Folder) CaughtOut(second store.Intent, uid imap.UID) (store.Batch, error) {
	back := f.forgotten
	f.forgotten = nil
	f.Pair.New.End.Pool.Lag.Notice()
	f.Row.Checkpoint = *back.back.Checkpoint
	second.UIDNext, second.Written = uid, time.Now()
	back.back.Lost = []store.Intent{second}
	f.Log.Warn().Uint32("uid", uint32(uid)).Uint32("uidnext", uint32(f.Target.UIDNext)).Int("messages", len(back.back.Proofs)).
		Msg("the new server shows an earlier state of the folder than it is in, as one of its nodes lags behind: its copies count as there")
	return back.back, f.behindBy(len(back.back.Proofs))
}

// behindBy is the error that a folder is shown in an earlier state, which lacks so many messages.
func (f *Folder) behindBy(messages int) error {
	return &session.CountsError{Listed: int(f.Target.Messages), Messages: int(f.Target.Messages) + messages, Side: store.NewSide}
}

// lags is the error with which a folder waits that seems to be put back to an earlier state where a node of its server was seen to lag
// behind just before; nil for others.
func (n *Numbers) lags(seen string) error {
	if seen == "" || !n.folder.Pair.New.End.Pool.Lag.Recent() {
		return nil
	}
	lacks := 0
	for i := range n.folder.Ledger.Entries {
		if e := &n.folder.Ledger.Entries[i]; e.UIDValidity == n.folder.Target.UIDValidity && e.UID >= n.folder.Target.UIDNext {
			lacks++
		}
	}
	if lacks == 0 {
		return nil
	}
	return n.folder.behindBy(lacks)
}
