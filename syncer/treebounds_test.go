package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
)

// oddNames are folders of a hostile server, and why they are left alone; "" for not at all.
var oddNames = map[string]string{
	strings.Repeat("&", 64<<10) + "-":               noteLong,
	strings.Repeat("a/", 16_000) + "a":              noteLong,
	strings.Repeat("&AGE-", 20_000):                 noteLong,
	strings.Repeat("x", maxName+1):                  noteLong,
	strings.Repeat("x", maxName):                    "",
	strings.Repeat("/", maxLevels):                  noteDeep,
	strings.Repeat("a/", maxLevels) + "a":           noteDeep,
	strings.Repeat("b/", maxLevels-1) + "b":         "",
	strings.Repeat("&", maxName-1) + "-":            "",
	strings.Repeat("&AOQ-&-", 100):                  "",
	strings.Repeat("\x01", 300):                     "",
	"INBOX/" + strings.Repeat("Entw&APw-rfe/", 200): noteLong,
	"INBOX/" + strings.Repeat("&APw-/", 150):        noteDeep,
}

// plain is a tree with delimiter "/".
func plain(names ...string) Side { return tree("", '/', nil, names...) }

// numbered gives rows that are new a number, as the store does.
func numbered(plan TreePlan) []store.Folder {
	rows := slices.Clone(plan.Folders)
	for i := range rows {
		rows[i].ID = store.FolderID(i + 1)
	}
	return rows
}

// A folder whose name is too long or has too many parts is left alone, with a row that
// says so; its neighbours are made. The next look finds nothing new.
func TestOddNamesAreLeftOut(t *testing.T) {
	old := plain("INBOX", "Work")
	for name := range oddNames {
		old.Mailboxes = append(old.Mailboxes, plain(name).Mailboxes...)
	}
	began := time.Now()
	plan := planTree(old, emptyNew, nil, config.Folders{Skip: []string{"*a*a*a*b*"}})
	if took := time.Since(began); took > 30*time.Second { // half an hour without
		t.Errorf("took %v", took)
	}
	rows := map[string]store.Folder{}
	for _, f := range plan.Folders {
		rows[f.Old] = f
		if len(f.Old) > maxName || strings.Contains(f.Title, "...") && len(f.Title) > 3*shownName {
			t.Errorf("a row of %d octets, with a title of %d", len(f.Old), len(f.Title))
		}
	}
	for name, why := range oddNames {
		f, ok := rows[knownAs(name)]
		if left := f.State == store.FolderSkipped; !ok || f.Note != why || left != (why != "") {
			t.Errorf("%.40q of %d octets: %v %q %q, want %q", name, len(name), ok, f.State, f.Note, why)
		}
	}
	if rows["Work"].State != store.FolderPlanned || len(plan.Folders) != len(oddNames)+2 || plan.Omitted != 0 {
		t.Errorf("%d rows, Work is %q, %d omitted", len(plan.Folders), rows["Work"].State, plan.Omitted)
	}
	again := planTree(old, emptyNew, numbered(plan), config.Folders{Skip: []string{"*a*a*a*b*"}})
	for _, f := range again.Folders {
		if f.State != store.FolderPlanned { // those are not made yet
			t.Errorf("again: %+v", f)
		}
	}
	if len(again.Notes) > 0 {
		t.Errorf("again: %q", noteTexts(again.Notes))
	}
}

// A folder that was copied before its name was found too long keeps its row.
func TestLongNameThatWasKnown(t *testing.T) {
	name := strings.Repeat("x", maxName+1)
	old := plain("INBOX", name)
	plan := planTree(old, plain("INBOX", "x"), []store.Folder{row("INBOX", "INBOX", isPresent), row(name, "x", isPresent)}, config.Folders{})
	if len(plan.Folders) != 1 || plan.Folders[0].Old != name || plan.Folders[0].New != "x" || plan.Folders[0].State != store.FolderSkipped {
		t.Errorf("%.100q", brief(plan))
	}
}

