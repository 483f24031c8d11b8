package syncer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/leftout"
	"postferry/upstream"
)

// folderChange is a folder command of a client that the new server completed.
type folderChange struct {
	verb, mailbox, newName string
}

// verbRename is the one command of a client that could make a folder look as if it were
// gone.
const verbRename = "RENAME"

// rename is the change of names that it is.
func (c folderChange) rename(delim byte) foldertree.Rename {
	return foldertree.Rename{From: c.mailbox, To: c.newName, Delim: delim}
}

// renaming notes what a client is about to do.
func (m *mailboxState) renaming(c folderChange) error {
	m.tree.changes = append(m.tree.changes, c)
	var rows []store.Folder
	for _, f := range m.folders {
		if f.State != store.FolderDeleted && c.rename(m.tree.delim).MayMake(&f.Folder) {
			rows = append(rows, f.Folder)
		}
	}
	_, err := m.rows.put(rows)
	return err
}

// renamingUnclear tells whether it is not known what became of a renaming.
func (all folderList) renamingUnclear() bool {
	return slices.ContainsFunc(all, func(f *tracked) bool { return f.Renaming != "" })
}

// change applies such a command to the account's rows.
func (m *mailboxState) change(c folderChange) error {
	c.verb = strings.ToUpper(c.verb)
	switch c.verb {
	case "CREATE", "DELETE", verbRename:
	default:
		return fmt.Errorf("syncer: no folder command: %q", c.verb)
	}
	m.tree.changes = append(m.tree.changes, c)
	var rows []store.Folder
	for _, f := range m.folders {
		if !m.follow(&f.Folder, c) {
			continue
		}
		m.rows.log.Info().Str("folder", f.Title).Str("verb", c.verb).Str("name", foldertree.DecodeName(f.New)).Msg("a client changed the folder")
		rows = append(rows, f.Folder)
	}
	_, err := m.rows.put(rows)
	return err
}

// follow applies a client's command to a row and tells whether it is concerned.
//
// A deleted folder never comes back; its children stay (RFC 9051 section
// 6.3.5). One that none of its mail had come to is missing instead. Renaming takes the
// children along (section 6.3.6), except for INBOX, whose messages move and which stays
// itself. A folder made by the client is the client's: if it is one that was planned, the
// next look finds it there.
func (m *mailboxState) follow(row *store.Folder, c folderChange) bool {
	switch {
	case c.verb == "DELETE" && row.New == c.mailbox && (row.State == store.FolderPresent || row.State == store.FolderMissing || foldertree.IsHalted(row)):
		m.deleted(row)
	case c.verb == verbRename:
		to := c.rename(m.tree.delim).Of(row.New)
		if to == "" || to == row.New && row.Renaming == "" {
			return false
		}
		row.New, row.Renaming = to, ""
		if row.State == store.FolderMissing { // a look may have seen the effect before we heard of it
			row.State, row.Missing, row.LeftOut = store.FolderPresent, store.Missing{}, 0
		}
	default:
		return false
	}
	return true
}

// deleted: a client deleted the folder, and with it what has been copied into it by then. What
// had not come is left out and told. A folder that has never had any of its mail says nothing
// about it: nobody has seen what was deleted, so it counts as missing.
func (m *mailboxState) deleted(row *store.Folder) {
	row.Renaming = ""
	m.rows.recount(row)
	st, there := m.tree.status[row.Old]
	filled := !row.Checkpoint.Checked.IsZero() && row.Again == 0
	empty := there && st.Messages == 0 && st != (upstream.Status{})
	if foldertree.IsHalted(row) || filled || empty || row.Copied > 0 {
		row.State, row.Missing, row.LeftOut = store.FolderDeleted, store.Missing{}, 0
		if !foldertree.IsHalted(row) {
			row.LeftOut = leftout.Of(row, st)
		}
		return
	}
	if row.State != store.FolderMissing {
		now := m.now().UTC()
		row.State, row.Missing = store.FolderMissing, store.Missing{Since: now, Looks: 1, Last: now}
		if row.LeftOut = uint64(st.Messages); row.AllMail {
			row.LeftOut = 0 // see countViews
		}
	}
}

// recount takes over the counts of a row that the store keeps: those of the account are as old
// as the last time that it wrote the row.
func (k *records) recount(row *store.Folder) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), storeWait)
	defer cancel()
	rows, err := k.store.Folders(ctx, k.id)
	if err != nil {
		return // what is known is a lower bound
	}
	for i := range rows {
		if rows[i].ID == row.ID {
			row.Copied, row.Quarantined, row.Again = rows[i].Copied, rows[i].Quarantined, rows[i].Again
		}
	}
}
