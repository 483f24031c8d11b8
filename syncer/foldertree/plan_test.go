package foldertree

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/report/reason"
	"postferry/store"
	"postferry/wire"
)

func enc(name string) string { return wire.EncodeMailbox(name) }

var gmail = listOf("", '/', nil,
	"INBOX\t\\HasNoChildren +", "[Gmail]\t\\HasChildren \\Noselect", "[Gmail]/All Mail\t\\All +", "[Gmail]/Drafts\t\\Drafts +",
	"[Gmail]/Important\t\\Important", "[Gmail]/Sent Mail\t\\Sent +", "[Gmail]/Spam\t\\Junk", "[Gmail]/Starred\t\\Flagged", "[Gmail]/Trash\t\\Trash",
	"Work\t+", "Work/2024")

// fullNew is a Dovecot as it is usually set up, with the folders that it makes
// by itself.
var fullNew = listOf("", '/', nil, "INBOX\t+", "Sent\t\\Sent", "Drafts\t\\Drafts", "Trash\t\\Trash", "Junk\t\\Junk", "Archive\t\\Archive")

var emptyNew = listOf("", '/', nil, "INBOX")

// planTree is planFolders without a bound on their number.
func planTree(old, new Tree, known []store.Folder, wish config.Folders) TreePlan {
	plan, err := Plan(context.Background(), old, new, known, Wishes{Folders: wish})
	if err != nil {
		panic(err) // the context has no end
	}
	return plan
}

// brief prints a plan: "old -> new state" for each row, "create name use", "subscribe name".
func brief(plan TreePlan) []string {
	var out []string
	for _, f := range plan.Folders {
		sub := ""
		if f.Subscribed {
			sub = " +"
		}
		out = append(out, f.Old+" -> "+strings.TrimSpace(fmt.Sprintf("%s %s%s", f.New, f.State, sub)))
	}
	for _, c := range plan.Create {
		out = append(out, strings.TrimSpace(fmt.Sprintf("create %s %s", c.Name, c.Use)))
	}
	for _, s := range plan.Subscribe {
		out = append(out, "subscribe "+s)
	}
	return out
}

