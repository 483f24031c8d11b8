package syncer

import (
	"context"
	"sync"

	"postferry/store"
	"postferry/syncer/leftout"
	"postferry/syncer/session"
	"postferry/upstream"
)

// What is deliberately not copied is counted all the same, and told wherever it is said how far
// an account is. Of a folder that is left alone, or that its user deleted on the new server, STATUS
// tells how much is in it. A view (RFC 6154 \All, \Flagged) shows the mail of other folders: of it
// counts only what is in no folder that is copied, which the headers tell.

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
		if a.tree.views[f.Old] && (f.AllMail || f.State == store.FolderSkipped) && st.Messages > 0 && a.views.due(viewKey{a.id, f.ID}, st) {
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

// countViews counts on a pair what lies in views only. A failure keeps nothing from being copied:
// the next pass counts again.
func (a *account) countViews(l *session.Pair, views []*tracked) {
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
		if found, err = a.rows.lookThrough(ctx, l, rows, views); err != nil {
			l.Drop()
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
		a.views.counted(viewKey{a.id, f.ID}, status[f.Old])
		if n != f.LeftOut {
			row := f.Folder
			row.LeftOut = n
			changed = append(changed, row)
		}
	}
	rows, err := a.rows.put(changed)
	if err != nil {
		a.log.Error().Err(err).Msg("what is left out could not be recorded")
		return
	}
	a.folders.take(rows)
}

// lookThrough counts what lies in views only, by raw name. One that the old server does not open has no number.
func (k *records) lookThrough(ctx context.Context, l *session.Pair, rows []store.Folder, views []*tracked) (map[string]uint64, error) {
	known, err := leftout.LedgerIdentities(ctx, k.store, k.id, rows)
	if err != nil {
		return nil, err
	}
	if err := l.Reserve(ctx); err != nil {
		return nil, err
	}
	old, err := l.Source(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]uint64{}
	for _, f := range views {
		lone, err := leftout.OnlyThere(ctx, old, f.Old, known)
		if upstream.ClassOf(err) == upstream.Refused || leftout.IsCountsError(err) {
			k.log.Warn().Err(err).Str("folder", f.Title).Msg("what lies in this view only could not be counted")
			continue
		}
		if err != nil {
			return found, err
		}
		found[f.Old] = uint64(len(lone))
	}
	return found, nil
}
