package foldertree

import (
	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/upstream"
)

// A folder with the special use \All shows all mail of the account (RFC 6154 section 2). What lies in
// no other folder, which is what people and Gmail call archived, has no other place, and is copied
// to the new server's \Archive, each message once. That may be an old folder's as well: two rows
// may have the same new folder then, each with a ledger of its own.

// archiveTitle is what the archive is called where a server has none.
const archiveTitle = "Archive"

// archives tells whether a folder of the old server is one whose mail goes to the archive, as far
// as it lies in no other. One that is stays so, whatever the list tells of it later: all that it shows
// would be copied otherwise.
func (p policy) archives(f *folder, personal bool) bool {
	if f.was != nil && f.was.New != "" {
		return f.was.AllMail
	}
	return personal && ViewAttr(f.box) == imap.MailboxAttrAll && !p.CopyViews && !p.wants(f.place)
}

// giveArchive gives a folder with all mail the new folder that the archived mail goes to: the one
// that the new server has for that use, or that of the old server's folder with it, or a
// new one.
func (p *Planner) giveArchive(f *folder) {
	name := p.newUses[imap.MailboxAttrArchive]
	if name == "" {
		name = p.archive
	}
	if name == "" {
		name = p.topName(archiveTitle)
		if p.taken[p.Key(name)] != "" {
			name = p.unique(name, f.name())
		}
	}
	if m, ok := p.There[p.Key(name)]; ok {
		name = m.Name
	}
	f.row.New = name
	p.note(reason.NoteAllMail, f.Title(), p.title(name))
}

// oldArchive is where the old server's archive is on the new one; "" if there is none.
func (p *Planner) oldArchive() string {
	for _, f := range p.folders {
		if f.use == imap.MailboxAttrArchive && f.row.New != "" && f.row.State != store.FolderDeleted {
			return f.row.New
		}
	}
	return ""
}

// Sharer is the row of another folder that has the new folder of one with all mail as its own; nil if
// there is none.
func Sharer(rows []store.Folder, row *store.Folder) *store.Folder {
	if !row.AllMail {
		return nil
	}
	for i := range rows {
		if other := &rows[i]; !other.AllMail && other.New == row.New && other.New != "" {
			return other
		}
	}
	return nil
}

// IsView tells whether what lies in a folder and in no other is counted: it is left alone or
// does not come at the moment, and shows mail of others.
func IsView(row *store.Folder, attrs upstream.Mailbox) bool {
	switch row.State {
	case store.FolderSkipped:
		return row.Note.Code() != reason.LeftShared && (row.AllMail || ViewAttr(attrs) != "")
	case store.FolderDeleted, store.FolderMissing:
		return row.AllMail
	}
	return false
}