func wantLines(t *testing.T, got []string, want string) {
	t.Helper()
	var lines []string
	for _, l := range strings.Split(strings.TrimSpace(want), "\n") {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	if !slices.Equal(got, lines) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

// First looks at an account: real layouts of servers.
func TestPlanTreeLayouts(t *testing.T) {
	long := strings.Repeat("x", 250)
	tests := []struct {
		name     string
		old, new Tree
		want     string
	}{
		{"nothing but INBOX", listOf("", '.', nil, "Inbox\t+"), emptyNew, `
			INBOX -> INBOX present +
			subscribe INBOX`},
		{"subscribed already", listOf("", '.', nil, "INBOX\t+", "Sent\t+"), fullNew, `
			INBOX -> INBOX present +
			Sent -> Sent present +
			subscribe Sent`},
		{"Courier to Dovecot", listOf("INBOX.", '.', []string{"#shared.", "shared."},
			"INBOX\t+", "INBOX.Sent", "INBOX.Sent.2019", "INBOX.Trash", "INBOX.Entw&APw-rfe", "INBOX.Kunden.M&APw-ller \\ Co\t+", "#shared.team"), fullNew, `
			INBOX -> INBOX present +
			#shared.team -> skipped
			INBOX.Entw&APw-rfe -> Drafts present
			INBOX.Kunden.M&APw-ller \ Co -> Kunden/M&APw-ller \ Co planned +
			INBOX.Sent -> Sent present
			INBOX.Sent.2019 -> Sent/2019 planned
			INBOX.Trash -> Trash present
			create Kunden/M&APw-ller \ Co
			create Sent/2019
			subscribe Kunden/M&APw-ller \ Co`},
		{"Dovecot to Courier", listOf("", '/', nil, "INBOX", "INBOX/Bills", "Sent\t\\Sent", "a.b", "a/b"),
			listOf("INBOX.", '.', []string{"#shared.", "shared."}, "INBOX", "INBOX.Sent"), `
			INBOX -> INBOX present
			INBOX/Bills -> INBOX.Bills planned
			Sent -> INBOX.Sent present
			a.b -> INBOX.a_b planned
			a/b -> INBOX.a.b planned
			create INBOX.Bills
			create INBOX.a.b
			create INBOX.a_b`},
		{"a child of INBOX meets its namesake", listOf("", '/', nil, "INBOX", "INBOX/Bills", "Bills", "Bills/2019", "INBOX/Bills/2020"),
			listOf("INBOX.", '.', nil, "INBOX"), `
			INBOX -> INBOX present
			Bills -> INBOX.Bills planned
			Bills/2019 -> INBOX.Bills.2019 planned
			INBOX/Bills -> INBOX.Bills_` + ShortHash("INBOX/Bills") + ` planned
			INBOX/Bills/2020 -> INBOX.Bills_` + ShortHash("INBOX/Bills") + `.2020 planned
			create INBOX.Bills
			create INBOX.Bills.2019
			create INBOX.Bills_` + ShortHash("INBOX/Bills") + `
			create INBOX.Bills_` + ShortHash("INBOX/Bills") + `.2020`},
		{"children of INBOX stay there", listOf("", '.', nil, "INBOX", "inbox.Bills", "inbox.Bills.2019"), emptyNew, `
			INBOX -> INBOX present
			inbox.Bills -> INBOX/Bills planned
			inbox.Bills.2019 -> INBOX/Bills/2019 planned
			create INBOX/Bills
			create INBOX/Bills/2019`},
		{"an INBOX without children", listOf("", '.', nil, "INBOX", "INBOX.Bills"), listOf("", '/', nil, "INBOX\t\\NoInferiors"), `
			INBOX -> INBOX present
			INBOX.Bills -> Bills planned
			create Bills`},
		{"a folder INBOX in the namespace INBOX", listOf("INBOX.", '.', nil, "INBOX", "INBOX.INBOX", "INBOX.INBOX.x"), emptyNew, `
			INBOX -> INBOX present
			INBOX.INBOX -> INBOX_` + ShortHash("INBOX.INBOX") + ` planned
			INBOX.INBOX.x -> INBOX_` + ShortHash("INBOX.INBOX") + `/x planned
			create INBOX_` + ShortHash("INBOX.INBOX") + `
			create INBOX_` + ShortHash("INBOX.INBOX") + `/x`},
		{"Cyrus, altnamespace off", listOf("INBOX.", '.', []string{"user.", ""}, "INBOX", "INBOX.Sent", "INBOX.x^y", "user.bert", "user.bert.x", "bulletins"), fullNew, `
			INBOX -> INBOX present
			INBOX.Sent -> Sent present
			INBOX.x^y -> x^y planned
			bulletins -> skipped
			user.bert -> skipped
			user.bert.x -> skipped
			create x^y`},
		{"Cyrus, altnamespace and unixhierarchysep on", listOf("", '/', []string{"Other Users/", "Shared Folders/"},
			"INBOX", "Sent", "v1.2/notes", "Other Users/bert", "Shared Folders/all"), listOf("INBOX.", '.', []string{"user.", ""}, "INBOX"), `
			INBOX -> INBOX present
			Other Users/bert -> skipped
			Sent -> INBOX.Sent planned
			Shared Folders/all -> skipped
			v1.2/notes -> INBOX.v1_2.notes planned
			create INBOX.Sent \Sent
			create INBOX.v1_2.notes`},
		{"Gmail to a full Dovecot", gmail, fullNew, `
			INBOX -> INBOX present +
			Work -> Work planned +
			Work/2024 -> Work/2024 planned
			[Gmail]/All Mail -> Archive present +
			[Gmail]/Drafts -> Drafts present +
			[Gmail]/Important -> skipped
			[Gmail]/Sent Mail -> Sent present +
			[Gmail]/Spam -> Junk present
			[Gmail]/Starred -> skipped
			[Gmail]/Trash -> Trash present
			create Work
			create Work/2024
			subscribe Archive
			subscribe Drafts
			subscribe Sent
			subscribe Work`},
		{"Gmail to an empty server", listOf("", '/', nil, "INBOX", "[Gmail]\t\\Noselect", "[Gmail]/Sent Mail\t\\Sent", "[Gmail]/Notes", "Sent Mail"), emptyNew, `
			INBOX -> INBOX present
			Sent Mail -> Sent Mail planned
			[Gmail]/Notes -> [Gmail]/Notes planned
			[Gmail]/Sent Mail -> Sent Mail_` + ShortHash("[Gmail]/Sent Mail") + ` planned
			create Sent Mail
			create Sent Mail_` + ShortHash("[Gmail]/Sent Mail") + ` \Sent
			create [Gmail]/Notes`},
		{"Exchange in German", listOf("", '/', nil, "INBOX\t\\Marked", "Gesendete Elemente", "Gel&APY-schte Elemente", "Entw&APw-rfe", "Junk-E-Mail", "Archiv", "Archiv/2018",
			"Kalender", "Aufgaben", "Postausgang"), fullNew, `
			INBOX -> INBOX present
			Archiv -> Archive present
			Archiv/2018 -> Archive/2018 planned
			Aufgaben -> Aufgaben planned
			Entw&APw-rfe -> Drafts present
			Gel&APY-schte Elemente -> Trash present
			Gesendete Elemente -> Sent present
			Junk-E-Mail -> Junk present
			Kalender -> Kalender planned
			Postausgang -> Postausgang planned
			create Archive/2018
			create Aufgaben
			create Kalender
			create Postausgang`},
		{"Russian, delimiter |", listOf("", '|', nil, "INBOX", enc("Отправленные"), enc("Корзина"), enc("Работа")+"|"+enc("Отчёты/2019")), fullNew, `
			INBOX -> INBOX present
			` + enc("Отправленные") + ` -> Sent present
			` + enc("Корзина") + ` -> Trash present
			` + enc("Работа") + `|` + enc("Отчёты/2019") + ` -> ` + enc("Работа/Отчёты_2019") + ` planned
			create ` + enc("Работа/Отчёты_2019")},
		{"Japanese to a server that has none", listOf("", '.', nil, "INBOX", enc("送信済み"), enc("ごみ箱")), emptyNew, `
			INBOX -> INBOX present
			` + enc("ごみ箱") + ` -> ` + enc("ごみ箱") + ` planned
			` + enc("送信済み") + ` -> ` + enc("送信済み") + ` planned
			create ` + enc("ごみ箱") + ` \Trash
			create ` + enc("送信済み") + ` \Sent`},
		{"two folders for what was sent", listOf("", '/', nil, "INBOX", "Sent", "Sent Items\t\\Sent", "Sent Messages"), fullNew, `
			INBOX -> INBOX present
			Sent -> Sent_` + ShortHash("Sent") + ` planned
			Sent Items -> Sent present
			Sent Messages -> Sent Messages planned
			create Sent Messages
			create Sent_` + ShortHash("Sent")},
		{"the new server's has the other's name", listOf("", '/', nil, "INBOX", "Sent\t\\Sent", "Sent Items", "Sent Items/x", "Sent/y"),
			listOf("", '/', nil, "INBOX", "Sent Items\t\\Sent"), `
			INBOX -> INBOX present
			Sent -> Sent Items present
			Sent Items -> Sent Items_` + ShortHash("Sent Items") + ` planned
			Sent Items/x -> Sent Items_` + ShortHash("Sent Items") + `/x planned
			Sent/y -> Sent Items/y planned
			create Sent Items/y
			create Sent Items_` + ShortHash("Sent Items") + `
			create Sent Items_` + ShortHash("Sent Items") + `/x`},
		{"names that become the same", listOf("", '/', nil, "INBOX", "a.b", "a_b", "a.b/c", "x ", "x_"), listOf("", '.', nil, "INBOX"), `
			INBOX -> INBOX present
			a.b -> a_b_` + ShortHash("a.b") + ` planned
			a.b/c -> a_b_` + ShortHash("a.b") + `.c planned
			a_b -> a_b planned
			x  -> x__` + ShortHash("x ") + ` planned
			x_ -> x_ planned
			create a_b
			create a_b_` + ShortHash("a.b") + `
			create a_b_` + ShortHash("a.b") + `.c
			create x_
			create x__` + ShortHash("x ")},
		{"odd names that may stay", listOf("", '.', nil, "INBOX", `"quoted"`, "Tom &- Jerry", "100%", "[x] (y) {5}", "back\\slash", "&2D3eAA-"), emptyNew, `
			INBOX -> INBOX present
			"quoted" -> "quoted" planned
			&2D3eAA- -> &2D3eAA- planned
			100% -> 100% planned
			Tom &- Jerry -> Tom &- Jerry planned
			[x] (y) {5} -> [x] (y) {5} planned
			back\slash -> back\slash planned
			create "quoted"
			create &2D3eAA-
			create 100%
			create Tom &- Jerry
			create [x] (y) {5}
			create back\slash`},
		{"odd names that may not", listOf("", '.', nil, "INBOX", "a..b", "~root", "#news", "bell\x07here", "Entw\xfcrfe 2", long), emptyNew, `
			INBOX -> INBOX present
			#news -> _news planned
			Entw` + "\xfc" + `rfe 2 -> Entw&APw-rfe 2 planned
			a..b -> a/_/b planned
			bell` + "\a" + `here -> bell_here planned
			` + long + ` -> ` + long[:195] + `_` + ShortHash(long) + ` planned
			~root -> _root planned
			create Entw&APw-rfe 2
			create _news
			create _root
			create a/_/b
			create bell_here
			create ` + long[:195] + `_` + ShortHash(long)},
		{"\\Noselect parents", listOf("", '/', nil, "INBOX", "Lists\t\\Noselect \\HasChildren", "Lists/go", "Gone\t\\NonExistent +"), emptyNew, `
			INBOX -> INBOX present
			Lists/go -> Lists/go planned
			create Lists/go`},
		{"directories there", listOf("", '/', nil, "INBOX", "Lists", "Lists/go"), listOf("", '/', nil, "INBOX", "Lists\t\\Noselect", "Lists/go"), `
			INBOX -> INBOX present
			Lists -> Lists planned
			Lists/go -> Lists/go present
			create Lists`},
		{"a name in a namespace of others there", listOf("", '.', nil, "INBOX", "shared.plans", "shared"), listOf("", '/', []string{"shared/", "Public/Lists/"}, "INBOX", "shared/x"), `
			INBOX -> INBOX present
			shared -> _shared planned
			shared.plans -> _shared/plans planned
			create _shared
			create _shared/plans`},
		{"a special folder that others share is not ours", listOf("", '/', nil, "INBOX", "Sent\t\\Sent"), listOf("", '/', []string{"shared/"}, "INBOX", "shared/Sent\t\\Sent"), `
			INBOX -> INBOX present
			Sent -> Sent planned
			create Sent \Sent`},
		{"a flat server", listOf("", '/', nil, "INBOX", "a/b", "a"), listOf("", 0, nil, "INBOX"), `
			INBOX -> INBOX present
			a -> a planned
			a/b -> a_b planned
			create a
			create a_b`},
		{"from a flat server", listOf("", 0, nil, "INBOX", "a/b", "a.b"), emptyNew, `
			INBOX -> INBOX present
			a.b -> a.b planned
			a/b -> a_b planned
			create a.b
			create a_b`},
		{"NFD and NFC", listOf("", '/', nil, "INBOX", enc("Cafe\u0301"), enc("Buro\u0308")), listOf("", '/', nil, "INBOX", enc("Bür"), enc("Burö")), `
			INBOX -> INBOX present
			` + enc("Buro\u0308") + ` -> ` + enc("Burö") + ` present
			` + enc("Cafe\u0301") + ` -> ` + enc("Café") + ` planned
			create ` + enc("Café")},
		{"listed twice", listOf("", '/', nil, "INBOX", "a", "Inbox", "a"), emptyNew, `
			INBOX -> INBOX present
			a -> a planned
			create a`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan := planTree(tt.old, tt.new, nil, config.Folders{})
			got := brief(plan)
			for i := range got {
				got[i] = strings.TrimSpace(got[i])
			}
			wantLines(t, got, tt.want)
			slices.Reverse(tt.old.Mailboxes)
			if again := planTree(tt.old, tt.new, nil, config.Folders{}); !slices.Equal(brief(again), brief(plan)) {
				t.Errorf("the order of the list matters:\n%s", strings.Join(brief(again), "\n"))
			}
		})
	}
}

func TestPlanTreeNotes(t *testing.T) {
	old := listOf("", '.', []string{"shared.", "Public."}, "INBOX", "a/b", "Gesendet", "shared.x", "shared.y", "Public.z", "All\t\\All", "foo", "Foo", "work")
	plan := planTree(old, listOf("", '/', nil, "INBOX", "Sent\t\\Sent", "WORK"), nil, config.Folders{})
	want := []string{
		`the shared namespace "Public." is not copied (1 of the old server's folders)`,
		`the shared namespace "shared." is not copied (2 of the old server's folders)`,
		`"Gesendet" goes to "Sent" on the new server (\Sent)`,
		`"a/b" is called "a_b" on the new server`,
		`"All" shows all mail: what lies in no other folder is copied to "Archive" on the new server`,
		`"foo" differs only in case from "Foo"; on a server that ignores case it gets another name if that one is another folder's`,
		`"work" differs only in case from "WORK"; on a server that ignores case it gets another name if that one is another folder's`,
	}
	if plan.Notes[0].Value("Folder") != "Public." || plan.Notes[2].Value("Folder") != "Gesendet" || plan.Notes[4].Value("Folder") != "All" {
		t.Errorf("notes are about other folders: %+v", plan.Notes)
	}
	if !slices.Equal(noteTexts(plan.Notes), want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(noteTexts(plan.Notes), "\n"), strings.Join(want, "\n"))
	}
}

// noteTexts are notes in English.
func noteTexts(notes []reason.Reason) []string {
	texts := make([]string, len(notes))
	for i, n := range notes {
		texts[i] = n.String()
	}
	return texts
}

// The rows' titles are for people.
func TestPlanTreeTitles(t *testing.T) {
	plan := planTree(listOf("INBOX.", '.', nil, "Inbox", "INBOX.Entw&APw-rfe", "INBOX.a.b"), emptyNew, nil, config.Folders{})
	var got []string
	for _, f := range plan.Folders {
		got = append(got, f.Title)
	}
	if want := []string{"INBOX", "Entwürfe", "a/b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCreateOnlyWithAUseNobodyHas(t *testing.T) {
	old := listOf("", '.', nil, "INBOX", "Sent\t\\Sent", "Trash\t\\Trash")
	plan := planTree(old, listOf("", '/', nil, "INBOX", "Deleted\t\\Trash"), []store.Folder{row("x", "Deleted", isPresent)}, config.Folders{})
	want := []FolderCreate{{"Sent", imap.MailboxAttrSent}, {"Trash", ""}}
	if !slices.Equal(plan.Create, want) {
		t.Errorf("got %v, want %v", plan.Create, want)
	}
}
