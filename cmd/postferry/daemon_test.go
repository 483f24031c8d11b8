package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// daemonLimit bounds how long a daemon may take to be ready, and to end.
const daemonLimit = 30 * time.Second

// testDaemon is "postferry serve" in a process of its own, so that it can be
// killed. Addresses change when it is started again.
type testDaemon struct {
	t      *testing.T
	Config string // path of the configuration

	env     []string   // besides the test's own
	args    []string   // of serve, besides the configuration
	exe     string     // "" for the test binary
	sockets []*os.File // that it is given as systemd does
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process has ended and its log is read
	mu      sync.Mutex
	log     strings.Builder // of all starts
	imap    string
	imaps   string
	page    string
}

// startDaemon writes a configuration, for which state = "state" and listeners
// on "127.0.0.1:0" are the obvious choice, and returns when the daemon is
// ready. It ends with the test at the latest.
func startDaemon(t *testing.T, config string, env ...string) *testDaemon {
	t.Helper()
	return startDaemonOf(t, "", config, env...)
}

// startDaemonOf is startDaemon with another program than the test binary.
func startDaemonOf(t *testing.T, exe, config string, env ...string) *testDaemon {
	t.Helper()
	d := &testDaemon{t: t, env: env, exe: exe, Config: filepath.Join(t.TempDir(), "config.toml")}
	d.begin(config)
	return d
}

// begin writes the configuration and starts the daemon.
func (d *testDaemon) begin(config string) {
	d.t.Helper()
	t := d.t
	if err := os.WriteFile(d.Config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.Kill9()
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.Log())
		}
	})
	d.start()
}

// start starts the process and waits for its "ready".
func (d *testDaemon) start() {
	d.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	words := append([]string{cmp.Or(d.exe, exe), "serve", "-c", d.Config}, d.args...)
	d.cmd = exec.Command(words[0], words[1:]...)
	if len(d.sockets) > 0 {
		d.cmd = shell(words...)
		d.cmd.ExtraFiles = d.sockets
	}
	d.cmd.Env = append(append(os.Environ(), runEnv+"=1"), d.env...)
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	ready := make(chan struct{})
	d.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		d.read(stderr, ready)
		_ = cmd.Wait() // its status is asked for in Stop
	}(d.cmd, d.exited)
	select {
	case <-ready:
	case <-d.exited:
		d.t.Fatalf("the daemon ended before it was ready")
	case <-time.After(daemonLimit):
		d.t.Fatalf("the daemon is not ready after %s", daemonLimit)
	}
}

// shell is a command with a process of its own that is told that sockets are for it.
func shell(words ...string) *exec.Cmd {
	return exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`}, words...)...)
}

// read keeps the log and looks for the line that says "ready".
func (d *testDaemon) read(r io.Reader, ready chan<- struct{}) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		var entry struct{ Message, IMAP, IMAPS, Page string }
		isReady := json.Unmarshal([]byte(line), &entry) == nil && entry.Message == "ready"
		d.mu.Lock()
		d.log.WriteString(line)
		if isReady {
			d.imap, d.imaps, d.page = entry.IMAP, entry.IMAPS, entry.Page
		}
		d.mu.Unlock()
		if isReady {
			close(ready)
		}
		if err != nil {
			return
		}
	}
}

// IMAP is the address of the STARTTLS listener.
func (d *testDaemon) IMAP() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.imap
}

// IMAPS is the address of the listener with implicit TLS.
func (d *testDaemon) IMAPS() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.imaps
}

// Log is everything the daemon has logged since startDaemon.
func (d *testDaemon) Log() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// Kill9 kills the daemon where it stands. Nothing happens if it has ended.
func (d *testDaemon) Kill9() {
	if d.cmd == nil || d.cmd.Process == nil {
		return
	}
	_ = d.cmd.Process.Kill()
	<-d.exited
}

// Stop asks the daemon to end and wants it to do so in peace.
func (d *testDaemon) Stop() {
	d.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatalf("stopping the daemon: %v", err)
	}
	select {
	case <-d.exited:
	case <-time.After(daemonLimit):
		d.t.Fatalf("the daemon is still there %s after SIGTERM", daemonLimit)
	}
	if status := d.cmd.ProcessState.ExitCode(); status != 0 {
		d.t.Errorf("the daemon ended with status %d", status)
	}
}

// Restart starts the daemon again with its configuration and state, killing
// it first if it still runs.
func (d *testDaemon) Restart() {
	d.t.Helper()
	d.Kill9()
	d.start()
}
