package foldertree

import (
	"strings"
	"testing"

	"postferry/config"
	"postferry/report/reason"
	"postferry/store"
)

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"Spam", "Spam", true}, {"Spam", "SPAM", true}, {"Spam", "Spam2", false}, {"Spam", "Spa", false},
		{"*", "a", true}, {"*", "", true}, {"*", "a/b", false}, {"*/*", "a/b", true}, {"*/*", "a/b/c", false},
		{"a*c", "abc", true}, {"a*c", "ac", true}, {"a*c", "ab/c", false}, {"a*b*c", "aXbXbXc", true}, {"*b", "bab", true},
		{"?", "ü", true}, {"?", "/", false}, {"a?c", "abc", true}, {"a?", "a", false},
		{"[Gmail]/*", "[Gmail]/All Mail", true}, {"[Gmail]/*", "G/All Mail", false},
		{"ÄRGER*", "ärgernis", true}, {"*/Temp", "x/temp", true}, {"a/*/b", "a//b", true}, {"", "", true}, {"", "a", false},
		{strings.Repeat("*a", 500), strings.Repeat("a", 5000) + "b", false},
	}
	for _, tt := range tests {
		if got := matchFold(tt.pattern, tt.name); got != tt.want {
			t.Errorf("%.40q and %.40q: %v", tt.pattern, tt.name, got)
		}
	}
}

