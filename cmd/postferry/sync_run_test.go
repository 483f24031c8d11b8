package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postferry/internal/control"
	"postferry/internal/demo/servers"
	"postferry/report"
)

// memoryServers starts the demo's two servers and returns them with a
// configuration between them and a list with the one account.
func memoryServers(t *testing.T, pause time.Duration) (s *servers.Pair, config, list string) {
	t.Helper()
	s, err := servers.Start(pause)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	dir := t.TempDir()
	config, list = filepath.Join(dir, "config.toml"), filepath.Join(dir, "accounts")
	writeFile(t, config, fmt.Sprintf("state = \"state\"\n[admin]\nlisten = \"\"\n[proxy]\nimaps = \"127.0.0.1:0\"\nimap = \"127.0.0.1:0\"\n"+
		"[[domain]]\nname = \"example.org\"\nold = %q\nnew = %q\n", s.Old.URL(), s.New.URL()))
	writeFile(t, list, fmt.Sprintf("%s %q\n", servers.Login, servers.Password))
	return s, config, list
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// mustRun runs a command line that has to succeed and returns its output.
func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	status, stdout, stderr := postferry(t, "", args...)
	if status != exitOK {
		t.Fatalf("postferry %s: status %d\n%s\n%s", strings.Join(args, " "), status, stdout, stderr)
	}
	return stdout
}

// checkMoved wants everything of the demo's mailbox on its new server.
func checkMoved(t *testing.T, s *servers.Pair) {
	t.Helper()
	var contents []map[string]servers.Contents
	for _, server := range []*servers.Server{s.Old, s.New} {
		e, err := server.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		c, err := e.Contents()
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, c)
	}
	for _, f := range servers.Folders() {
		if err := contents[0][f.Name].Same(contents[1][f.NewName]); err != nil {
			t.Errorf("%s: %v", f.NewName, err)
		}
	}
}

// TestSyncAlone imports, copies and asks without a daemon.
func TestSyncAlone(t *testing.T) {
	t.Parallel()
	s, config, list := memoryServers(t, 40*time.Millisecond) // so that there is progress to be told
	mustRun(t, "import", "-c", config, list)
	first := mustRun(t, "sync", "-c", config)
	if !strings.Contains(first, "1 account: 1 complete, 0 incomplete; 47 messages copied") {
		t.Errorf("the first pass says\n%s", first)
	}
	if !strings.Contains(first, servers.Login+": started") {
		t.Errorf("no progress in\n%s", first)
	}
	checkMoved(t, s)
	second := mustRun(t, "sync", "-c", config, servers.Login)
	if !strings.Contains(second, "1 account: 1 complete, 0 incomplete; 0 messages copied") {
		t.Errorf("the second pass says\n%s", second)
	}
	checkMoved(t, s)
	checkComplete(t, config)
}

// checkComplete wants the status to say that all is well.
func checkComplete(t *testing.T, config string) {
	t.Helper()
	var got struct {
		Totals   control.StatusTotals
		Accounts []control.AccountStatus
	}
	if err := json.Unmarshal([]byte(mustRun(t, "status", "-c", config, "--json", servers.Login)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Totals.Complete != 1 || got.Totals.Messages != 47 || got.Totals.Copied != 47 || len(got.Accounts) != 1 {
		t.Fatalf("totals %+v", got.Totals)
	}
	folders := make(map[string]report.FolderStatus)
	for _, f := range got.Accounts[0].Folders {
		folders[f.Title] = f
	}
	for _, f := range servers.Folders() {
		if got := folders[f.Name]; got.Name != f.NewName || got.Copied != uint64(len(f.Subjects)) {
			t.Errorf("%s: %+v", f.Name, got)
		}
	}
	table := mustRun(t, "status", "-c", config, servers.Login)
	if !strings.Contains(table, "as Sent") || !strings.Contains(table, "complete") {
		t.Errorf("the table:\n%s", table)
	}
}

// TestSyncThroughDaemon does the same while a daemon holds the state.
func TestSyncThroughDaemon(t *testing.T) {
	t.Parallel()
	s, config, list := memoryServers(t, 0)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, string(text))
	if out := mustRun(t, "import", "-c", d.Config, list); out != "1 account added, 0 updated\n" {
		t.Errorf("import says %q", out)
	}
	out := mustRun(t, "sync", "-c", d.Config, servers.Login)
	if !strings.Contains(out, "1 account: 1 complete, 0 incomplete") {
		t.Errorf("sync says\n%s", out)
	}
	checkMoved(t, s)
	checkComplete(t, d.Config)
	d.Stop()
	if strings.Contains(d.Log(), servers.Password) {
		t.Error("the password is in the log")
	}
}

// TestSyncInterrupted stops a pass that waits for a server without words.
func TestSyncInterrupted(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dir := t.TempDir()
	config, list := filepath.Join(dir, "config.toml"), filepath.Join(dir, "accounts")
	url := "imap+insecure://" + silent.Addr().String()
	writeFile(t, config, fmt.Sprintf("state = \"state\"\n[[domain]]\nname = \"example.org\"\nold = %q\nnew = %q\n", url, url))
	writeFile(t, list, "anna@example.org hush-0f-anna\n")
	mustRun(t, "import", "-c", config, list)

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, "sync", "-c", config)
	cmd.Env = append(os.Environ(), runEnv+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := silent.Accept() // now it waits for a greeting
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != exitInterrupted || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("status %d, %q", status, &stderr)
	}
}

// TestSyncAfterFix wants a refused password to be reported, and tried again
// once the list is imported with the right one, or a pass is asked for.
func TestSyncAfterFix(t *testing.T) {
	t.Parallel()
	s, config, list := memoryServers(t, 0)
	writeFile(t, list, servers.Login+" wrong\n")
	mustRun(t, "import", "-c", config, list)
	status, stdout, _ := postferry(t, "", "sync", "-c", config)
	if status != exitFailed || !strings.Contains(stdout, "needs attention") {
		t.Errorf("with a wrong password: status %d\n%s", status, stdout)
	}
	table := mustRun(t, "status", "-c", config)
	if !strings.Contains(table, "1 with a problem") || !strings.Contains(table, "needs attention") {
		t.Errorf("the status:\n%s", table)
	}
	writeFile(t, list, fmt.Sprintf("%s %q\n", servers.Login, servers.Password))
	mustRun(t, "import", "-c", config, list)
	mustRun(t, "sync", "-c", config)
	checkMoved(t, s)
	checkComplete(t, config)
}
