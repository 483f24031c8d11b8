package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"postferry/internal/backend"
	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/internal/table"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// statusState is a state with an account of every kind.
func statusState(t *testing.T) (store.Store, map[store.AccountID]report.Live) {
	t.Helper()
	st := openState(t, t.TempDir())
	ctx := t.Context()
	at := func(minute int) time.Time { return time.Date(2026, time.May, 4, 10, minute, 0, 0, time.UTC) }
	accounts, _, err := st.PutAccounts(ctx, []store.Account{
		{Domain: "example.com", Login: "anna@example.com", Origin: store.Imported, State: store.Active},
		{Domain: "example.com", Login: "bert@example.com", Origin: store.Enrolled, State: store.Active, Problem: &store.Problem{
			Summary: reason.Said("The old server refuses the password: correct it in the list and import it again"),
			Cause:   "NO [AUTHENTICATIONFAILED] no", Advice: store.NeedsFix, Folder: "Sent/Österreich", Since: at(3),
		}},
		{Domain: "example.com", Login: "carla@example.com", Origin: store.Imported, State: store.Stopped},
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range accounts[:2] {
		folders, err := st.PutFolders(ctx, a.ID, []store.Folder{
			{Old: "INBOX", New: "INBOX", Title: "INBOX", State: store.FolderPresent},
			{Old: "Sent.&ANY-sterreich", New: "Sent/&ANY-sterreich", Title: "Sent/Österreich", State: store.FolderPlanned},
			{Old: "[Gmail].All", New: "", Title: "All\x1b[31m", State: store.FolderSkipped},
		})
		check(err)
		check(st.Commit(ctx, store.Batch{
			Account: a.ID, Folder: folders[0].ID,
			Proofs:     []store.Entry{{Key: "11111111", UIDValidity: 1, UID: 1}, {Key: "11111112", UIDValidity: 1, UID: 2}},
			Quarantine: []store.Quarantined{{Key: "11111113", Reason: reason.Said("refused"), Since: at(1), Last: at(2), Attempts: 1}},
			Checkpoint: &store.Checkpoint{UIDValidity: 5, UIDNext: 4, Messages: 4, Checked: at(2)},
		}))
		check(st.SetMessages(ctx, a.ID, 4))
	}
	check(st.AddPass(ctx, accounts[0].ID, store.Pass{Started: at(0), Ended: at(1), Complete: true, Copied: 600, Bytes: 6000}))
	check(st.AddPass(ctx, accounts[1].ID, store.Pass{Started: at(0), Ended: at(2), Copied: 60, Adopted: 1, FlagChanges: 2, Bytes: 600, Error: reason.Said("refused")}))
	left := 3 * time.Second
	live := map[store.AccountID]report.Live{
		accounts[0].ID: {Account: accounts[0].ID, Running: true, Folder: "INBOX", Done: 3, Total: 9,
			OctetsDone: 3000, OctetsTotal: 9000, Rate: report.Rate{Messages: 2, Octets: 2000}, Remaining: &left},
	}
	return st, live
}

// showTo collects a status with a printer.
func showTo(t *testing.T, p console.StatusPrinter, query control.StatusQuery) {
	t.Helper()
	st, live := statusState(t)
	accounts, err := st.Overview(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	c := backend.Collector{Store: st, Live: live, Query: query}
	if err := c.Collect(t.Context(), accounts, p.Print); err != nil {
		t.Fatal(err)
	}
	if err := p.End(); err != nil {
		t.Fatal(err)
	}
}

// TestStatusJSON keeps the shape that programs rely on.
func TestStatusJSON(t *testing.T) {
	var out bytes.Buffer
	showTo(t, console.NewStatusJSON(&out), control.StatusQuery{Folders: true})
	if !json.Valid(out.Bytes()) {
		t.Error("not JSON")
	}
	golden(t, "status.json", out.Bytes())
}

// TestStatusTable keeps the tables people read; no terminal is upset by names, and only what is asked
// for wide is wider than one.
func TestStatusTable(t *testing.T) {
	for _, tt := range []struct {
		golden string
		wide   bool
		query  control.StatusQuery
	}{
		{"status.txt", false, control.StatusQuery{Folders: true}},
		{"status_wide.txt", true, control.StatusQuery{Folders: true}},
		{"status_problems.txt", false, control.StatusQuery{Problems: true}},
		{"status_stopped.txt", false, control.StatusQuery{States: []string{"stopped", "waiting"}}},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			var out bytes.Buffer
			showTo(t, console.NewStatusTable(&out, tt.wide), tt.query)
			if bytes.ContainsRune(out.Bytes(), '\x1b') {
				t.Error("an escape sequence came through")
			}
			for line := range strings.SplitSeq(out.String(), "\n") {
				if n := runewidth.StringWidth(line); !tt.wide && n > table.Width {
					t.Errorf("%d cells: %s", n, line)
				}
			}
			golden(t, tt.golden, out.Bytes())
		})
	}
}

// TestStatusJSONEmpty wants an object with no accounts, too.
func TestStatusJSONEmpty(t *testing.T) {
	var out bytes.Buffer
	p := console.NewStatusJSON(&out)
	if err := p.Print(control.StatusRecord{Totals: &control.StatusTotals{}}); err != nil {
		t.Fatal(err)
	}
	if err := p.End(); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Totals   control.StatusTotals
		Accounts []control.AccountStatus
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Accounts == nil {
		t.Errorf("%s: %v", &out, err)
	}
}
