package leftout

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// Ledgers is where ledgers are read.
type Ledgers interface {
	Ledger(ctx context.Context, id store.AccountID, folder store.FolderID) (store.Ledger, error)
}

// CountUnknown is how many messages of a folder of the old server its ledger does not have.
func CountUnknown(ctx context.Context, old session.Source, st Ledgers, id store.AccountID, row store.Folder) (n uint64, err error) {
	sel, err := old.Open(ctx, row.Old, session.OpenWith{})
	if err != nil || sel.Messages == 0 {
		return 0, err
	}
	ledger, err := st.Ledger(ctx, id, row.ID)
	if err != nil {
		return 0, err
	}
	known := session.NewKnown(ledger, sel.Keys)
	since := uint64(0) // have come since the folder was pulled
	seen := map[imap.UID]bool{}
	err = old.ListFlags(ctx, imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}, func(m upstream.Message) error {
		switch _, again := known.Again[m.UID]; {
		case seen[m.UID] || !again && known.Has(m.UID):
		case sel.UIDValidity == row.Checkpoint.UIDValidity && m.UID >= row.Checkpoint.UIDNext && row.Checkpoint.UIDNext > 0:
			since++
		default:
			n++
		}
		seen[m.UID] = true
		return nil
	})
	return since + n - min(n, uint64(len(known.Stale))), err // numbered anew there, they can't be told apart
}

// Identities are those of messages by header and size.
type Identities map[message.Wanted]struct{}

// add takes in what a ledger knows.
func (s Identities) add(l store.Ledger) {
	for i := range l.Entries {
		s[message.Wanted{Fingerprint: l.Entries[i].Fingerprint, Size: int64(l.Entries[i].Size)}] = struct{}{}
	}
	for _, in := range l.Intents { // they are there, or come
		s[message.Wanted{Fingerprint: in.Fingerprint, Size: int64(in.Size)}] = struct{}{}
	}
	for _, r := range l.Repaired { // what was copied differs from what is on the old server
		s[message.Wanted{Fingerprint: r.Fingerprint, Size: int64(r.Size)}] = struct{}{}
	}
}

// has tells whether a message is among them. Those that verification reads have no size in the
// fingerprint.
func (s Identities) has(m upstream.Message, header []byte) bool {
	_, ok := s[message.Wanted{Fingerprint: message.Fingerprint(header, m.Size), Size: m.Size}]
	if !ok {
		_, ok = s[message.Wanted{Fingerprint: message.Fingerprint(header, 0), Size: m.Size}]
	}
	return ok
}

// headerSession is the part of a session with an old server that views are looked through with.
type headerSession interface {
	Open(ctx context.Context, name string, ahead session.OpenWith) (*session.SourceFolder, error)
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
}

// OnlyThere finds the messages of a folder that are not among known. What arrives meanwhile is
// none of them.
func OnlyThere(ctx context.Context, s headerSession, folder string, known Identities) ([]upstream.Message, error) {
	f, err := s.Open(ctx, folder, session.OpenWith{})
	if err != nil || f.Messages == 0 {
		return nil, err
	}
	all := imap.UIDRange{Start: 1}
	if f.UIDNext > 1 {
		all.Stop = f.UIDNext - 1
	}
	answered, lone := 0, map[imap.UID]upstream.Message{}
	err = s.Headers(ctx, imap.UIDSet{all}, func(m upstream.Message, header []byte) error {
		answered++
		if !known.has(m, header) {
			lone[m.UID] = upstream.Message{UID: m.UID, Size: m.Size}
		}
		return nil
	})
	if err == nil && answered < int(f.Messages) {
		err = &session.CountsError{Listed: answered, Messages: int(f.Messages), Side: store.OldSide}
	}
	if err != nil {
		return nil, err
	}
	messages := make([]upstream.Message, 0, len(lone))
	for _, uid := range slices.Sorted(maps.Keys(lone)) {
		messages = append(messages, lone[uid])
	}
	return messages, nil
}

// Views are the folders that are left alone and show mail of others, by raw old name. Namespaces
// of others are not looked into.
func Views(old foldertree.Tree, rows []store.Folder) map[string]bool {
	known := make(map[string]*store.Folder, len(rows))
	for i := range rows {
		known[rows[i].Old] = &rows[i]
	}
	views := map[string]bool{}
	for _, m := range old.Mailboxes {
		name := foldertree.CanonicalName(m.Name)
		if row := known[name]; row != nil && foldertree.IsView(row, m) {
			views[name] = true
		}
	}
	return views
}

// Of is how many messages of a folder that is no view are deliberately not copied. What was
// copied before its user deleted it, or before the configuration left it alone, is not among them.
func Of(f *store.Folder, st upstream.Status) uint64 {
	if f.AllMail || f.State != store.FolderSkipped && f.State != store.FolderDeleted {
		return 0 // of all mail that takes reading
	}
	all, cp := uint64(st.Messages), f.Checkpoint
	if !cp.Checked.IsZero() && cp.UIDValidity == st.UIDValidity && st.UIDNext >= cp.UIDNext {
		again := uint64(0)
		if f.State == store.FolderDeleted {
			again = f.Again // they will not be tried any more
		}
		return min(all, uint64(st.UIDNext-cp.UIDNext)+again)
	}
	return all - min(all, f.Copied)
}

func IsCountsError(err error) bool {
	_, ok := errors.AsType[*session.CountsError](err)
	return ok
}

// LedgerIdentities are those of all messages that the ledgers of an account's folders know.
func LedgerIdentities(ctx context.Context, st Ledgers, id store.AccountID, rows []store.Folder) (Identities, error) {
	known := Identities{}
	for i := range rows {
		if rows[i].ID == 0 {
			continue
		}
		l, err := st.Ledger(ctx, id, rows[i].ID)
		if err != nil {
			return nil, err
		}
		known.add(l)
	}
	return known, nil
}

// WithLeftOut adds to the rows of a look those of which another number of messages is left out now.
// rows are the known ones with what changed. What is missing was counted with the look.
func WithLeftOut(rows, changed []store.Folder, status map[string]upstream.Status, views map[string]bool) []store.Folder {
	at := make(map[string]int, len(changed))
	for i := range changed {
		at[changed[i].Old] = i
	}
	for i := range rows {
		f := rows[i]
		st, listed := status[f.Old]
		switch {
		case listed && st == (upstream.Status{}):
			continue // nothing was told of it, so that it is as it was
		case !f.AllMail && (f.State == store.FolderMissing || f.Missing.Looks > 0):
			continue // see judge
		case views[f.Old] && st.Messages > 0:
			continue // that takes reading; see countViews
		}
		n := Of(&f, st)
		if n == f.LeftOut {
			continue
		}
		f.LeftOut = n
		if j, ok := at[f.Old]; ok {
			changed[j].LeftOut = n
		} else {
			changed = append(changed, f)
		}
	}
	return changed
}
