package foldertree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postferry/config"
	"postferry/report/reason"
	"postferry/store"
)

// Why they are left alone.
var long, deep = reason.Of(reason.LeftLong), reason.Of(reason.LeftDeep)

// oddNames are folders of a hostile server, and why they are left alone; "" for not at all.
var oddNames = map[string]reason.Reason{
	strings.Repeat("&", 64<<10) + "-":               long,
	strings.Repeat("a/", 16_000) + "a":              long,
	strings.Repeat("&AGE-", 20_000):                 long,
	strings.Repeat("x", maxName+1):                  long,
	strings.Repeat("x", maxName):                    "",
	strings.Repeat("/", maxLevels):                  deep,
	strings.Repeat("a/", maxLevels) + "a":           deep,
	strings.Repeat("b/", maxLevels-1) + "b":         "",
	strings.Repeat("&", maxName-1) + "-":            "",
	strings.Repeat("&AOQ-&-", 100):                  "",
	strings.Repeat("\x01", 300):                     "",
	"INBOX/" + strings.Repeat("Entw&APw-rfe/", 200): long,
	"INBOX/" + strings.Repeat("&APw-/", 150):        deep,
}

// plain is a tree with delimiter "/".
func plain(names ...string) Tree { return listOf("", '/', nil, names...) }

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
		f, ok := rows[KnownAs(name)]
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
		t.Errorf("again: %q", again.Notes)
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
	wish := Wishes{config.Folders{Skip: []string{"Backup"}, Map: map[string]string{"Mapped/a/b/c": "m"}}, 10}
	plan, err := Plan(t.Context(), old, emptyNew, nil, wish)
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
	if text := fmt.Sprint(plan.Notes); !strings.Contains(text, "these 53 are more folders than the 10") {
		t.Error(text)
	}
	others := plain("INBOX", "other", "another\t\\Trash")
	again, err := Plan(t.Context(), others, emptyNew, numbered(plan), wish)
	if err != nil || len(again.Create) > 0 || again.Omitted != 2 {
		t.Errorf("%v, %q, %d omitted", err, brief(again), again.Omitted)
	}
	wish.MaxFolders = 100
	more, err := Plan(t.Context(), old, emptyNew, numbered(plan), wish)
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
	plan, err := Plan(t.Context(), old, emptyNew, nil, Wishes{config.Folders{Skip: []string{"Backup"}}, 20})
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
	_, err := Plan(ctx, old, emptyNew, nil, Wishes{Folders: config.Folders{Skip: []string{"*a*a*a*b*"}}})
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 30*time.Second { // half an hour without
		t.Errorf("%v after %v", err, took)
	}
}
