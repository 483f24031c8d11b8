package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/internal/control"
	"postferry/store"
)

// process runs a command line in a process of its own and returns its exit
// status and what it wrote to standard error. begun, if given, is called once it runs.
func process(t *testing.T, stdin io.Reader, begun func(*os.Process), env []string, args ...string) (status int, stderr string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(append(os.Environ(), runEnv+"=1"), env...)
	cmd.Stdin, cmd.Stderr = stdin, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if begun != nil {
		begun(cmd.Process)
	}
	bound := time.AfterFunc(daemonLimit, func() { _ = cmd.Process.Kill() })
	defer bound.Stop()
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), errs.String()
}

// wantSentence wants an exit status, the words on standard error, and nothing a
// person can't read.
func wantSentence(t *testing.T, status int, stderr string, want int, words ...string) {
	t.Helper()
	if status != want {
		t.Errorf("status %d, want %d", status, want)
	}
	for _, word := range words {
		if !strings.Contains(stderr, word) {
			t.Errorf("no %q in\n%s", word, stderr)
		}
	}
	for _, bad := range []string{"panic", "goroutine", "nil pointer", "fatal error", "unexpected fault"} {
		if strings.Contains(stderr, bad) {
			t.Errorf("a stack trace:\n%.2000s", stderr)
			return
		}
	}
}

// occupied is an address that somebody else listens on.
func occupied(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// pretend listens on the control socket, so that addresses in use seem to be
// those of a daemon that runs: the check before the state is opened leaves them alone.
func pretend(t *testing.T, state string) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(state, control.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

func makeFolder(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestServeFailsWhileOpening lets each step fail that comes after the state was
// opened, and wants to be told of that, and the state to be free again.
func TestServeFailsWhileOpening(t *testing.T) {
	const free = "imaps = \"127.0.0.1:0\"\nimap = \"\""
	tests := []struct {
		name    string
		proxy   string // lines of [proxy]
		page    string // admin.listen
		prepare func(t *testing.T, state string)
		words   []string
	}{
		{"a stored domain that can't be read", free, "", func(t *testing.T, state string) {
			st := openState(t, state)
			err := st.PutDomain(t.Context(), store.Domain{Name: "b.example", Old: "gopher://b.example", New: "imaps://b.example"})
			if err := errors.Join(err, st.Close()); err != nil {
				t.Fatal(err)
			}
		}, []string{"b.example", "old server"}},
		{"control.sock is a folder", free, "", func(t *testing.T, state string) {
			makeFolder(t, filepath.Join(state, control.SocketName))
		}, []string{"control.sock is not a socket", "move it away"}},
		{"control.sock is a file", free, "", func(t *testing.T, state string) {
			writeFile(t, filepath.Join(state, control.SocketName), "")
		}, []string{"control.sock is not a socket", "move it away"}},
		{"the self-signed certificate is a folder", free, "", func(t *testing.T, state string) {
			makeFolder(t, filepath.Join(state, "proxy-cert.pem"))
		}, []string{"self-signed certificate", "proxy-cert.pem"}},
		{"others may write the self-signed certificate's key", free, "", func(t *testing.T, state string) {
			key := filepath.Join(state, "proxy-key.pem")
			writeFile(t, key, "")
			if err := os.Chmod(key, 0o666); err != nil {
				t.Fatal(err)
			}
		}, []string{"proxy-key.pem has mode 0666", "others may write it"}},
		{"the port for TLS is taken", "imaps = \"OCCUPIED\"\nimap = \"\"", "", pretend, []string{"proxy.imaps", "in use"}},
		{"the port for STARTTLS is taken", "imaps = \"\"\nimap = \"OCCUPIED\"", "", pretend, []string{"proxy.imap", "in use"}},
		{"the page's port is taken", free, "OCCUPIED", pretend, []string{"import page", "in use"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			addr := occupied(t)
			path := writeConfig(t, strings.ReplaceAll(test.proxy, "OCCUPIED", addr))
			if test.page != "" {
				text := readFile(t, path)
				writeFile(t, path, strings.Replace(text, `listen = ""`, `listen = "`+addr+`"`, 1))
			}
			state := filepath.Join(filepath.Dir(path), "state")
			makeFolder(t, state)
			test.prepare(t, state)
			status, stderr := process(t, nil, nil, nil, "serve", "-c", path)
			wantSentence(t, status, stderr, exitFailed, test.words...)
			openState(t, state)
		})
	}
}

// TestServeStoppedWhileOpening stops serve by a signal while it opens, at one
// moment after the other until it is ready, and wants it to say so.
func TestServeStoppedWhileOpening(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, "imaps = \"127.0.0.1:0\"\nimap = \"\"")
	lock := filepath.Join(filepath.Dir(path), "state", "lock")
	for after := time.Duration(0); ; after += 500 * time.Microsecond {
		status, stderr := process(t, nil, func(p *os.Process) {
			eventually(t, "a lock of serve", func() bool {
				text, _ := os.ReadFile(lock)
				return strings.HasSuffix(string(text), " serve\n")
			})
			wait(t, after)
			if err := p.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}, nil, "serve", "-c", path)
		if strings.Contains(stderr, `"message":"ready"`) {
			wantSentence(t, status, stderr, exitOK)
			return
		}
		wantSentence(t, status, stderr, exitInterrupted, "interrupted")
		if t.Failed() {
			return
		}
	}
}

// TestDaemonNotOpened wants the reason why a daemon can't be opened when it was
// told to end before that.
func TestDaemonNotOpened(t *testing.T) {
	cfg, _, err := loadConfig(writeConfig(t, "imaps = \"127.0.0.1:0\"\nimap = \"\""))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if d, err := openDaemon(ctx, cfg, zerolog.Nop()); d != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", d, err)
	}
}

// TestDemoNotSetUp wants the reason why the demo has no stage.
func TestDemoNotSetUp(t *testing.T) {
	status, stderr := process(t, nil, nil, []string{"TMPDIR=" + filepath.Join(t.TempDir(), "missing")}, "demo", "--once")
	wantSentence(t, status, stderr, exitFailed, "missing")
}