// What the configuration wants for folders that nobody has seen before.
func TestPlanTreeConfigured(t *testing.T) {
	gmail := listOf("", '/', nil, "INBOX", "[Gmail]\t\\Noselect", "[Gmail]/All Mail\t\\All", "[Gmail]/Sent Mail\t\\Sent",
		"[Gmail]/Starred\t\\Flagged", "[Gmail]/Important\t\\Important", "Work")
	shared := listOf("INBOX.", '.', []string{"shared.", "user."}, "INBOX", "INBOX.Work", "shared.lists", "shared.lists.go", "user.bert")
	tests := []struct {
		name     string
		wish     config.Folders
		old, new Tree
		want     string
		notes    string // "|" between them, in order, a part of each
	}{
		{"a mapped folder takes its children along", config.Folders{Map: map[string]string{"Work": "Archive/Old work"}},
			listOf("", '.', nil, "INBOX", "Work", "Work.2019", "Works"), emptyNew, `
			INBOX -> INBOX present
			Work -> Archive/Old work planned
			Work.2019 -> Archive/Old work/2019 planned
			Works -> Works planned
			create Archive/Old work
			create Archive/Old work/2019
			create Works`, `as the configuration says`},
		{"a mapped folder that holds no mail itself", config.Folders{Map: map[string]string{"Lists": "Mailing"}},
			listOf("", '.', nil, "INBOX", "Lists\t\\Noselect", "Lists.go"), emptyNew, `
			INBOX -> INBOX present
			Lists.go -> Mailing/go planned
			create Mailing/go`, ``},
		{"a child goes elsewhere", config.Folders{Map: map[string]string{"a/b": "x"}},
			listOf("", '.', nil, "INBOX", "a", "a.b", "a.b.c"), emptyNew, `
			INBOX -> INBOX present
			a -> a planned
			a.b -> x planned
			a.b.c -> x/c planned
			create a
			create x
			create x/c`, `as the configuration says`},
		{"mapped goes before special", config.Folders{Map: map[string]string{"Old sent": "Sent"}},
			listOf("INBOX.", '.', nil, "INBOX", "INBOX.Old sent", "INBOX.Gesendet"), fullNew, `
			INBOX -> INBOX present
			INBOX.Gesendet -> Gesendet planned
			INBOX.Old sent -> Sent present
			create Gesendet`, `as the configuration says`},
		{"mapped goes before a folder of that name", config.Folders{Map: map[string]string{"a": "b"}},
			listOf("", '/', nil, "INBOX", "a", "b"), emptyNew, `
			INBOX -> INBOX present
			a -> b planned
			b -> b_` + ShortHash("b") + ` planned
			create b
			create b_` + ShortHash("b"), `as the configuration says|"b" is called "b_`},
		{"with the prefix that people see", config.Folders{Map: map[string]string{"INBOX/a": "b"}, Skip: []string{"inbox/c"}},
			listOf("INBOX.", '.', nil, "INBOX", "INBOX.a", "INBOX.c"), listOf("INBOX.", '.', nil, "INBOX"), `
			INBOX -> INBOX present
			INBOX.a -> INBOX.b planned
			INBOX.c -> skipped
			create INBOX.b`, `skip has "inbox/c" in the configuration|as the configuration says`},
		{"a name that can't be had", config.Folders{Map: map[string]string{"a": "b.c/~d"}},
			listOf("", '/', nil, "INBOX", "a"), listOf("", '.', nil, "INBOX"), `
			INBOX -> INBOX present
			a -> b_c.~d planned
			create b_c.~d`, `"a" is called "b_c/~d" on the new server, as`},
		{"skipped with all below it", config.Folders{Skip: []string{"backup", "*/Temp"}},
			listOf("", '/', nil, "INBOX", "Backup", "Backup/x", "a/Temp", "Temp"), emptyNew, `
			INBOX -> INBOX present
			Backup -> skipped
			Backup/x -> skipped
			Temp -> Temp planned
			a/Temp -> skipped
			create Temp`, `"Backup" is not copied: skip has "backup"|"Backup/x"|"a/Temp" is not copied: skip has "*/Temp"`},
		{"all but some", config.Folders{Skip: []string{"*"}, Map: map[string]string{"a": "a", "b/c": "c"}},
			listOf("", '/', nil, "INBOX", "INBOX/x", "a", "a/b", "b", "b/c"), emptyNew, `
			INBOX -> INBOX present
			INBOX/x -> skipped
			a -> a planned
			a/b -> a/b planned
			b -> skipped
			b/c -> c planned
			create a
			create a/b
			create c`, `"INBOX/x" is not copied|"b" is not copied|"a" is called "a"|"b/c" is called "c"`},
		{"Gmail as it is", config.Folders{}, gmail, emptyNew, `
			INBOX -> INBOX present
			Work -> Work planned
			[Gmail]/All Mail -> Archive planned
			[Gmail]/Important -> skipped
			[Gmail]/Sent Mail -> Sent Mail planned
			[Gmail]/Starred -> skipped
			create Archive \Archive
			create Sent Mail \Sent
			create Work`, `(\Important)|(\Flagged)|"[Gmail]/All Mail" shows all mail`},
		{"Gmail's views too", config.Folders{CopyViews: true, Skip: []string{"*/Important"}}, gmail, emptyNew, `
			INBOX -> INBOX present
			Work -> Work planned
			[Gmail]/All Mail -> [Gmail]/All Mail planned
			[Gmail]/Important -> skipped
			[Gmail]/Sent Mail -> Sent Mail planned
			[Gmail]/Starred -> [Gmail]/Starred planned
			create Sent Mail \Sent
			create Work
			create [Gmail]/All Mail
			create [Gmail]/Starred`, `skip has "*/Important"`},
		{"one of Gmail's views", config.Folders{Map: map[string]string{"[Gmail]/All Mail": "Archive"}}, gmail, fullNew, `
			INBOX -> INBOX present
			Work -> Work planned
			[Gmail]/All Mail -> Archive present
			[Gmail]/Important -> skipped
			[Gmail]/Sent Mail -> Sent present
			[Gmail]/Starred -> skipped
			create Work`, `"[Gmail]/Important" is not copied|"[Gmail]/Starred" is not copied|as the configuration says|(\Sent)`},
		{"what others share", config.Folders{}, shared, emptyNew, `
			INBOX -> INBOX present
			INBOX.Work -> Work planned
			shared.lists -> skipped
			shared.lists.go -> skipped
			user.bert -> skipped
			create Work`, `the shared namespace "shared." is not copied (2 of|the shared namespace "user." is not copied (1 of`},
		{"what others share, too", config.Folders{CopyShared: true}, shared, emptyNew, `
			INBOX -> INBOX present
			INBOX.Work -> Work planned
			shared.lists -> shared/lists planned
			shared.lists.go -> shared/lists/go planned
			user.bert -> user/bert planned
			create Work
			create shared/lists
			create shared/lists/go
			create user/bert`, ``},
		{"some of what others share", config.Folders{Map: map[string]string{"shared/lists/go": "Go"}}, shared,
			listOf("", '/', []string{"shared/"}, "INBOX"), `
			INBOX -> INBOX present
			INBOX.Work -> Work planned
			shared.lists -> skipped
			shared.lists.go -> Go planned
			user.bert -> skipped
			create Go
			create Work`, `(1 of|(1 of|as the configuration says`},
		{"never into what others share", config.Folders{Map: map[string]string{"a": "shared/a"}},
			listOf("", '/', nil, "INBOX", "a"), listOf("", '/', []string{"shared/"}, "INBOX"), `
			INBOX -> INBOX present
			a -> _shared/a planned
			create _shared/a`, `as the configuration says`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan := planTree(tt.old, tt.new, nil, tt.wish)
			wantLines(t, brief(plan), tt.want)
			wantNotes(t, noteTexts(plan.Notes), tt.notes)
		})
	}
}

