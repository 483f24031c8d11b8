package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/internal/control"
	"postferry/store/bolt"
)

// writeConfig writes a configuration whose servers nobody answers for and
// returns its path; the state is beside it, in "state".
func writeConfig(t *testing.T, proxy string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	text := fmt.Sprintf(`state = "state"
[proxy]
%s
[admin]
listen = ""
[[domain]]
name = "example.com"
old = "imap+insecure://127.0.0.1:2"
new = "imap+insecure://127.0.0.1:1"
`, proxy)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestServePortInUse wants a port in use among the other mistakes.
func TestServePortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path := writeConfig(t, fmt.Sprintf("imaps = %q\nimap = \"\"\nmax_conections = 5", l.Addr()))
	status, _, stderr := postferry(t, "", "serve", "-c", path)
	if status != exitUsage {
		t.Errorf("status %d, want %d", status, exitUsage)
	}
	for _, want := range []string{path + ":3: ", "in use", path + ":5: "} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
}

// TestStateHeldBySync wants the holder's name where no daemon could help.
func TestStateHeldBySync(t *testing.T) {
	path := writeConfig(t, `imap = ""`)
	st, err := bolt.Open(filepath.Join(filepath.Dir(path), "state"), bolt.Options{Command: "sync"})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, args := range [][]string{{"status"}, {"sync"}, {"import", os.DevNull}} {
		if args[0] == "import" {
			args[1] = filepath.Join(t.TempDir(), "list")
			if err := os.WriteFile(args[1], []byte("anna@example.com x\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		status, _, stderr := postferry(t, "", append(args, "-c", path)...)
		want := fmt.Sprintf("state is in use by postferry sync, pid %d", os.Getpid())
		if status != exitInUse || !strings.Contains(stderr, want) {
			t.Errorf("%v: status %d, %q; want %d, %q", args, status, stderr, exitInUse, want)
		}
	}
}

// TestStateHeldForAMoment wants a command to wait for another that is soon done.
func TestStateHeldForAMoment(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, `imap = ""`)
	st, err := bolt.Open(filepath.Join(filepath.Dir(path), "state"), bolt.Options{Command: "import"})
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	time.AfterFunc(300*time.Millisecond, func() { closed <- st.Close() })
	if status, _, stderr := postferry(t, "", "status", "-c", path); status != exitOK {
		t.Errorf("status %d, %q", status, stderr)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestDaemonWaitsForACommand: a daemon that is started while a command has the state for a moment begins when that
// is done, whichever command it is.
func TestDaemonWaitsForACommand(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, "imaps = \"127.0.0.1:0\"\nimap = \"\"")
	cfg, _, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, holder := range []string{authCommand, tenantCommand, "import", "of a later version"} {
		st, err := bolt.Open(cfg.State, bolt.Options{Command: holder})
		if err != nil {
			t.Fatal(err)
		}
		closed := make(chan error, 1)
		time.AfterFunc(100*time.Millisecond, func() { closed <- st.Close() })
		d, err := openDaemonAsking(t.Context(), cfg, zerolog.Nop(), []string{"127.0.0.1:1"})
		if err := errors.Join(err, <-closed); err != nil {
			t.Errorf("held by %s: %v", holder, err)
		} else if err := d.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDaemonThatDoesNotAnswer wants status 3 after a bounded wait.
func TestDaemonThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, `imap = ""`)
	st, err := bolt.Open(filepath.Join(filepath.Dir(path), "state"), bolt.Options{Command: serveCommand})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	status, _, stderr := postferry(t, "", "status", "-c", path)
	if status != exitInUse || !strings.Contains(stderr, "does not answer on its control socket") {
		t.Errorf("status %d, %q", status, stderr)
	}
}

// TestDaemonLife starts a daemon, kills it, starts it on what was left behind
// (a lock and a socket), and stops it.
func TestDaemonLife(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, `state = "state"
[admin]
listen = ""
[proxy]
imaps = "127.0.0.1:0"
imap = "127.0.0.1:0"
[[domain]]
name = "example.com"
old = "imap+insecure://127.0.0.1:2"
new = "imap+insecure://127.0.0.1:1"
`)
	for _, addr := range []string{d.IMAP(), d.IMAPS()} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	d.Kill9()
	socket := filepath.Join(filepath.Dir(d.Config), "state", control.SocketName)
	if _, err := os.Stat(socket); err != nil {
		t.Fatalf("the killed daemon's socket should still be there: %v", err)
	}
	if status, stdout, stderr := postferry(t, "", "status", "-c", d.Config); status != 0 || !strings.HasPrefix(stdout, "0 accounts") {
		t.Errorf("after the kill: status %d, %q, %q", status, stdout, stderr)
	}
	d.Restart()
	if status, _, stderr := postferry(t, "", "status", "-c", d.Config); status != 0 {
		t.Errorf("after the restart: status %d, %q", status, stderr)
	}
	d.Stop()
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	if n := strings.Count(d.Log(), `"message":"ready"`); n != 2 {
		t.Errorf("%d times ready in the log, want 2", n)
	}
}
