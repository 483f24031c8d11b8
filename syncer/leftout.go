package syncer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// What is deliberately not copied is counted all the same, and told wherever it is said how far
// an account is. Of a folder that is left alone, or that its user deleted on the new server, STATUS
// tells how much is in it. A view (RFC 6154 \All, \Flagged) shows the mail of other folders: of it
// counts only what is in no folder that is copied, which the headers tell.

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
	skipped := make(map[string]bool, len(rows))
	for i := range rows {
		kind, _ := WhyLeft(rows[i].Note)
		skipped[rows[i].Old] = rows[i].State == store.FolderSkipped && kind != LeftShared
	}
	views := map[string]bool{}
	for _, m := range old.Mailboxes {
		if name := canonicalName(m.Name); skipped[name] && viewAttr(m) != "" {
			views[name] = true
		}
	}
	return views
}

// leftOut is how many messages of a folder that is no view are deliberately not copied. What was
// copied before its user deleted it, or before the configuration left it alone, is not among them.
func leftOut(f *store.Folder, st upstream.Status) uint64 {
	if f.State != store.FolderSkipped && f.State != store.FolderDeleted {
		return 0
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
		case f.State == store.FolderMissing, f.Missing.Looks > 0:
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

// viewCounts are what views looked like when they were counted. Accounts come and go while the engine
// runs; the views of all have their place here.
type viewCounts struct {
	mu sync.Mutex
	at map[viewKey]upstream.Status
}

type viewKey struct {
	account store.AccountID
	folder  store.FolderID
}

func (a *account) viewKey(f *tracked) viewKey { return viewKey{a.id, f.ID} }

// due tells whether a view has to be counted. Without UIDNEXT nothing says that it has not changed.
func (v *viewCounts) due(k viewKey, st upstream.Status) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.at[k] != st || st.UIDNext == 0
}

func (v *viewCounts) counted(k viewKey, st upstream.Status) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.at == nil {
		v.at = map[viewKey]upstream.Status{}
	}
	v.at[k] = st
}

// uncounted are the views that have changed since they were counted.
func (a *account) uncounted() (list []*tracked) {
	for _, f := range a.folders {
		st := a.tree.status[f.Old]
		if a.tree.views[f.Old] && f.State == store.FolderSkipped && st.Messages > 0 && a.views.due(a.viewKey(f), st) {
			list = append(list, f)
		}
	}
	return list
}

// mayCount tells whether the pass has come to the views: what the other folders have is known
// when they are through.
func (p *passRun) mayCount() bool {
	return !p.counted && !p.yielded && !p.stopped && !p.options.inboxOnly
}

// countViews counts on a lane what lies in views only. A failure keeps nothing from being copied:
// the next pass counts again.
func (a *account) countViews(l *lane, views []*tracked) {
	pass := a.pass
	pass.counted, pass.counting = true, true
	rows := make([]store.Folder, len(a.folders))
	for i, f := range a.folders {
		rows[i] = f.Folder
	}
	status := a.tree.status
	var found map[string]uint64
	var err error
	a.start(l, nil, func(ctx context.Context) {
		if found, err = a.lookThrough(ctx, l, rows, views); err != nil {
			l.drop()
		}
	}, func() {
		pass.counting = false
		if err != nil && a.work.Err() == nil {
			a.log.Warn().Err(err).Msg("what lies in no folder that is copied could not be counted")
		}
		a.viewsCounted(views, status, found)
	})
}

// viewsCounted takes over what was found.
func (a *account) viewsCounted(views []*tracked, status map[string]upstream.Status, found map[string]uint64) {
	var changed []store.Folder
	for _, f := range views {
		n, ok := found[f.Old]
		if !ok {
			continue
		}
		a.views.counted(a.viewKey(f), status[f.Old])
		if n != f.LeftOut {
			row := f.Folder
			row.LeftOut = n
			changed = append(changed, row)
		}
	}
	rows, err := a.putFolders(changed)
	if err != nil {
		a.log.Error().Err(err).Msg("what is left out could not be recorded")
		return
	}
	a.setFolders(rows)
}

// lookThrough counts what lies in views only, by raw name. One that the old server does not open has no number.
func (a *account) lookThrough(ctx context.Context, l *lane, rows []store.Folder, views []*tracked) (map[string]uint64, error) {
	known, err := ledgerIdentities(ctx, a.store, a.id, rows)
	if err != nil {
		return nil, err
	}
	if err := l.reserve(ctx); err != nil {
		return nil, err
	}
	old, err := l.oldSession(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]uint64{}
	for _, f := range views {
		lone, err := onlyThere(ctx, old, f.Old, known)
		if upstream.ClassOf(err) == upstream.Refused || isCounts(err) {
			a.log.Warn().Err(err).Str("folder", f.Title).Msg("what lies in this view only could not be counted")
			continue
		}
		if err != nil {
			return found, err
		}
		found[f.Old] = uint64(len(lone))
	}
	return found, nil
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
