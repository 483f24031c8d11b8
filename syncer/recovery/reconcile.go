package recovery

import (
	"context"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/pause"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// After a connection broke or the daemon was killed, the new server may still
// be storing what had reached it. An intent younger than settleAfter is
// therefore judged only when the new folder has not changed for session.SettleQuiet.
const settleAfter = time.Minute

// Reconciliation finds out what an interrupted pull left behind.
type Reconciliation struct {
	folder *Folder
	copies *Copies
	others otherFolders
}

// Run finds out what became of the messages that were about to be
// appended when the last pull ended without a word: those that are on the new
// server are entered in the ledger, the others may be copied again.
func (r *Reconciliation) Run(ctx context.Context) error {
	intents := r.folder.Ledger.Intents
	r.folder.Log.Info().Int("intents", len(intents)).Msg("checking what an interrupted pull left behind")
	if err := r.settle(ctx, intents); err != nil {
		return err
	}
	found, err := r.copies.Newcomers(ctx, Lowest(intents, r.folder.Target.UIDValidity))
	if err != nil {
		return err
	}
	there := r.copies.present(found)
	batch, err := r.copies.Judge(ctx, intents, found)
	if err != nil {
		return err
	}
	r.dropLost(intents, &batch)
	if err := r.seekMoved(ctx, intents, &batch, there); err != nil {
		return err
	}
	remember(&batch, intents, time.Now())
	if err := r.CheckFound(ctx, batch.Proofs); err != nil {
		return err
	}
	if err := r.folder.Store.Commit(ctx, batch); err != nil {
		return err
	}
	r.folder.Log.Info().Int("arrived", len(batch.Proofs)).Int("lost", len(batch.Lost)).Msg("interrupted pull reconciled")
	r.folder.Progress.Copied(counted(intents, batch.Lost))
	if err := r.folder.ReadLedger(ctx); err != nil {
		return err
	}
	r.folder.Begin()
	r.folder.Progress.Tell()
	return nil
}

// dropLost drops messages that the server said it had taken if its UIDNEXT is what it was before that (RFC 9051 section 2.3.1.1): it was put
// back to an earlier state, and has lost them.
func (r *Reconciliation) dropLost(intents []store.Intent, batch *store.Batch) {
	lost := map[store.Key]bool{}
	for _, in := range intents {
		next := r.folder.Target.UIDNext
		lost[in.Key] = in.Taken && in.UIDNext != 0 && in.UIDValidity == r.folder.Target.UIDValidity && next != 0 && next <= in.UIDNext && !r.folder.Fleeting
	}
	batch.Proofs = slices.DeleteFunc(batch.Proofs, func(e store.Entry) bool {
		if e.UID != 0 || !lost[e.Key] {
			return false
		}
		batch.Drop = append(batch.Drop, e.Key)
		return true
	})
}

// counted is how many intents were fulfilled that have not been counted as such yet:
// those that the new server had not answered.
func counted(intents, lost []store.Intent) uint64 {
	n := -len(lost)
	for _, in := range intents {
		if !in.Taken {
			n++
		}
	}
	return uint64(max(n, 0)) // some that it had answered may be lost all the same
}

// settle waits until the new folder has stopped growing.
func (r *Reconciliation) settle(ctx context.Context, intents []store.Intent) error {
	newest := time.Time{}
	for _, i := range intents {
		if !i.Taken && i.Written.After(newest) {
			newest = i.Written
		}
	}
	if age := time.Since(newest); age > settleAfter {
		return nil
	}
	last, quiet := r.folder.Target, time.Now()
	for time.Since(quiet) < session.SettleQuiet {
		if err := pause.For(ctx, session.SettleQuiet/3); err != nil {
			return err
		}
		if err := r.folder.LookAtNew(ctx); err != nil {
			return err
		}
		if r.folder.Target.UIDNext != last.UIDNext || r.folder.Target.Messages != last.Messages {
			last, quiet = r.folder.Target, time.Now()
		}
	}
	return nil
}

// Lowest is where the new folder's messages may be the intents' copies.
func Lowest(intents []store.Intent, uidValidity uint32) imap.UID {
	low := imap.UID(0)
	for _, i := range intents {
		if i.UIDValidity != uidValidity {
			return 1
		}
		if low == 0 || i.UIDNext < low {
			low = i.UIDNext
		}
	}
	return max(low, 1)
}

// Newcomers lists the new folder's messages from a UID on that the ledger
// does not know.
func (cs *Copies) Newcomers(ctx context.Context, from imap.UID) ([]message.Candidate, error) {
	sel, err := cs.folder.New.Examine(ctx, cs.folder.Row.New)
	if err != nil {
		return nil, cs.folder.Gone(err, ErrNewGone)
	}
	return cs.stock(ctx, sel, from, true)
}

// Judge decides about each intent. A message that the new server has taken
// and that isn't there any more (removed since, or rewritten beyond recognition) is
// entered without a UID: the server's OK stands, and so does what its neighbours show. Of several that are alike those that
// were taken have arrived first.
func (cs *Copies) Judge(ctx context.Context, intents []store.Intent, found []message.Candidate) (store.Batch, error) {
	batch := store.Batch{Account: cs.folder.Account, Folder: cs.folder.Row.ID}
	var taken, others []store.Intent
	for _, in := range intents {
		if in.Taken {
			taken = append(taken, in)
		} else {
			others = append(others, in)
		}
	}
	intents = append(taken, others...)
	want, keys := make([]message.Wanted, len(intents)), make([]store.Key, len(intents))
	for i, in := range intents {
		want[i], keys[i] = message.Wanted{Fingerprint: in.Fingerprint, Size: int64(in.Size)}, in.Key
	}
	there := cs.present(found)
	copies, err := message.NewCandidates(found).TakeProved(ctx, want, cs.folder.byKeys(want, keys))
	if err != nil {
		return batch, err
	}
	removed := removedSince(intents, copies, there)
	for i, c := range copies {
		if c.UID == 0 && !intents[i].Taken && !removed[i] {
			batch.Drop = append(batch.Drop, intents[i].Key)
			continue
		}
		batch.Proofs = append(batch.Proofs, cs.folder.Proof(intents[i], cs.folder.Target.UIDValidity, c.UID))
	}
	return batch, nil
}

// present are the UIDs of the new folder that somebody has: newcomers and what the ledger knows.
func (cs *Copies) present(found []message.Candidate) presentUIDs {
	there := presentUIDs{cs.folder.Target.UIDValidity, cs.folder.Target.UIDNext, session.NewUIDs(cs.folder.Ledger, cs.folder.Target.UIDValidity)}
	for _, c := range found {
		there.UIDs[c.UID] = struct{}{}
		there.Next = max(there.Next, c.UID+1)
	}
	return there
}

// CheckFound looks whether copies that were found again have the flags that they were
// given. From those that have lost them, the flags are taken, so that they are carried over like
// any change: a server that broke off in the middle may have kept the messages alone
// (Dovecot's sdbox, when it makes the index of a folder anew).
func (r *Reconciliation) CheckFound(ctx context.Context, proofs []store.Entry) error {
	var set imap.UIDSet
	for _, e := range proofs {
		if e.UID != 0 && len(e.Flags) > 0 {
			set.AddNum(e.UID)
		}
	}
	if len(set) == 0 {
		return nil
	}
	call, err := r.folder.New.SendReadBack(ctx, r.folder.Row.New, r.folder.Target.UIDValidity, set, nil)
	if err != nil {
		return err
	}
	found, err := call.Wait(ctx)
	if err != nil && !link.Answered(err) {
		return err
	}
	if n := takeLost(proofs, found); n > 0 {
		r.folder.Log.Info().Int("messages", n).Msg("copies that were interrupted lack flags; they are stored again")
		r.folder.Mending = true
	}
	return nil
}

// lostByMany is how many copies must lack flags for that to be the server's doing: of one
// its user may have taken them meanwhile.
const lostByMany = 2

// takeLost takes from entries the flags that their copies must have lost: those that are
// on none of several copies, and all of copies that have none, if there are several. It
// returns of how many copies.
func takeLost(proofs []store.Entry, found []upstream.Message) (n int) {
	has := make(map[imap.UID][]imap.Flag, len(found))
	for _, m := range found {
		has[m.UID] = m.Flags
	}
	var given, kept []imap.Flag // one for each copy
	bare := map[int]bool{}
	for i, e := range proofs {
		flags, there := has[e.UID]
		if !there || len(e.Flags) == 0 {
			continue
		}
		gone := message.WithoutFlags(e.Flags, flags)
		given, kept = append(given, e.Flags...), append(kept, message.WithoutFlags(e.Flags, gone)...)
		if len(gone) == len(e.Flags) {
			bare[i] = true
		}
	}
	lost := slices.DeleteFunc(message.NormaliseFlags(given), func(f imap.Flag) bool {
		return message.ContainsFlag(kept, f) || countFlag(given, f) < lostByMany
	})
	for i := range proofs {
		e := &proofs[i]
		if _, there := has[e.UID]; !there {
			continue
		}
		left := message.WithoutFlags(e.Flags, lost)
		if bare[i] && len(bare) >= lostByMany {
			left = nil
		}
		if len(left) < len(e.Flags) {
			e.Flags = left
			n++
		}
	}
	return n
}

func countFlag(flags []imap.Flag, f imap.Flag) (n int) {
	for _, g := range flags {
		if message.SameFlag(f, g) {
			n++
		}
	}
	return n
}
