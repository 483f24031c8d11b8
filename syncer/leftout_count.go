package syncer

import (
	"context"
	"errors"
	"maps"
	"postferry/store"
	"postferry/upstream"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// countUnknown is how many messages of a folder of the old server its ledger does not have.
func countUnknown(ctx context.Context, old oldSession, st store.Store, id store.AccountID, row store.Folder) (n uint64, err error) {
	sel, err := old.Open(ctx, row.Old, ahead{})
	if err != nil || sel.Messages == 0 {
		return 0, err
	}
	ledger, err := st.Ledger(ctx, id, row.ID)
	if err != nil {
		return 0, err
	}
	known := newKnown(ledger, sel.keys)
	seen := map[imap.UID]bool{}
	err = old.ListFlags(ctx, imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}, func(m upstream.Message) error {
		if _, again := known.again[m.UID]; !seen[m.UID] && (again || !known.has(m.UID)) {
			n++
		}
		seen[m.UID] = true
		return nil
	})
	return n - min(n, uint64(len(known.stale))), err // numbered anew there, they can't be told apart
}

// identities are those of messages by header and size.
type identities map[wanted]struct{}

// add takes in what a ledger knows.
func (s identities) add(l store.Ledger) {
	for i := range l.Entries {
		s[wanted{l.Entries[i].Fingerprint, int64(l.Entries[i].Size)}] = struct{}{}
	}
	for _, r := range l.Repaired { // what was copied differs from what is on the old server
		s[wanted{r.Fingerprint, int64(r.Size)}] = struct{}{}
	}
}

// has tells whether a message is among them. Those that verification reads have no size in the
// fingerprint.
func (s identities) has(m upstream.Message, header []byte) bool {
	_, ok := s[wanted{fingerprintOf(header, m.Size), m.Size}]
	if !ok {
		_, ok = s[wanted{fingerprintOf(header, 0), m.Size}]
	}
	return ok
}

// headerSession is the part of a session with an old server that views are looked through with.
type headerSession interface {
	Open(ctx context.Context, name string, ahead ahead) (*oldFolder, error)
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
}

// onlyThere finds the messages of a folder that are not among known. What arrives meanwhile is
// none of them.
func onlyThere(ctx context.Context, s headerSession, folder string, known identities) ([]upstream.Message, error) {
	f, err := s.Open(ctx, folder, ahead{})
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
		err = &countsError{listed: answered, messages: int(f.Messages), side: store.OldSide}
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

// viewsOf are the folders that are left alone and show mail of others, by raw old name. Namespaces
// of others are not looked into.
func viewsOf(old Side, rows []store.Folder) map[string]bool {
	known := make(map[string]*store.Folder, len(rows))
	for i := range rows {
		known[rows[i].Old] = &rows[i]
	}
	views := map[string]bool{}
	for _, m := range old.Mailboxes {
		name := canonicalName(m.Name)
		if row := known[name]; row != nil && isView(row, m) {
			views[name] = true
		}
	}
	return views
}

// leftOut is how many messages of a folder that is no view are deliberately not copied. What was
// copied before its user deleted it, or before the configuration left it alone, is not among them.
func leftOut(f *store.Folder, st upstream.Status) uint64 {
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

func isCounts(err error) bool {
	_, ok := errors.AsType[*countsError](err)
	return ok
}

// ledgerIdentities are those of all messages that the ledgers of an account's folders know.
func ledgerIdentities(ctx context.Context, st store.Store, id store.AccountID, rows []store.Folder) (identities, error) {
	known := identities{}
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

// withLeftOut adds to the rows of a look those of which another number of messages is left out now.
// rows are the known ones with what changed. What is missing was counted with the look.
func withLeftOut(rows, changed []store.Folder, status map[string]upstream.Status, views map[string]bool) []store.Folder {
	at := make(map[string]int, len(changed))
	for i := range changed {
		at[changed[i].Old] = i
	}
	for i := range rows {
		f := rows[i]
		st := status[f.Old]
		switch {
		case !f.AllMail && (f.State == store.FolderMissing || f.Missing.Looks > 0):
			continue // see judge
		case views[f.Old] && st.Messages > 0:
			continue // that takes reading; see countViews
		}
		n := leftOut(&f, st)
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
