package main

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
)

// TestStoppedWhileCopying stops the daemon in peace a few times while it
// copies, and wants every message once in the end.
func TestStoppedWhileCopying(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.old.FillMaildir(anna, "INBOX", lab.Generate(1, 300, 4000))
	p.old.FillMaildir(anna, "INBOX.Mehr", lab.Mixed(2, 300))
	line := lab.FaultLine(t, p.new.IMAP, nil)
	p.newURL, p.newCA = "imap+insecure://"+line.Addr, false
	p.sync = `interval = "1s"`
	d := p.serve()
	takeOverAll(t, d.Config, anna)
	for n := range 4 {
		resume := stopUpload(t, line, 1+rand.Int64N(300_000))
		resume()
		wait(t, rand.N(10*time.Millisecond))
		d.Stop()
		if n == 1 { // in between, a sync without the daemon
			syncAll(t, d.Config)
			p.old.FillMaildir(anna, "INBOX", lab.Generate(3, 300, 4000))
		}
		d.Restart()
	}
	syncAll(t, d.Config)
	p.sameMail(anna)
}

// TestStateLost loses all that is remembered, and wants the next pass to find
// its copies again, those of a message that is there twice included.
func TestStateLost(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	mail := lab.Generate(1, 200, 1000)
	p.old.FillMaildir(anna, "INBOX", append(mail, mail[:20]...))
	p.old.FillMaildir(anna, "INBOX.Gesendet", lab.Generate(2, 50, 1000))
	dir := t.TempDir()
	config := filepath.Join(dir, "config.toml")
	writeFile(t, config, p.config())
	takeOverAll(t, config, anna)
	syncAll(t, config)
	before := p.new.Snapshot(anna)

	if err := os.RemoveAll(filepath.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	takeOverAll(t, config, anna)
	if out := syncAll(t, config); !strings.Contains(out, "0 messages copied (0 B)") || !strings.Contains(out, "270 found on the new server already") {
		t.Errorf("the pass without a memory:\n%s", out)
	}
	if diff := before.Diff(p.new.Snapshot(anna)); diff != "" {
		t.Errorf("the new server has changed:\n%s", diff)
	}
	p.sameMail(anna)
}

// TestOldServerForgetsItsUIDs gives the old server's folders another
// UIDVALIDITY, and wants nothing to be copied twice.
func TestOldServerForgetsItsUIDs(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.old.FillMaildir(anna, "INBOX", lab.Generate(1, 100, 1000))
	p.old.FillMaildir(anna, "INBOX.Sub", lab.Generate(2, 100, 1000))
	config := filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, config, p.config())
	takeOverAll(t, config, anna)
	syncAll(t, config)
	c := p.new.Client(anna)
	choose(t, c, "INBOX")
	expunge(t, c, 5)

	was := p.old.Snapshot(anna).Folders["INBOX"].UIDValidity
	p.old.Stop()
	forgetUIDs(t, p.old.UserDir(anna))
	p.old.Restart()
	p.arrives("INBOX", "new")
	if now := p.old.Snapshot(anna).Folders["INBOX"].UIDValidity; now == was {
		t.Fatal("UIDVALIDITY has not changed")
	}
	if out := syncAll(t, config); !strings.Contains(out, "1 message copied") {
		t.Errorf("the pass after it:\n%s", out)
	}
	after := p.new.Client(anna)
	for folder, want := range map[string]int{"INBOX": 100, "Sub": 100} {
		if n := messages(t, after, folder); n != want {
			t.Errorf("%d messages in %s, want %d", n, folder, want)
		}
	}
}

// forgetUIDs removes what Dovecot remembers of a user's maildirs.
func forgetUIDs(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if name := entry.Name(); name == "dovecot-uidlist" || strings.HasPrefix(name, "dovecot.") || strings.HasPrefix(name, "dovecot-uidvalidity") {
			return os.Remove(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNewServerForgetsItsUIDs gives the new server's folders another UIDVALIDITY: nothing
// is copied twice, and flags go to the right messages.
func TestNewServerForgetsItsUIDs(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.new = lab.StartDovecot(t, lab.DovecotOptions{Format: "maildir", Separator: "/", AutoCreate: true, CA: p.ca,
		Users: []lab.User{{Login: anna, Password: odd}}})
	p.newURL = p.new.ImplicitTLS().String()
	p.old.FillMaildir(anna, "INBOX", unflagged(1, 100, 1000))
	config := filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, config, p.config())
	takeOverAll(t, config, anna)
	syncAll(t, config)
	c := p.new.Client(anna)
	was := choose(t, c, "INBOX").UIDValidity
	expunge(t, c, 5)

	p.new.Stop()
	forgetUIDs(t, p.new.UserDir(anna))
	p.new.Restart()
	if now := p.new.Snapshot(anna).Folders["INBOX"].UIDValidity; now == was {
		t.Fatal("UIDVALIDITY has not changed")
	}
	p.arrives("INBOX", "new")
	old := p.old.Client(anna)
	choose(t, old, "INBOX")
	for uid := imap.UID(1); uid <= 100; uid += 3 {
		setFlags(t, old, uid, imap.StoreFlagsAdd, imap.FlagFlagged)
	}
	expunge(t, old, 5) // as its user did on the new server
	if out := syncAll(t, config); !strings.Contains(out, "1 message copied") {
		t.Errorf("the pass after it:\n%s", out)
	}
	p.sameMail(anna)
}
