package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/demo/servers"
	"postferry/internal/lab/nameserver"
	"postferry/stage"
	"postferry/store"
	"postferry/store/bolt"
)

// arcServers are the demo's servers, with DNS beside them: two resolvers that remember nothing.
func arcServers(t *testing.T) (zone *nameserver.Zone, config, list string) {
	t.Helper()
	zone = nameserver.StartZone(t)
	addrs := []string{nameserver.StartResolver(t, zone).Addr, nameserver.StartResolver(t, zone).Addr}
	_, config, list = memoryServers(t, 0)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, strings.Replace(string(text), "[proxy]", "[watch]\nresolvers = [\""+strings.Join(addrs, `", "`)+"\"]\nquiet = \"1h\"\n[proxy]", 1))
	return zone, config, list
}

// withState opens the state of a configuration while nobody else has it.
func withState(t *testing.T, config string, fn func(*bolt.Store)) {
	t.Helper()
	st, err := bolt.Open(filepath.Join(filepath.Dir(config), "state"), bolt.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	fn(st)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

// advised wants an advice and returns it.
func advised(t *testing.T, config string, want stage.Stage, next string, status int) stage.Assessment {
	t.Helper()
	got, out, stderr := postferry(t, "", "advise", "-c", config, "--json", "example.org")
	var a stage.Assessment
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatalf("%v: %s%s", err, out, stderr)
	}
	if a.Stage != want || a.Next.Code != next || got != status {
		t.Errorf("status %d, %s, next %s (%s), want %d, %s, %s\n%s", got, a.Stage, a.Next.Code, a.Next.Text, status, want, next, a.Verdict.Text)
	}
	return a
}

// TestArc goes from the first check to the end: what to do next is right each time, only at the end
// the old server may be switched off, and after that nothing of it is contacted or remembered.
func TestArc(t *testing.T) {
	t.Parallel()
	zone, config, list := arcServers(t)
	oldMX, newMX := "example.org. 0 IN MX 10 mx.old.example.", "example.org. 0 IN MX 10 mx.new.example."
	hosts := []string{"mx.old.example. 0 IN A 192.0.2.1", "mx.new.example. 0 IN A 127.0.0.1", "imap.example.org. 0 IN A 127.0.0.1"}
	zone.Tell(append(hosts, oldMX)...)

	advised(t, config, stage.Preparing, "next_add", exitFailed)
	mustRun(t, "import", "-c", config, list)
	mustRun(t, "sync", "-c", config, "--dry-run")
	mustRun(t, "sync", "-c", config)
	advised(t, config, stage.ClientsSwitched, "next_mx_name", exitFailed)
	zone.Tell(append(hosts, newMX)...)
	a := advised(t, config, stage.Settling, "next_wait_quiet", exitFailed)
	if status, out, _ := postferry(t, "", "advise", "-c", config, "example.org"); status != exitFailed || !strings.Contains(out, "not yet, because") || !strings.Contains(out, "known at all DNS servers that answer (2 of 2)") {
		t.Errorf("status %d: %s", status, out)
	}
	withState(t, config, func(st *bolt.Store) { // two hours later
		if err := st.NoteNames(t.Context(), "example.org", store.NamesSeen{When: a.At, MX: a.At.Add(-2 * time.Hour), Clients: a.At}); err != nil {
			t.Fatal(err)
		}
	})
	mustRun(t, "sync", "-c", config)
	advised(t, config, stage.Settling, "next_verify", exitFailed)
	mustRun(t, "verify", "-c", config)
	advised(t, config, stage.Safe, "next_finish", exitOK)

	finishArc(t, config)
	advised(t, config, stage.Finished, "next_forget", exitOK)
	relayFinished(t, config)
	forgetArc(t, config, list)
}

// finishArc finishes the domain and looks at the report.
func finishArc(t *testing.T, config string) {
	t.Helper()
	page := filepath.Join(t.TempDir(), "report.html")
	if status, _, stderr := postferry(t, "", "finish", "-c", config, "example.org"); status != exitUsage || !strings.Contains(stderr, "--yes") {
		t.Errorf("without anybody to ask: %d %s", status, stderr)
	}
	out := mustRun(t, "finish", "-c", config, "--draft", "example.org")
	if !strings.Contains(out, "draft") || !strings.Contains(out, "1 perfect") {
		t.Errorf("the draft: %s", out)
	}
	out = mustRun(t, "finish", "-c", config, "--yes", "--html", page, "example.org")
	if !strings.Contains(out, "finished 1 account; report 1 is kept") {
		t.Errorf("finish says %s", out)
	}
	html, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(html), "<td>"+servers.Login+"</td><td class=\"perfect\">perfect</td>") {
		t.Errorf("%v: the page has\n%s", err, html)
	}
	if out := mustRun(t, "status", "-c", config, servers.Login); !strings.Contains(out, "finished") {
		t.Errorf("status: %s", out)
	}
	if status, _, stderr := postferry(t, "", "finish", "-c", config, "--yes", "example.org"); status != exitFailed || !strings.Contains(stderr, "nothing") && !strings.Contains(stderr, "no accounts to finish") {
		t.Errorf("once more: %d %s", status, stderr)
	}
	withState(t, config, func(st *bolt.Store) {
		got, err := st.Account(t.Context(), servers.Login)
		if err != nil || got.State != store.Finished || got.Old.Password != "" || got.New.Password != "" {
			t.Errorf("state %s, with a password: %v, %v", got.State, got.New.Password != "", err)
		}
	})
}

