package syncer

import (
	"context"

	"postferry/store"
	"postferry/syncer/leftout"
	"postferry/syncer/session"
	"postferry/upstream"
)

// What is deliberately not copied is counted all the same, and told wherever it is said how far
// an account is. Of a folder that is left alone, or that its user deleted on the new server, STATUS
// tells how much is in it. A view (RFC 6154 \All, \Flagged) shows the mail of other folders: of it
// counts only what is in no folder that is copied, which the headers tell.

// uncounted are the views that have changed since they were counted.
func (all folderList) uncounted(id store.AccountID, tree *treeState, views *leftout.ViewCounts) (list []*tracked) {
	for _, f := range all {
		st := tree.status[f.Old]
		if tree.views[f.Old] && (f.AllMail || f.State == store.FolderSkipped) && st.Messages > 0 && views.Due(leftout.View{Account: id, Folder: f.ID}, st) {
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
	look := leftout.Look{Account: a.id, Store: a.store, Pair: l, Rows: a.folders.known(), Log: a.log}
	seen := folderList(views).known()
	status := a.tree.status
	var found map[string]uint64
	var err error
	a.start(l, nil, func(ctx context.Context) {
		if found, err = look.Through(ctx, seen); err != nil {
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
		a.views.Counted(leftout.View{Account: a.id, Folder: f.ID}, status[f.Old])
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
