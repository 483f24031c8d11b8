package syncer

import (
	"context"

	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/leftout"
	"postferry/syncer/session"
	"postferry/upstream"
)

// What is deliberately not copied is counted all the same, and told wherever it is said how far
// an account is. Of a folder that is left alone, or that its user deleted on the new server, STATUS
// tells how much is in it. A view (RFC 6154 \All, \Flagged) shows the mail of other folders: of it
// counts only what is in no folder that is copied, which the headers tell.

// countViews counts on a pair what lies in views only. A failure keeps nothing from being copied:
// the next pass counts again.
func (ps *passes) countViews(l *session.Pair, views []*folders.Folder) {
	pass := ps.pass
	pass.views = viewing{counted: true, counting: true}
	look := leftout.Look{Account: ps.id, Store: ps.store, Pair: l, Rows: ps.mail.Folders.Known(), Log: ps.log}
	seen := folders.List(views).Known()
	status := ps.mail.Trees.Status
	var found map[string]uint64
	var err error
	ps.jobs.Start(l, nil, func(ctx context.Context) {
		if found, err = look.Through(ctx, seen); err != nil {
			l.Drop()
		}
	}, func() {
		pass.views.counting = false
		if err != nil && ps.jobs.Working.Err() == nil {
			ps.log.Warn().Err(err).Msg("what lies in no folder that is copied could not be counted")
		}
		ps.viewsCounted(views, status, found)
	})
}

// viewsCounted takes over what was found.
func (ps *passes) viewsCounted(views []*folders.Folder, status map[string]upstream.Status, found map[string]uint64) {
	var changed []store.Folder
	for _, f := range views {
		n, ok := found[f.Old]
		if !ok {
			continue
		}
		ps.shared.views.Counted(leftout.View{Account: ps.id, Folder: f.ID}, status[f.Old])
		if n != f.LeftOut {
			row := f.Folder
			row.LeftOut = n
			changed = append(changed, row)
		}
	}
	rows, err := ps.mail.Rows.Put(changed)
	if err != nil {
		ps.log.Error().Err(err).Msg("what is left out could not be recorded")
		return
	}
	ps.mail.Folders.Take(rows)
}