// Of thousands of such folders some have rows; the others are counted.
func TestManyLongNames(t *testing.T) {
	old := plain("INBOX")
	for i := range 3 * maxLong {
		old.Mailboxes = append(old.Mailboxes, plain(strings.Repeat("x", maxName)+fmt.Sprint(i)).Mailboxes...)
	}
	plan := planTree(old, emptyNew, nil, config.Folders{})
	if len(plan.Folders) != maxLong+1 || plan.Omitted != 2*maxLong {
		t.Errorf("%d rows, %d omitted", len(plan.Folders), plan.Omitted)
	}
}

// Names that differ only in what the new server can't have are told apart, also where there
// are more of them than short hashes.
func TestManyAlikeNames(t *testing.T) {
	old := plain("INBOX")
	const many = 70_000
	for i := range many {
		name := strings.Map(func(r rune) rune { return r - '0' + 0x0e }, fmt.Sprintf("%05d", i))
		old.Mailboxes = append(old.Mailboxes, plain("x"+name+"x").Mailboxes...)
	}
	names := map[string]bool{}
	for _, c := range planTree(old, emptyNew, nil, config.Folders{}).Create {
		names[c.Name] = true
	}
	if len(names) != many {
		t.Errorf("%d names for %d folders", len(names), many)
	}
}

// No more folders are made for an account than the configuration allows. Which
// ones stays: a server that shows others each time gets no more.
func TestMaxFolders(t *testing.T) {
	names := []string{"Sent\t\\Sent", "Deep/er/x/y", "Mapped/a/b/c"}
	for i := range 30 {
		names = append(names, fmt.Sprintf("%02d", i), fmt.Sprintf("Deep/%02d", i))
	}
	old := plain(append(names, "INBOX", "Backup/1", "Backup/2")...)
	wish := wishes{config.Folders{Skip: []string{"Backup"}, Map: map[string]string{"Mapped/a/b/c": "m"}}, 10}
	plan, err := planFolders(t.Context(), old, emptyNew, nil, wish)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"INBOX", "00", "01", "02", "03", "04", "05", "06", "07", "Backup/1", "Backup/2", "Mapped/a/b/c", "Sent"}
	var got []string
	for _, f := range plan.Folders {
		got = append(got, f.Old)
	}
	if !slices.Equal(got, want) || len(plan.Create) != 10 || plan.Omitted != 53 {
		t.Errorf("%q, %d to make, %d omitted", got, len(plan.Create), plan.Omitted)
	}
	if text := fmt.Sprint(noteTexts(plan.Notes)); !strings.Contains(text, "these 53 are more folders than the 10") {
		t.Error(text)
	}
	others := plain("INBOX", "other", "another\t\\Trash")
	again, err := planFolders(t.Context(), others, emptyNew, numbered(plan), wish)
	if err != nil || len(again.Create) > 0 || again.Omitted != 2 {
		t.Errorf("%v, %q, %d omitted", err, brief(again), again.Omitted)
	}
	wish.maxFolders = 100
	more, err := planFolders(t.Context(), old, emptyNew, numbered(plan), wish)
	if err != nil || len(more.Create) != 63 || more.Omitted != 0 {
		t.Errorf("%v, %d to make, %d omitted", err, len(more.Create), more.Omitted)
	}
}

// Folders that are left alone on purpose get rows up to that number.
func TestManyFoldersLeft(t *testing.T) {
	old := plain("INBOX")
	for i := range 50 {
		old.Mailboxes = append(old.Mailboxes, plain(fmt.Sprintf("Backup/%d", i)).Mailboxes...)
	}
	plan, err := planFolders(t.Context(), old, emptyNew, nil, wishes{config.Folders{Skip: []string{"Backup"}}, 20})
	if err != nil || len(plan.Folders) != 21 || plan.Omitted != 0 || len(plan.Rowless) != 30 {
		t.Errorf("%v, %d rows, %d omitted, %d without", err, len(plan.Folders), plan.Omitted, len(plan.Rowless))
	}
}

