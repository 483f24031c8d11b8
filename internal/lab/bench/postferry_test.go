package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postferry/internal/lab"
)

// buildPostferry makes the binary as a release does.
func buildPostferry(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "postferry")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-o", path, "postferry/cmd/postferry")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// ferry is an installation of postferry: its configuration and state.
type ferry struct {
	b      *testing.B
	binary string
	config string
}

// newFerry imports accounts, whose lines are "login password new-login
// new-password". settings are lines of [sync]; none for the defaults.
func newFerry(b *testing.B, binary, old, new string, accounts []string, settings ...string) *ferry {
	b.Helper()
	servers := fmt.Sprintf("old = \"imap+insecure://%s\"\nnew = \"imap+insecure://%s\"\n", old, new)
	return newFerryBetween(b, binary, servers, accounts, settings...)
}

// newFerryBetween is newFerry with the servers as lines of the domain.
func newFerryBetween(b *testing.B, binary, servers string, accounts []string, settings ...string) *ferry {
	b.Helper()
	dir := b.TempDir()
	f := &ferry{b: b, binary: binary, config: filepath.Join(dir, "config.toml")}
	text := fmt.Sprintf("state = %q\n[sync]\n%s\n[log]\nlevel = \"warn\"\n[[domain]]\nname = \"example.com\"\n%s",
		filepath.Join(dir, "state"), strings.Join(settings, "\n"), servers)
	list := filepath.Join(dir, "accounts.txt")
	for path, text := range map[string]string{f.config: text, list: strings.Join(accounts, "\n") + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(b.Context(), f.binary, "import", "-c", f.config, list).CombinedOutput(); err != nil {
		b.Fatalf("postferry import: %v\n%s", err, out)
	}
	return f
}

// sync makes a pass.
func (f *ferry) sync() usage {
	f.b.Helper()
	return execute(f.b, exec.CommandContext(f.b.Context(), f.binary, "sync", "-c", f.config))
}

// byPostferry copies with a binary as an administrator would.
func byPostferry(binary string) copier {
	return func(b *testing.B, old, new side, _ []string) usage {
		b.Helper()
		accounts := []string{strings.Join([]string{old.login, old.password, new.login, new.password}, " ")}
		if old.ca == nil {
			return newFerry(b, binary, old.addr, new.addr, accounts).sync()
		}
		servers := fmt.Sprintf("old = \"imaps://%s\"\nold_ca = %q\nnew = \"imaps://%s\"\nnew_ca = %q\n", old.addr, old.ca.File, new.addr, new.ca.File)
		return newFerryBetween(b, binary, servers, accounts).sync()
	}
}

// usage is what a run took.
type usage struct {
	wall, cpu time.Duration
	server    time.Duration // CPU of the old server; 0 if not looked at
	memory    int64         // octets resident at most; 0 if not looked at
	output    string
}

// execute runs a command to its end.
func execute(b *testing.B, cmd *exec.Cmd) usage {
	b.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	peak := watchMemory(cmd.Process.Pid)
	err := cmd.Wait()
	u := usage{wall: time.Since(began), memory: peak()}
	if err != nil {
		b.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, out.String())
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	u.output = out.String()
	return u
}

// watchMemory looks at a process's memory until the function it returns is called.
func watchMemory(pid int) (peak func() int64) {
	var most int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			if now, ok := lab.PeakMemory(pid); ok {
				most = max(most, now)
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	return func() int64 {
		close(stop)
		wg.Wait()
		return most
	}
}
