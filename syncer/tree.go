package syncer

import (
	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// Side is what one server says about an account's folders.
type Side struct {
	Namespace upstream.Namespace
	Mailboxes []upstream.Mailbox
}

// FolderCreate is a folder to make on the new server.
type FolderCreate struct {
	Name string           // raw
	Use  imap.MailboxAttr // special use to give it; "" for none
}

// TreePlan is what is to be done about an account's folders. It can be
// printed and applied: Create, then Folders into the store, then Subscribe.
type TreePlan struct {
	Create    []FolderCreate // parents before children
	Subscribe []string       // raw names on the new server
	Folders   []store.Folder // rows that are new (ID 0) or changed
	Notes     []string       // for the report: what was renamed or left out, and why
}

// planTree compares the two servers' folders with the rows of the store.
func planTree(old, new Side, known []store.Folder) TreePlan {
	return TreePlan{}
}
