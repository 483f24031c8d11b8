package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/console"
	"postferry/internal/demo/servers"
	"postferry/internal/spreadsheet"
	"postferry/report"
	"postferry/report/reason"
)

// TestVerifyAlone verifies the demo's move without a daemon: before it, after
// it, and after damage.
func TestVerifyAlone(t *testing.T) {
	t.Parallel()
	s, config, list := memoryServers(t, 0)
	mustRun(t, "import", "-c", config, list)

	status, stdout, stderr := postferry(t, "", "verify", "-c", config)
	if status != exitFailed || !strings.Contains(stdout, "folder-missing") || !strings.Contains(stdout, "0 the same") {
		t.Errorf("before: status %d\n%s%s", status, stdout, stderr)
	}
	mustRun(t, "sync", "-c", config)
	testVerified(t, config)

	remove(t, openInbox(t, s.New))
	status, stdout, stderr = postferry(t, "", "verify", "-c", config, servers.Login)
	if status != exitOK || !strings.Contains(inOneLine(stdout), "doubtful: 1 removed") || !strings.Contains(inOneLine(stdout), "was copied, is gone from the new server") {
		t.Errorf("damaged: status %d\n%s%s", status, stdout, stderr)
	}
	if status, _, _ := postferry(t, "", "verify", "-c", config, "--strict"); status != exitFailed {
		t.Errorf("damaged, strictly: status %d", status)
	}
}

// TestVerifyThroughDaemon does the same while a daemon holds the state.
func TestVerifyThroughDaemon(t *testing.T) {
	t.Parallel()
	_, config, list := memoryServers(t, 0)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, string(text))
	mustRun(t, "import", "-c", d.Config, list)
	mustRun(t, "sync", "-c", d.Config)
	testVerified(t, d.Config)
	if out := mustRun(t, "sync", "-c", d.Config, "--dry-run"); !strings.Contains(out, "at most 0 messages") {
		t.Errorf("dry run:\n%s", out)
	}
	if status, _, stderr := postferry(t, "", "verify", "-c", d.Config, "nobody@example.org"); status != exitUsage || !strings.Contains(stderr, "no such account") {
		t.Errorf("an unknown account: status %d, %s", status, stderr)
	}
	d.Stop()
}

