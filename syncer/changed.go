package syncer

import (
	"fmt"
	"strings"
	"time"

	"postferry/store"
)

// overtaken is within what time a look at the new server's folders may have
// seen the effect of a client's RENAME before we heard that it was completed.
const overtaken = time.Minute

// folderChange is a folder command of a client that the new server completed.
type folderChange struct {
	verb, mailbox, newName string
}

// change applies such a command to the account's rows.
func (a *account) change(c folderChange) error {
	c.verb = strings.ToUpper(c.verb)
	switch c.verb {
	case "CREATE", "DELETE", "RENAME":
	default:
		return fmt.Errorf("syncer: no folder command: %q", c.verb)
	}
	a.tree.changes = append(a.tree.changes, c)
	var rows []store.Folder
	for _, f := range a.folders {
		seen := f.State == store.FolderDeleted && time.Since(f.missed) < overtaken
		if !a.follow(&f.Folder, c) {
			continue
		}
		if seen && c.verb == "RENAME" {
			f.State = store.FolderPresent
		}
		a.log.Info().Str("folder", f.Title).Str("verb", c.verb).Str("name", decodeName(f.New)).Msg("a client changed the folder")
		rows = append(rows, f.Folder)
	}
	_, err := a.putFolders(rows)
	return err
}

// follow applies a client's command to a row and tells whether it is concerned.
//
// A deleted folder never comes back; its children stay (RFC 9051 section
// 6.3.5). Renaming takes the children along (section 6.3.6), except for INBOX,
// whose messages move and which stays itself. A folder made by the client is the
// client's: if it is one that was planned, the next look finds it there.
func (a *account) follow(row *store.Folder, c folderChange) bool {
	switch {
	case c.verb == "DELETE" && row.New == c.mailbox && (row.State == store.FolderPresent || isHalted(row)):
		row.State = store.FolderDeleted
	case c.verb != "RENAME" || strings.EqualFold(c.mailbox, "INBOX"):
		return false
	case row.New == c.mailbox || a.isBelow(row.New, c.mailbox):
		row.New = c.newName + row.New[len(c.mailbox):]
	default:
		return false
	}
	return true
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