func wantNotes(t *testing.T, got []string, want string) {
	t.Helper()
	var parts []string
	if want != "" {
		parts = strings.Split(want, "|")
	}
	for i, part := range parts {
		if i >= len(got) || !strings.Contains(got[i], part) {
			t.Errorf("note %d is not %q", i, part)
		}
	}
	if len(got) != len(parts) {
		t.Errorf("%d notes, want %d", len(got), len(parts))
	}
	if t.Failed() {
		t.Logf("notes:\n%s", strings.Join(got, "\n"))
	}
}

// What a change of the configuration does to folders that are known.
func TestPlanTreeReconfigured(t *testing.T) {
	old := listOf("", '.', nil, "INBOX", "a")
	inbox := row("INBOX", "INBOX", isPresent)
	skipA := config.Folders{Skip: []string{"a"}}
	why, other := reason.Of(reason.LeftByConfig, "a"), reason.Of(reason.NotMapped, "x")
	tests := []struct {
		name  string
		wish  config.Folders
		known store.Folder
		new   Tree
		want  string
		notes string
	}{
		{"skipped after it was copied", skipA, row("a", "b", isPresent), listOf("", '/', nil, "INBOX", "b"),
			`a -> b skipped`, `"a" is not copied any more: ` + why.String() + `; what has been copied stays`},
		{"stays skipped", skipA, skippedAs(row("a", "b", isSkipped), why), listOf("", '/', nil, "INBOX", "b"), ``, ``},
		{"skipped, and copied again", config.Folders{}, skippedAs(row("a", "b", isSkipped), why), listOf("", '/', nil, "INBOX", "b"),
			`a -> b present`, ``},
		{"skipped, deleted, to be copied again", config.Folders{}, skippedAs(row("a", "b", isSkipped), why), emptyNew,
			`a -> b missing`, `not created again`},
		{"skipped before it was made", skipA, row("a", "b", isPlanned), emptyNew, `a -> skipped`, why.String()},
		{"skipped before, now to be copied", config.Folders{}, skippedAs(row("a", "", isSkipped), why), emptyNew,
			"a -> a planned\ncreate a", ``},
		{"deleted by its user", skipA, row("a", "b", isDeleted), emptyNew, ``, ``},
		{"mapped after it was copied", config.Folders{Map: map[string]string{"a": "x"}}, row("a", "a", isPresent),
			listOf("", '/', nil, "INBOX", "a"), `a -> a present`, `"a" is called "a" on the new server, not "x" as in the configuration`},
		{"and at the next look", config.Folders{Map: map[string]string{"a": "x"}}, skippedAs(row("a", "a", isPresent), other),
			listOf("", '/', nil, "INBOX", "a"), ``, ``},
		{"the mapping is dropped", config.Folders{}, skippedAs(row("a", "a", isPresent), other),
			listOf("", '/', nil, "INBOX", "a"), `a -> a present`, ``},
		{"mapped, as the new server refused the name", config.Folders{Map: map[string]string{"a": "x"}}, row("a", "a", isPlanned),
			emptyNew, "a -> x planned\ncreate x", `as the configuration says`},
		{"mapped to where it is", config.Folders{Map: map[string]string{"a": "x"}}, row("a", "x", isPresent),
			listOf("", '/', nil, "INBOX", "x"), ``, ``},
		{"missing, found again, and mapped meanwhile", config.Folders{Map: map[string]string{"a": "x"}}, row("a", "a", isMissing),
			listOf("", '/', nil, "INBOX", "a"), `a -> a present`, `on the new server again|"a" is called "a" on the new server, not "x" as in the configuration`},
		{"another reason", config.Folders{Skip: []string{"?"}}, skippedAs(row("a", "", isSkipped), why), emptyNew, `a -> skipped`, ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			known := []store.Folder{inbox, tt.known}
			plan := planTree(old, tt.new, known, tt.wish)
			wantLines(t, brief(plan), tt.want)
			wantNotes(t, noteTexts(plan.Notes), tt.notes)
			for _, f := range plan.Folders {
				if f.ID != tt.known.ID {
					t.Errorf("the row's number became %d", f.ID)
				}
			}
		})
	}
}