// testVerified wants the demo's move to verify clean, in all forms.
func testVerified(t *testing.T, config string) {
	t.Helper()
	table := mustRun(t, "verify", "-c", config, "--bodies")
	if !strings.Contains(table, "1 account: 1 without damage, 0 with") || !strings.Contains(table, "47 the same") {
		t.Errorf("the table:\n%s", table)
	}
	file := filepath.Join(t.TempDir(), "report.csv")
	out := mustRun(t, "verify", "-c", config, "--json", "-", "--csv", file, servers.Login)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var last struct{ Summary console.VerifySummary }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if last.Summary.Result != console.ResultGood || last.Summary.Same != 47 || last.Summary.Good != 1 {
		t.Errorf("%+v", last.Summary)
	}
	for _, line := range lines {
		var event report.VerifyEvent
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.Finding != nil && event.Finding.Severity != report.Harmless {
			t.Errorf("%s (%v)", line, err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil || len(rows) == 0 || rows[0][3] != "kind" {
		t.Errorf("%v in %s", err, data)
	}
}

// TestVerifyUsage: mistakes are found before anything is done.
func TestVerifyUsage(t *testing.T) {
	_, config, list := memoryServers(t, 0)
	mustRun(t, "import", "-c", config, list)
	for _, args := range [][]string{
		{"--json", "-", "--csv", "-"},
		{"--csv", filepath.Join(t.TempDir(), "gone", "report.csv")},
		{"nobody@example.org"},
	} {
		if status, _, stderr := postferry(t, "", append([]string{"verify", "-c", config}, args...)...); status != exitUsage || stderr == "" {
			t.Errorf("%q: status %d, %s", args, status, stderr)
		}
	}
}

// TestVerifyReport prints what people see of damage.
func TestVerifyReport(t *testing.T) {
	synctest.Test(t, testVerifyReport)
}

func testVerifyReport(t *testing.T) {
	date := time.Date(2026, time.May, 4, 10, 0, 0, 0, time.UTC)
	var out, progress, lines, table bytes.Buffer
	r := console.NewVerifyReport(&out, &progress)
	asJSON, asCSV := console.NewExportJSON(&lines), console.NewExportCSV(&table)
	take := func(e report.VerifyEvent) {
		r.Take(e)
		if err := asJSON.Write(e); err != nil {
			t.Fatal(err)
		}
		if err := asCSV.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	found := report.FindingCounts{}
	finding := func(f report.Finding) {
		f.Login, f.Severity = "anna@example.com", f.Kind.Severity()
		found[f.Kind]++
		take(report.VerifyEvent{Finding: &f})
	}
	finding(report.Finding{Folder: "INBOX", NewFolder: "INBOX", Kind: report.Missing, OldUID: 7, Date: &date, Size: 12345, Reason: reason.Of(reason.Never)})
	finding(report.Finding{Folder: "Gesendet", NewFolder: "Sent", Kind: report.Dated, OldUID: 8, NewUID: 9, Date: &date, Size: 10, Old: "2026-05-04T10:00:00Z", New: "2001-01-01T00:00:00Z"})
	for range console.MostDoubtful + 2 {
		finding(report.Finding{Folder: "INBOX", NewFolder: "INBOX", Kind: report.Flagged, OldUID: 1, NewUID: 1, Date: &date, Size: 1, New: `\Seen`})
	}
	finding(report.Finding{Folder: "\x1b[31mnew", NewFolder: "new", Kind: report.FolderExtra})
	finding(report.Finding{Folder: "Old, \"quoted\"", NewFolder: "x", Kind: report.FolderMissing})
	time.Sleep(2 * console.ProgressEvery)
	take(report.VerifyEvent{Progress: &report.VerifyProgress{Accounts: 0, Of: 3, Messages: 1234, Login: "anna@example.com", Folder: "INBOX"}})
	take(report.VerifyEvent{Folder: &report.VerifiedFolder{Login: "anna@example.com", Folder: "INBOX", NewFolder: "INBOX", OldMessages: 20, NewMessages: 19, Same: 11}})
	take(report.VerifyEvent{Account: &report.VerifiedAccount{Login: "anna@example.com", Folders: 2, OldMessages: 20, NewMessages: 19, Same: 11, Found: found}})
	take(report.VerifyEvent{Account: &report.VerifiedAccount{Login: "bert@example.com", Problem: "The old server refused the password of this account.", Cause: "NO"}})
	take(report.VerifyEvent{Account: &report.VerifiedAccount{Login: "carla@example.com", Folders: 3, OldMessages: 5, NewMessages: 5, Same: 5, Found: report.FindingCounts{}}})
	s := r.End(false)
	if err := asJSON.End(s); err != nil {
		t.Fatal(err)
	}
	if err := asCSV.End(s); err != nil {
		t.Fatal(err)
	}
	golden(t, "verify.txt", append(progress.Bytes(), out.Bytes()...))
	golden(t, "verify.json", lines.Bytes())
	golden(t, "verify.csv", table.Bytes())
}

// TestVerifySummaryStrict: what is doubtful counts only with --strict.
func TestVerifySummaryStrict(t *testing.T) {
	for _, strict := range []bool{false, true} {
		r := console.NewVerifyReport(&bytes.Buffer{}, &bytes.Buffer{})
		r.Take(report.VerifyEvent{Account: &report.VerifiedAccount{Login: "anna@example.com", Found: report.FindingCounts{report.Flagged: 1, report.Extra: 5}}})
		if s := r.End(strict); (s.Result == console.ResultGood) == strict {
			t.Errorf("strict %t: %+v", strict, s)
		}
	}
}

// TestVerifyCSVHasNoFormulas: whoever can name a folder must not make the
// administrator's spreadsheet program compute.
func TestVerifyCSVHasNoFormulas(t *testing.T) {
	t.Parallel()
	s, config, list := memoryServers(t, 0)
	formulas := []string{`=HYPERLINK("http://evil.example","open")`, "+1", "-1", "@SUM(1)", "\uff1d1", `x;=1+1`}
	for _, name := range formulas {
		if err := openInbox(t, s.Old).Create(name, nil).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	mustRun(t, "import", "-c", config, list)
	file := filepath.Join(t.TempDir(), "report.csv")
	if status, _, stderr := postferry(t, "", "verify", "-c", config, "--csv", file); status != exitFailed {
		t.Errorf("status %d\n%s", status, stderr)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, row := range rows {
		for _, cell := range row {
			if cell != spreadsheet.Text(cell) {
				t.Errorf("a raw formula: %q", cell)
			}
		}
		folders = append(folders, row[1])
	}
	for _, name := range formulas {
		if !slices.Contains(folders, spreadsheet.Text(name)) {
			t.Errorf("no folder %q among %q", spreadsheet.Text(name), folders)
		}
	}
}
