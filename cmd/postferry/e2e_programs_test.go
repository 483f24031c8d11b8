package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestProgramsWhileItFills runs programs that keep a copy of a folder twice while it is being filled, and then
// at the new server directly. None of them fetches a message a second time, and all of them end with all messages.
func TestProgramsWhileItFills(t *testing.T) {
	t.Parallel()
	const total = 240
	p := startPair(t, anna, blocker)
	p.old.FillMaildir(anna, "INBOX", unflagged(6, total, 300)) // each program makes something else of flags
	p.proxy = "visit_order = \"newest\"\nvisit_wait = \"1s\""
	p.domain = "account_limits.messages_per_second = 30"
	d := p.serveBlocked()
	c := p.login(d, anna)
	choose(t, c, "INBOX")
	programs := map[string]copyingProgram{
		"offlineimap": &mirrorProgram{p: p, dir: t.TempDir(), pull: p.offlineimapIn},
		"imaplib":     &scriptedProgram{p: p, cache: filepath.Join(t.TempDir(), "cache.json")},
	}
	early := 0
	for run, addr := range []string{d.IMAPS(), d.IMAPS(), p.new.IMAPS} {
		if run == 2 {
			direct := p.new.Client(anna)
			eventually(t, "all mail", func() bool { return messages(t, direct, "INBOX") == total })
		}
		for name, program := range programs {
			if again := program.run(addr); again > 0 {
				t.Errorf("run %d of %s fetched %d messages a second time", run+1, name, again)
			}
			n, once := program.has()
			t.Logf("run %d of %s: %d messages", run+1, name, n)
			if n != once || n == 0 || run == 2 && n != total {
				t.Errorf("run %d of %s: %d messages, %d different ones", run+1, name, n, once)
			}
			if run == 0 && n < total {
				early++
			}
		}
	}
	if early == 0 {
		t.Error("no program came before all messages did")
	}
}

// copyingProgram is one that keeps a copy of INBOX.
type copyingProgram interface {
	// run brings the copy up to date, and tells how many messages it has fetched that it had.
	run(addr string) (again int)
	// has is how many messages it has, and how many different ones.
	has() (n, once int)
}

func (m *mirrorProgram) has() (n, once int) {
	all := m.all()
	return len(all), len(slices.Compact(slices.Clone(all)))
}

// offlineimapIn brings the mirror in a folder up to date.
func (p *pair) offlineimapIn(dir, addr string) {
	p.t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		p.t.Fatal(err)
	}
	writeFile(p.t, dir+"/password", odd)
	writeFile(p.t, dir+"/config", fmt.Sprintf(`[general]
metadata = %[1]s/state
accounts = all
[Account all]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = %[1]s/mail
[Repository far]
type = IMAP
remotehost = localhost
remoteport = %[2]s
remoteuser = %[3]s
remotepassfile = %[1]s/password
ssl = yes
sslcacertfile = %[4]s
auth_mechanisms = PLAIN
readonly = True
folderfilter = lambda name: name == 'INBOX'
`, dir, port, anna, p.ca.File))
	if err := os.MkdirAll(dir+"/mail", 0o700); err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), "offlineimap", "-o", "-u", "basic", "-c", dir+"/config")
	cmd.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C.UTF-8")
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("offlineimap: %v\n%s", err, out)
	}
}

// scriptedProgram is a script with Python's imaplib.
type scriptedProgram struct {
	p       *pair
	cache   string
	n, once int
}

func (s *scriptedProgram) run(addr string) (again int) {
	t := s.p.t
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "python3", "testdata/imaplib_cache.py", port, anna, odd, s.p.ca.File, s.cache).CombinedOutput()
	if err != nil {
		t.Fatalf("imaplib: %v\n%s", err, out)
	}
	if _, err := fmt.Sscan(string(out), &again, &s.n, &s.once); err != nil {
		t.Fatalf("imaplib: %v\n%s", err, out)
	}
	return again
}

func (s *scriptedProgram) has() (n, once int) { return s.n, s.once }
