package foldertree

import (
	"slices"
	"strings"
	"testing"

	"postferry/config"
	"postferry/report/reason"
	"postferry/store"
)

// row is a known folder.
func row(old, new string, state store.FolderState) store.Folder {
	return store.Folder{ID: store.FolderID(len(old)), Old: old, New: new, Title: old, State: state}
}

func skippedAs(f store.Folder, note reason.Reason) store.Folder {
	f.Note = note
	return f
}

func allMail(f store.Folder) store.Folder {
	f.AllMail = true
	return f
}

func subscribed(f store.Folder) store.Folder {
	f.Subscribed = true
	return f
}

const (
	isPlanned = store.FolderPlanned
	isPresent = store.FolderPresent
	isDeleted = store.FolderDeleted
	isMissing = store.FolderMissing
	isSkipped = store.FolderSkipped
)

// Later looks: what is known decides.
func TestPlanTreeKnown(t *testing.T) {
	inbox := row("INBOX", "INBOX", isPresent)
	tests := []struct {
		name     string
		old, new Tree
		known    []store.Folder
		want     string
		note     string // part of a note, "" for no note at all
	}{
		{"nothing changed", listOf("", '.', nil, "INBOX", "a"), listOf("", '/', nil, "INBOX", "a"),
			[]store.Folder{inbox, row("a", "a", isPresent)}, ``, ""},
		{"planned and there", listOf("", '.', nil, "a"), listOf("", '/', nil, "INBOX", "a"),
			[]store.Folder{row("a", "a", isPlanned)}, `a -> a present`, ""},
		{"planned and missing", listOf("", '.', nil, "a"), emptyNew,
			[]store.Folder{row("a", "a", isPlanned)}, "a -> a planned\ncreate a", ""},
		{"planned, missing, with its use", listOf("", '.', nil, "Gesendet"), emptyNew,
			[]store.Folder{row("Gesendet", "Gesendet", isPlanned)}, "Gesendet -> Gesendet planned\ncreate Gesendet \\Sent", ""},
		{"planned and its subscription not yet done", listOf("", '.', nil, "a\t+"), emptyNew,
			[]store.Folder{subscribed(row("a", "a", isPlanned))}, "a -> a planned +\ncreate a\nsubscribe a", ""},
		{"gone from the new server", listOf("", '.', nil, "a"), emptyNew,
			[]store.Folder{row("a", "a", isPresent)}, `a -> a missing`, "not created again"},
		{"stays missing", listOf("", '.', nil, "a\t+"), emptyNew,
			[]store.Folder{subscribed(row("a", "a", isMissing))}, ``, ""},
		{"missing and there again", listOf("", '.', nil, "a"), listOf("", '/', nil, "INBOX", "a"),
			[]store.Folder{row("a", "a", isMissing)}, `a -> a present`, "on the new server again"},
		{"missing and there again, in another case", listOf("", '.', nil, "a"), listOf("", '/', nil, "INBOX", "A"),
			[]store.Folder{row("a", "a", isMissing)}, `a -> a present`, "on the new server again"},
		{"missing, and its name is another's", listOf("", '.', nil, "a", "bb"), listOf("", '/', nil, "INBOX", "a"),
			[]store.Folder{row("a", "a", isMissing), row("bb", "a", isPresent)}, ``, ""},
		{"missing, and its name in another case is another's", listOf("", '.', nil, "a", "bb"), listOf("", '/', nil, "INBOX", "A"),
			[]store.Folder{row("a", "a", isMissing), row("bb", "A", isPresent)}, ``, ""},
		{"missing, and a list without INBOX proves nothing", listOf("", '.', nil, "a"), listOf("", '/', nil),
			[]store.Folder{row("a", "a", isMissing)}, ``, ""},
		{"a missing folder's name is not given away", listOf("", '.', nil, "a", "A.b", "A"), emptyNew,
			[]store.Folder{row("a", "A", isMissing)}, "A -> A_" + ShortHash("A") + " planned\nA.b -> A_" + ShortHash("A") + "/b planned\ncreate A_" + ShortHash("A") + "\ncreate A_" + ShortHash("A") + "/b", "is called"},
		{"below a missing folder", listOf("", '.', nil, "a", "a.b"), emptyNew,
			[]store.Folder{row("a", "z", isMissing)}, "a.b -> z/b planned\ncreate z/b", ""},
		{"stays deleted", listOf("", '.', nil, "a\t+"), emptyNew,
			[]store.Folder{subscribed(row("a", "a", isDeleted))}, ``, ""},
		{"subscribed on old after it was deleted", listOf("", '.', nil, "a\t+"), emptyNew,
			[]store.Folder{row("a", "a", isDeleted)}, `a -> a deleted +`, ""},
		{"deleted and made again", listOf("", '.', nil, "a"), listOf("", '/', nil, "INBOX", "a"),
			[]store.Folder{row("a", "a", isDeleted)}, ``, "made again"},
		{"only a directory is left", listOf("", '.', nil, "a"), listOf("", '/', nil, "INBOX", "a\t\\Noselect", "a/b"),
			[]store.Folder{row("a", "a", isPresent)}, `a -> a missing`, "not created again"},
		{"INBOX can't be deleted", listOf("", '.', nil, "INBOX"), listOf("", '/', nil),
			[]store.Folder{inbox}, ``, ""},
		{"a list without INBOX proves nothing", listOf("", '.', nil, "a"), listOf("", '/', nil),
			[]store.Folder{row("a", "a", isPresent)}, ``, "lacks INBOX"},
		{"renamed by the user", listOf("", '.', nil, "a"), listOf("", '/', nil, "INBOX", "z"),
			[]store.Folder{row("a", "z", isPresent)}, ``, ""},
		{"gone on old", listOf("", '.', nil, "INBOX"), listOf("", '/', nil, "INBOX"),
			[]store.Folder{inbox, row("a", "a", isPresent), row("b", "b", isPlanned)}, ``, ""},
		{"a child of a renamed folder", listOf("", '.', nil, "a", "a.b", "a.b.c", "a.new", "a.b.new"), listOf("", '/', nil, "INBOX", "z", "z/b", "y/c"),
			[]store.Folder{row("a", "z", isPresent), row("a.b", "z/b", isPresent), row("a.b.c", "y/c", isPresent)},
			`a.b.new -> z/b/new planned
			a.new -> z/new planned
			create z/b/new
			create z/new`, ""},
		{"a child of a folder that is gone on old", listOf("", '.', nil, "a\t\\Noselect", "a.new"), listOf("", '/', nil, "INBOX", "z"),
			[]store.Folder{row("a", "z", isPresent)},
			"a.new -> z/new planned\ncreate z/new", ""},
		{"a child of a deleted folder", listOf("", '.', nil, "a", "a.b"), emptyNew,
			[]store.Folder{row("a", "z", isDeleted)},
			"a.b -> a/b planned\ncreate a/b", ""},
		{"a child of a deleted special folder", listOf("", '.', nil, "Sent Items", "Sent Items.2019"), listOf("", '/', nil, "INBOX"),
			[]store.Folder{row("Sent Items", "Sent", isDeleted)},
			"Sent Items.2019 -> Sent Items/2019 planned\ncreate Sent Items/2019", ""},
		{"the name of a deleted folder is not used", listOf("", '.', nil, "a", "z"), emptyNew,
			[]store.Folder{row("a", "z", isDeleted)},
			"z -> z_" + ShortHash("z") + " planned\ncreate z_" + ShortHash("z"), "is called"},
		{"the name that another folder was given is not used", listOf("", '.', nil, "a", "z"), listOf("", '/', nil, "INBOX", "z"),
			[]store.Folder{row("a", "z", isPresent)},
			"z -> z_" + ShortHash("z") + " planned\ncreate z_" + ShortHash("z"), "is called"},
		{"a name used again after its folder was deleted", listOf("", '.', nil, "a", "b"), listOf("", '/', nil, "INBOX", "x"),
			[]store.Folder{row("b", "x", isPresent), row("a", "x", isDeleted)}, ``, ""},
		{"the special folder is another's", listOf("", '.', nil, "Old", "Sent\t\\Sent"), listOf("", '/', nil, "INBOX", "Sent\t\\Sent"),
			[]store.Folder{row("Old", "Sent", isPresent)},
			"Sent -> Sent_" + ShortHash("Sent") + " planned\ncreate Sent_" + ShortHash("Sent"), "is called"},
		{"special use found later: the row stays", listOf("", '.', nil, "Gesendet\t\\Sent"), listOf("", '/', nil, "INBOX", "Gesendet", "Sent\t\\Sent"),
			[]store.Folder{row("Gesendet", "Gesendet", isPresent)}, ``, ""},
		{"subscribed on old since", listOf("", '.', nil, "a\t+"), listOf("", '/', nil, "INBOX", "z"),
			[]store.Folder{row("a", "z", isPresent)}, "a -> z present +\nsubscribe z", ""},
		{"unsubscribed on new", listOf("", '.', nil, "a\t+"), listOf("", '/', nil, "INBOX", "a"),
			[]store.Folder{subscribed(row("a", "a", isPresent))}, ``, ""},
		{"unsubscribed on old", listOf("", '.', nil, "a"), listOf("", '/', nil, "INBOX", "a\t+"),
			[]store.Folder{subscribed(row("a", "a", isPresent))}, `a -> a present`, ""},
		{"a view stays one", listOf("", '/', nil, "Stars\t\\Flagged"), emptyNew,
			[]store.Folder{skippedAs(row("Stars", "", isSkipped), reason.Of(reason.LeftView, `\Flagged`))}, ``, ""},
		{"all mail that was left alone", listOf("", '/', nil, "All\t\\All"), emptyNew,
			[]store.Folder{skippedAs(row("All", "", isSkipped), reason.Of(reason.LeftView, `\All`))},
			"All -> Archive planned\ncreate Archive \\Archive", "in no other folder is copied"},
		{"all mail whose use is not told any more", listOf("", '/', nil, "All"), listOf("", '/', nil, "INBOX", "Archive"),
			[]store.Folder{allMail(row("All", "Archive", isPresent))}, ``, ""},
		{"all mail, and an old archive since", listOf("", '/', nil, "All\t\\All", "Archive"), listOf("", '/', nil, "INBOX", "Archive"),
			[]store.Folder{allMail(row("All", "Archive", isPresent))}, `Archive -> Archive present`, ""},
		{"all mail, and the archive was deleted", listOf("", '/', nil, "All\t\\All"), emptyNew,
			[]store.Folder{allMail(row("All", "Archive", isDeleted))}, ``, ""},
		{"all mail, and the old archive was deleted", listOf("", '/', nil, "All\t\\All", "Archive"), emptyNew,
			[]store.Folder{row("Archive", "Archive", isDeleted)},
			"All -> Archive_" + ShortHash("All") + " planned\ncreate Archive_" + ShortHash("All") + " \\Archive", "in no other folder is copied"},
		{"a view no more", listOf("", '/', nil, "All\t+"), emptyNew,
			[]store.Folder{row("All", "", isSkipped)}, "All -> All planned +\ncreate All\nsubscribe All", ""},
		{"a folder becomes a view", listOf("", '/', nil, "All\t\\All"), listOf("", '/', nil, "INBOX", "All"),
			[]store.Folder{row("All", "All", isPresent)}, `All -> All skipped`, "not copied any more: a view"},
		{"a folder moves into others' namespace", listOf("", '/', []string{"a/"}, "a/b"), listOf("", '/', nil, "INBOX"),
			[]store.Folder{row("a/b", "a/b", isPresent)}, `a/b -> a/b skipped`, "not copied any more: in the shared namespace"},
		{"and back again, where it is gone from the new server", listOf("", '/', nil, "a/b"), listOf("", '/', nil, "INBOX"),
			[]store.Folder{row("a/b", "a/b", isSkipped)}, `a/b -> a/b missing`, "not created again"},
		{"a server that ignores case", listOf("", '/', nil, "foo"), listOf("", '/', nil, "INBOX", "Foo"),
			[]store.Folder{row("foo", "foo", isPresent)}, ``, ""},
		{"a server that normalises names", listOf("", '/', nil, "a"), listOf("", '/', nil, "INBOX", enc("Cafe\u0301")),
			[]store.Folder{row("a", enc("Café"), isPresent)}, ``, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan := planTree(tt.old, tt.new, tt.known, config.Folders{})
			wantLines(t, brief(plan), tt.want)
			notes := strings.Join(noteTexts(plan.Notes), "\n")
			if !strings.Contains(notes, tt.note) || tt.note == "" && notes != "" {
				t.Errorf("notes: %q, want %q", notes, tt.note)
			}
			for _, f := range plan.Folders {
				if i := slices.IndexFunc(tt.known, func(k store.Folder) bool { return k.Old == f.Old }); i >= 0 && f.ID != tt.known[i].ID {
					t.Errorf("%q: ID %d became %d", f.Old, tt.known[i].ID, f.ID)
				}
			}
		})
	}
}
