package folders

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/leftout"
	"postferry/upstream"
)

// Renaming notes what a client is about to do.
func (m *State) Renaming(c Change) error {
	c.Mailbox, c.NewName = m.Spelled(c.Mailbox), m.Spelled(c.NewName)
	m.Trees.Changes = append(m.Trees.Changes, c)
	var rows []store.Folder
	for _, f := range m.Folders {
		if f.State != store.FolderDeleted && c.rename(m.Trees.Delim).MayMake(&f.Folder) {
			rows = append(rows, f.Folder)
		}
	}
	_, err := m.Rows.Put(rows)
	return err
}

// RenamingUnclear tells whether it is not known what became of a renaming.
func (all List) RenamingUnclear() bool {
	return slices.ContainsFunc(all, func(f *Folder) bool { return f.Renaming != "" })
}

// Change applies such a command to the account's rows.
func (m *State) Change(c Change) error {
	c.Verb, c.Mailbox, c.NewName = strings.ToUpper(c.Verb), m.Spelled(c.Mailbox), m.Spelled(c.NewName)
	switch c.Verb {
	case "CREATE", "DELETE", VerbRename:
	default:
		return fmt.Errorf("syncer: no folder command: %q", c.Verb)
	}
	m.Trees.Changes = append(m.Trees.Changes, c)
	var rows []store.Folder
	for _, f := range m.Folders {
		if !m.follow(&f.Folder, c) {
			continue
		}
		m.Rows.log.Info().Str("folder", f.Title).Str("verb", c.Verb).Str("name", foldertree.DecodeName(f.New)).Msg("a client changed the folder")
		rows = append(rows, f.Folder)
	}
	_, err := m.Rows.Put(rows)
	return err
}

// follow applies a client's command to a row and tells whether it is concerned.
//
// A deleted folder never comes back; its children stay (RFC 9051 section
// 6.3.5). One that none of its mail had come to is missing instead. Renaming takes the
// children along (section 6.3.6), except for INBOX, whose messages move and which stays
// itself. A folder made by the client is the client's: if it is one that was planned, the
// next look finds it there.
func (m *State) follow(row *store.Folder, c Change) bool {
	switch {
	case c.Verb == "DELETE" && row.New == c.Mailbox && (row.State == store.FolderPresent || row.State == store.FolderMissing || foldertree.IsHalted(row)):
		m.deleted(row)
	case c.Verb == VerbRename:
		to := c.rename(m.Trees.Delim).Of(row.New)
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
func (m *State) deleted(row *store.Folder) {
	row.Renaming = ""
	m.Rows.recount(row)
	st, there := m.Trees.Status[row.Old]
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
		now := time.Now().UTC()
		row.State, row.Missing = store.FolderMissing, store.Missing{Since: now, Looks: 1, Last: now}
		if row.LeftOut = uint64(st.Messages); row.AllMail {
			row.LeftOut = 0 // see countViews
		}
	}
}