// A look at a hundred thousand folders ends with its context.
func TestPlanSeesContext(t *testing.T) {
	old := plain("INBOX")
	for i := range 100_000 {
		old.Mailboxes = append(old.Mailboxes, plain(strings.Repeat("a/", 90)+fmt.Sprint(i)).Mailboxes...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := planFolders(ctx, old, emptyNew, nil, wishes{Folders: config.Folders{Skip: []string{"*a*a*a*b*"}}})
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 30*time.Second { // half an hour without
		t.Errorf("%v after %v", err, took)
	}
}

// Odd names from a real connection: they are left out and named, the neighbours are copied.
func TestOddNamesOnTheWire(t *testing.T) {
	t.Parallel()
	r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{})
	left := 0
	for name, why := range oddNames {
		if why != "" && !strings.HasPrefix(name, "INBOX") {
			r.old.Create(name)
			left++
		}
	}
	r.start(false)
	began := time.Now()
	r.complete(oddTotal())
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	r.arrived(nil)
	rows, err := r.store.Folders(t.Context(), r.account.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rows {
		if f.State == store.FolderSkipped {
			left--
			if kind, _ := WhyLeft(f.Note); kind != LeftLong && kind != LeftDeep {
				t.Errorf("%.40q is left out: %q", f.Old, f.Note)
			}
		}
	}
	if left != 0 {
		t.Errorf("%d folders are not named as left out", left)
	}
}

// wantOmitted wants verification and dry run to tell that so many folders are left behind.
func (r *oddRig) wantOmitted(n int) {
	r.t.Helper()
	var told []string
	err := Verification{Config: r.cfg, Store: r.store, Log: zerolog.Nop(), Tell: func(e VerifyEvent) error {
		if e.Finding != nil && e.Finding.Kind == FolderMissing {
			told = append(told, e.Finding.Reason)
		}
		return nil
	}}.Run(r.t.Context(), nil)
	if want := fmt.Sprintf("[%s: %d are left out]", noteOmitted, n); err != nil || fmt.Sprint(told) != want {
		r.t.Errorf("verified: %v, %q, want %q", err, told, want)
	}
	err = DryRun{Config: r.cfg, Store: r.store, Log: zerolog.Nop(), Tell: func(p AccountPlan) error {
		if text := fmt.Sprint(p.Notes); !strings.Contains(text, fmt.Sprintf("these %d are more", n)) || len(p.Folders) != 3+8-2 {
			r.t.Errorf("planned: %d folders, %s", len(p.Folders), text)
		}
		return nil
	}}.Run(r.t.Context(), nil)
	if err != nil {
		r.t.Error(err)
	}
}

// Names that the new server refuses at every level of a deep tree are each replaced, and
// all below them follow.
func TestRefusedAtEveryLevel(t *testing.T) {
	const deep, many = 40, 500
	chain := strings.Repeat("%/", deep-1) + "%"
	old := plain("INBOX")
	for i := range deep {
		old.Mailboxes = append(old.Mailboxes, plain(chain[:2*i+1]).Mailboxes...)
	}
	for i := range many {
		old.Mailboxes = append(old.Mailboxes, plain(fmt.Sprintf("%s/%d", chain, i)).Mailboxes...)
	}
	plan := planTree(old, emptyNew, nil, config.Folders{})
	m := newMaker(nil, emptyNew, nil, &plan, zerolog.Nop())
	for i := range deep {
		c := &plan.Create[i]
		name := c.Name[:len(c.Name)-1] + "_"
		if !m.free(c.Name, name) {
			t.Fatalf("%q is taken", name)
		}
		m.rename(c, name, errNotMade)
	}
	for _, f := range plan.Folders[1:] {
		if strings.Contains(f.New, "%") || m.meant[foldedKey(f.New)] != 1 {
			t.Errorf("%q is called %q, which %d are", f.Old, f.New, m.meant[foldedKey(f.New)])
		}
	}
}

// More folders than are made for an account are its trouble, told in a sentence; what
// is within the bound is copied.
func TestTooManyFolders(t *testing.T) {
	t.Parallel()
	r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{})
	r.cfg.Sync.MaxFolders = 8
	for i := range 40 {
		r.old.Create(fmt.Sprintf("Z%02d", i))
	}
	r.start(false)
	for range 2 {
		res := r.sync()
		if res.Problem == nil || res.Problem.Kind != store.TooManyFolders || res.Pass.Complete ||
			!strings.Contains(res.Problem.Summary, "34 folders") || !strings.Contains(res.Problem.Summary, "8") {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
	}
	r.arrived(nil)
	r.wantOmitted(34)
	if n := r.new.Count("CREATE"); n != 8 {
		t.Errorf("%d folders were made", n)
	}
}
