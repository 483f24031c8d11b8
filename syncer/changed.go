package syncer

import (
	"fmt"
	"strings"

	"postferry/store"
)

// change applies a folder command of a client, completed by the new server,
// to the account's rows.
func (a *account) change(verb, mailbox, newName string) error {
	var rows []store.Folder
	switch strings.ToUpper(verb) {
	case "DELETE":
		rows = a.deleted(mailbox)
	case "RENAME":
		rows = a.renamed(mailbox, newName)
	case "CREATE":
		// A folder made by the user is the user's: if it is one of ours that is
		// still planned, the next look at the trees finds it there.
	default:
		return fmt.Errorf("syncer: no folder command: %q", verb)
	}
	a.tree.changed = true
	if len(rows) == 0 {
		return nil
	}
	_, err := a.store.PutFolders(a.ctx, a.id, rows)
	return err
}

// deleted marks a folder as deleted by its user: it never comes back. Its
// children stay (RFC 9051 section 6.3.5).
func (a *account) deleted(name string) []store.Folder {
	var rows []store.Folder
	for _, f := range a.folders {
		if f.New == name && f.State == store.FolderPresent {
			f.State = store.FolderDeleted
			rows = append(rows, f.Folder)
			a.log.Info().Str("folder", f.Title).Msg("folder deleted by its user, not copied any more")
		}
	}
	return rows
}

// renamed follows a folder and its children to their new names (RFC 9051
// section 6.3.6). Renaming INBOX moves its messages and leaves INBOX behind.
func (a *account) renamed(from, to string) []store.Folder {
	if strings.EqualFold(from, "INBOX") {
		return nil
	}
	var rows []store.Folder
	for _, f := range a.folders {
		switch {
		case f.New == from:
			f.New = to
		case a.isBelow(f.New, from):
			f.New = to + f.New[len(from):]
		default:
			continue
		}
		rows = append(rows, f.Folder)
		a.log.Info().Str("folder", f.Title).Str("new_name", f.New).Msg("folder renamed by its user, goes on under its new name")
	}
	return rows
}

// isBelow tells whether name is a child of parent. Before the new server's
// delimiter is known, either usual one counts.
func (a *account) isBelow(name, parent string) bool {
	rest, ok := strings.CutPrefix(name, parent)
	if !ok || rest == "" {
		return false
	}
	if a.tree.delim != 0 {
		return rest[0] == a.tree.delim
	}
	return rest[0] == '/' || rest[0] == '.'
}