// relayFinished logs in through Postferry: the new server's password opens the mailbox, and
// is not kept.
func relayFinished(t *testing.T, config string) {
	t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(filepath.Dir(config), "state")
	d := startDaemon(t, strings.Replace(strings.Replace(string(text), `state = "state"`, "state = \""+state+"\"", 1), "[proxy]", "[proxy]\nallow_plaintext = true", 1))
	conn, err := imapclient.DialInsecure(d.IMAP(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Login(servers.Login, servers.Password).Wait(); err != nil {
		t.Errorf("the new server's password: %v", err)
	}
	box, err := conn.Select("INBOX", nil).Wait()
	if err != nil || box.NumMessages == 0 {
		t.Errorf("INBOX: %+v, %v", box, err)
	}
	conn.Close()
	d.Stop()
	withState(t, config, func(st *bolt.Store) {
		if got, err := st.Account(t.Context(), servers.Login); err != nil || got.New.Password != "" {
			t.Errorf("a password was kept: %v, %v", got.New.Password != "", err)
		}
	})
}

// forgetArc forgets the domain, of which only the report stays, and begins anew.
func forgetArc(t *testing.T, config, list string) {
	t.Helper()
	if status, _, _ := postferry(t, "", "forget", "-c", config, "example.org"); status != exitUsage {
		t.Errorf("without anybody to ask: status %d", status)
	}
	mustRun(t, "forget", "-c", config, "--yes", "example.org")
	if status, out, stderr := postferry(t, "", "status", "-c", config, servers.Login); status != exitUsage {
		t.Errorf("status %d: %s%s", status, out, stderr)
	}
	if out := mustRun(t, "report", "-c", config, "--csv", "-", "example.org"); !strings.Contains(out, servers.Login+",perfect,true,47,47,") {
		t.Errorf("the report: %s", out)
	}
	mustRun(t, "import", "-c", config, list)
	if status, _, stderr := postferry(t, "", "forget", "-c", config, "--yes", "example.org"); status != exitFailed || !strings.Contains(stderr, "still being copied") {
		t.Errorf("an account that is copied: %d %s", status, stderr)
	}
}

// TestFinishAsksAndLeaves: an account that needs a look is left, and finished if somebody accepts it.
func TestFinishAsksAndLeaves(t *testing.T) {
	t.Parallel()
	_, config, list := arcServers(t)
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, list, string(text)+"nobody@example.org wrong\n")
	mustRun(t, "import", "-c", config, list)
	status, out, stderr := postferry(t, "", "finish", "-c", config, "--yes", "example.org")
	if status != exitFailed || !strings.Contains(out, "needs a look  nobody@example.org") || !strings.Contains(out, "finished 1 account") || !strings.Contains(out, "1 account not finished") {
		t.Fatalf("status %d:\n%s%s", status, out, stderr)
	}
	out = mustRun(t, "finish", "-c", config, "--yes", "--accept", "nobody@example.org")
	if !strings.Contains(out, "finished 1 account; report 2") {
		t.Errorf("with --accept:\n%s", out)
	}
	if out = mustRun(t, "report", "-c", config, "--number", "2"); !strings.Contains(out, "approved by command line") {
		t.Errorf("report 2:\n%s", out)
	}
}