// A missing folder whose name another folder has now doesn't get that name back because it is left
// alone for a while: its late mail would go into the other one.
func TestPlanTreeMissingLeftAlone(t *testing.T) {
	old, new := listOf("", '.', nil, "INBOX", "a", "b"), listOf("", '/', nil, "INBOX", "x")
	tests := []struct {
		name string
		of   store.Folder // "b"
		want string
	}{
		{"its name is another's", row("b", "x", isPresent), ``},
		{"its name is nobody else's", row("b", "b", isDeleted), `a -> x skipped`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			known := []store.Folder{row("INBOX", "INBOX", isPresent), row("a", "x", isMissing), tt.of}
			known[2].ID = known[1].ID + 1
			wantLines(t, brief(planTree(old, new, known, config.Folders{Skip: []string{"a"}})), tt.want)
		})
	}
}

// A public namespace with thousands of folders gets some rows, not thousands
// in each account.
func TestPlanTreeManyForeign(t *testing.T) {
	names := []string{"INBOX"}
	for range 3 * maxForeign {
		names = append(names, "public/"+strings.Repeat("x", len(names)))
	}
	old := listOf("", '/', []string{"public/"}, names...)
	plan := planTree(old, emptyNew, nil, config.Folders{})
	if len(plan.Folders) != maxForeign+1 || len(plan.Notes) != 1 || !strings.Contains(plan.Notes[0].String(), "300 of") {
		t.Errorf("%d rows, %q", len(plan.Folders), plan.Notes)
	}
	for i := range plan.Folders {
		plan.Folders[i].ID = store.FolderID(i + 1)
	}
	if again := planTree(old, emptyNew, plan.Folders, config.Folders{}); len(again.Folders)+len(again.Notes) > 0 {
		t.Errorf("again: %d rows, %q", len(again.Folders), again.Notes)
	}
}

// TestLeft: a row says why its folder is left alone, and by what.
func TestLeft(t *testing.T) {
	old := listOf("", '/', []string{"public/"}, "INBOX", "a \"b\"", "public/x", "Stars\t\\Flagged")
	plan := planTree(old, emptyNew, nil, config.Folders{Skip: []string{`a "*`}})
	want := map[string]reason.Reason{
		"a \"b\"": reason.Of(reason.LeftByConfig, `a "*`), "public/x": reason.Of(reason.LeftShared, "public/"), "Stars": reason.Of(reason.LeftView, `\Flagged`), "INBOX": "",
	}
	for _, f := range plan.Folders {
		if f.Note != want[f.Old] {
			t.Errorf("%s: %q, want %q", f.Old, f.Note, want[f.Old])
		}
	}
	if len(plan.Folders) != len(want) {
		t.Errorf("%d folders", len(plan.Folders))
	}
}
