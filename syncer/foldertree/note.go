package foldertree

import (
	"fmt"
	"maps"
)

// NoteKind says what people should know of a plan. The names don't change: the
// page has a text for each in every language.
type NoteKind string

// The kinds.
const (
	NoteCalled       NoteKind = "called"        // it gets another name
	NoteCalledMapped NoteKind = "called_mapped" // the configuration has another name for it
	NoteNotMapped    NoteKind = "not_mapped"    // it can't get that one
	NoteSpecialUse   NoteKind = "special_use"   // it goes to the new server's folder of the same use
	NoteRenamed      NoteKind = "renamed"       // people renamed it on the new server
	NoteLeft         NoteKind = "left"          // it is not copied
	NoteLeftView     NoteKind = "left_view"     // it is a view and not copied
	NoteAllMail      NoteKind = "all_mail"      // of it that is copied which lies in no other
	NoteLeftLater    NoteKind = "left_later"    // it was copied, but is not any more
	NoteShared       NoteKind = "shared"        // a namespace is left alone
	NoteOmitted      NoteKind = "omitted"       // it and others are more than are made for an account
	NoteGone         NoteKind = "gone"          // it is not on the new server any more
	NoteFound        NoteKind = "found"         // it is there again
	NoteMadeAgain    NoteKind = "made_again"    // it was deleted on the new server and one of its name made there
	NoteNoInbox      NoteKind = "no_inbox"      // what the new server lists is not complete
	NoteCase         NoteKind = "case"          // its name differs from another's in case only
	NoteUnreadable   NoteKind = "unreadable"    // the old server doesn't let it be read
	NotePOP3         NoteKind = "pop3"          // what POP3 can't bring
)

// noteForm is how a kind of note is said in English: a format, whose first value
// is the folder, and the names of the others.
type noteForm struct {
	format string
	names  []string
}

// notMapped is what a row says of a folder whose name is not the configuration's.
const notMapped = "not %q as in the configuration: another folder has that name, or this one had its own before"

// noteForms are all that is ever noted.
var noteForms = map[NoteKind]noteForm{
	NoteCalled:       {`%q is called %q on the new server`, []string{"Name"}},
	NoteCalledMapped: {`%q is called %q on the new server, as the configuration says`, []string{"Name"}},
	NoteNotMapped:    {`%q is called %q on the new server, ` + notMapped, []string{"Name", "Wanted"}},
	NoteSpecialUse:   {`%q goes to %q on the new server (%s)`, []string{"Name", "Use"}},
	NoteRenamed:      {`%q was renamed to %q on the new server; it goes on there`, []string{"Name"}},
	NoteLeft:         {`%q is not copied: %s`, []string{"Why"}},
	NoteLeftView:     {`%q is not copied: %s; mail that lies in no other folder stays on the old server`, []string{"Why"}},
	NoteAllMail:      {`%q shows all mail: what lies in no other folder is copied to %q on the new server`, []string{"Name"}},
	NoteLeftLater:    {`%q is not copied any more: %s; what has been copied stays`, []string{"Why"}},
	NoteShared:       {`the shared namespace %q is not copied (%d of the old server's folders)`, []string{"Count"}},
	NoteOmitted:      {`%q and others are not copied: these %d are more folders than the %d that are made for one account (sync.max_folders)`, []string{"Count", "Limit"}},
	NoteGone:         {`%q is not on the new server any more: it was deleted there, or it is missing; it is not created again`, nil},
	NoteFound:        {`%q is on the new server again; it goes on there`, nil},
	NoteMadeAgain:    {`%q was deleted on the new server and made again there; its old mail stays deleted`, nil},
	NoteNoInbox:      {`the new server's list of folders lacks INBOX; %q is not taken for deleted`, nil},
	NoteCase:         {`%q differs only in case from %q; on a server that ignores case it gets another name if that one is another folder's`, []string{"Name"}},
	NoteUnreadable:   {`%q can't be read: %s`, []string{"Why"}},
	NotePOP3:         {`the old server speaks POP3: its inbox is copied; other folders and flags can't be`, nil},
}

// NoteValues are the names of the values that each kind of note has, beside the folder.
func NoteValues() map[NoteKind][]string {
	all := make(map[NoteKind][]string, len(noteForms))
	for kind, form := range maps.All(noteForms) {
		all[kind] = form.names
	}
	return all
}

// Note is something that people should know of a plan.
type Note struct {
	Kind   NoteKind
	Folder string // title of the folder on the old server, or what a namespace begins with
	// Values are the others that are said. Name and Wanted are a folder's on the new
	// server, Why is what WhyLeft reads, or a sentence.
	Values map[string]any
	Text   string // in English
}

// NewNote makes a note about a folder. values come in the order of the kind's names.
func NewNote(kind NoteKind, folder string, values ...any) Note {
	form := noteForms[kind]
	n := Note{Kind: kind, Folder: folder, Values: make(map[string]any, len(values)), Text: form.format}
	for i, name := range form.names {
		n.Values[name] = values[i]
	}
	if kind != NotePOP3 { // which is about no folder
		n.Text = fmt.Sprintf(form.format, append([]any{folder}, values...)...)
	}
	return n
}

// NoteTexts are the notes alone.
func NoteTexts(notes []Note) []string {
	texts := make([]string, len(notes))
	for i, n := range notes {
		texts[i] = n.Text
	}
	return texts
}
