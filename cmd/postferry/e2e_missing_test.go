package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/lab"
	"postferry/report"
	"postferry/store"
)

// webmail is what somebody does at the new server itself.
func webmail(t *testing.T, p *pair) *imapclient.Client { return p.new.Client(anna) }

// folderOf is what status says of a folder.
func folderOf(t *testing.T, config, title string) report.FolderStatus {
	t.Helper()
	_, accounts := statusOf(t, config)
	for _, f := range accounts[anna].Folders {
		if f.Title == title {
			return f
		}
	}
	t.Fatalf("status has no folder %q", title)
	return report.FolderStatus{}
}

// incomplete makes a pass that leaves something behind, and returns what it printed.
func incomplete(t *testing.T, config string) string {
	t.Helper()
	status, stdout, stderr := postferry(t, "", "sync", "-c", config)
	if status != exitFailed {
		t.Errorf("sync: status %d, want %d\n%s%s", status, exitFailed, stdout, stderr)
	}
	return stdout
}

// TestRenamedInWebmailWhileServing: a folder that somebody renames at the new server itself, while a
// client stays connected over many passes, gets its late mail under the new name.
func TestRenamedInWebmailWhileServing(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.old.FillMaildir(anna, "INBOX", lab.Generate(1, 5, 1000))
	p.old.FillMaildir(anna, "INBOX.Steuer", lab.Generate(2, 20, 1000))
	p.old.FillMaildir(anna, "INBOX.Steuer.Alt", lab.Generate(3, 7, 1000))
	p.sync = `interval = "1s"`
	d := p.serve()
	takeOverAll(t, d.Config, anna)
	c := p.login(d, anna) // before anything is copied, and stays
	eventually(t, "the first pass", func() bool { return messages(t, c, "Steuer") == 20 && messages(t, c, "Steuer/Alt") == 7 })
	syncAll(t, d.Config)
	if err := webmail(t, p).Rename("Steuer", "Finanzamt", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		p.arrives("INBOX.Steuer", fmt.Sprint("late ", i))
	}
	p.arrives("INBOX.Steuer.Alt", "late")
	other := p.new.Client(anna)
	eventually(t, "late mail in the renamed folders", func() bool {
		return messages(t, other, "Finanzamt") == 25 && messages(t, other, "Finanzamt/Alt") == 8
	})
	syncAll(t, d.Config)
	if p.new.Snapshot(anna).Folders["Steuer"] != nil {
		t.Error("Steuer was made again")
	}
	if f := folderOf(t, d.Config, "Steuer"); f.Name != "Finanzamt" || f.State != store.FolderPresent {
		t.Errorf("%+v", f)
	}
}

// TestRenamedInWebmailWhileFilled: the same while the folder is filled for the first time.
func TestRenamedInWebmailWhileFilled(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.old.FillMaildir(anna, "INBOX.Steuer", lab.Generate(2, 400, 4000))
	line := lab.FaultLine(t, p.new.IMAP, nil)
	p.newURL, p.newCA = "imap+insecure://"+line.Addr, false
	p.sync = `interval = "1s"`
	d := p.serve()
	takeOverAll(t, d.Config, anna)
	resume := stopUpload(t, line, 300_000)
	w := webmail(t, p)
	if err := w.Rename("Steuer", "Finanzamt", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	resume()
	eventually(t, "all mail in the renamed folder", func() bool { return messages(t, w, "Finanzamt") >= 400 })
	syncAll(t, d.Config)
	seen := map[string]int{}
	for _, f := range p.new.Snapshot(anna).Folders {
		for _, m := range f.Messages {
			seen[m.Sum]++
		}
	}
	for body, n := range seen {
		if n != 1 {
			t.Errorf("a message %d times: %s", n, body)
		}
	}
	if len(seen) != 400 {
		t.Errorf("%d different messages, want 400", len(seen))
	}
}

// TestMissingFolderIsTold: a folder that was made, not filled and deleted at the new server itself
// takes nothing with it: status, sync and verify tell, and a person decides.
func TestMissingFolderIsTold(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.old.FillMaildir(anna, "INBOX", lab.Generate(1, 5, 1000))
	p.old.FillMaildir(anna, "INBOX.Plan", lab.Generate(4, 30, 1000))
	config, text := filepath.Join(t.TempDir(), "config.toml"), p.config()
	writeFile(t, config, text)
	takeOverAll(t, config, anna)
	syncAll(t, config)
	w := webmail(t, p)
	if err := w.Delete("Plan").Wait(); err != nil {
		t.Fatal(err)
	}
	syncAll(t, config) // all of it had been copied: nothing is left out
	for i := range 5 {
		p.arrives("INBOX.Plan", fmt.Sprint("late ", i))
	}
	if out := incomplete(t, config); !strings.Contains(out, "5 messages do not come") {
		t.Errorf("sync:\n%s", out)
	}
	if f := folderOf(t, config, "Plan"); f.State != store.FolderMissing || f.LeftOut != 5 || f.Missing == nil || time.Since(*f.Missing) > time.Hour {
		t.Errorf("%+v", f)
	}
	if status, out, _ := postferry(t, "", "status", "-c", config, anna); status != exitOK || !strings.Contains(inOneLine(out), "missing on the new server since") || !strings.Contains(inOneLine(out), "5 messages do not come") {
		t.Errorf("status %d:\n%s", status, out)
	}
	if status, out, _ := postferry(t, "", "verify", "-c", config); status != exitFailed || !strings.Contains(out, "folder-missing") {
		t.Errorf("verify %d:\n%s", status, out)
	}
	if status, _, stderr := postferry(t, "", "folder", "deleted", "-c", config, anna, "INBOX"); status != exitUsage || !strings.Contains(stderr, "not missing") {
		t.Errorf("folder deleted INBOX: %d, %s", status, stderr)
	}
	if status, _, stderr := postferry(t, "", "folder", "deleted", "-c", config, anna, "Nothing"); status != exitUsage || !strings.Contains(stderr, "no folder is called") {
		t.Errorf("folder deleted Nothing: %d, %s", status, stderr)
	}

	if status, out, stderr := postferry(t, "", "folder", "recreate", "-c", config, anna, "Plan"); status != exitOK || !strings.Contains(out, "made again") {
		t.Fatalf("folder recreate: %d, %s%s", status, out, stderr)
	}
	syncAll(t, config)
	if n := messages(t, w, "Plan"); n != 35 {
		t.Errorf("%d messages in the folder made again, want 35", n)
	}
	p.sameMail(anna)

	if err := w.Delete("Plan").Wait(); err != nil {
		t.Fatal(err)
	}
	p.arrives("INBOX.Plan", "later")
	d := startDaemon(t, text) // through the daemon this time
	takeOverAll(t, d.Config, anna)
	syncAll(t, d.Config) // with a state of its own: made once more
	if err := w.Delete("Plan").Wait(); err != nil {
		t.Fatal(err)
	}
	p.arrives("INBOX.Plan", "latest")
	incomplete(t, d.Config)
	if status, out, stderr := postferry(t, "", "folder", "deleted", "-c", d.Config, anna, "Plan"); status != exitOK || !strings.Contains(out, "the daemon begins a pass") {
		t.Fatalf("folder deleted: %d, %s%s", status, out, stderr)
	}
	syncAll(t, d.Config)
	if f := folderOf(t, d.Config, "Plan"); f.State != store.FolderDeleted {
		t.Errorf("%+v", f)
	}
	if p.new.Snapshot(anna).Folders["Plan"] != nil {
		t.Error("Plan was made again")
	}
}
