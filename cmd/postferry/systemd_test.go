package main

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSystemd: the daemon serves on the sockets that systemd has opened, whatever the
// configuration says, tells it when it is ready, that it is well, and when it ends.
func TestSystemd(t *testing.T) {
	t.Parallel()
	_, config, _ := memoryServers(t, 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	hears := func(want string) {
		t.Helper()
		b := make([]byte, 200)
		for {
			told.SetReadDeadline(time.Now().Add(patience))
			n, err := told.Read(b)
			if err != nil {
				t.Fatalf("systemd was not told %s: %v", want, err)
			}
			if string(b[:n]) == want {
				return
			}
			if string(b[:n]) != "WATCHDOG=1" {
				t.Fatalf("systemd was told %s; want %s", b[:n], want)
			}
		}
	}
	d := &testDaemon{t: t, Config: filepath.Join(t.TempDir(), "config.toml"), sockets: []*os.File{socket},
		env: []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=imaps", "NOTIFY_SOCKET=" + told.LocalAddr().String(), "WATCHDOG_USEC=200000"}}
	// The address is in use already: by the socket itself.
	d.begin(strings.Replace(readFile(t, config), `imaps = "127.0.0.1:0"`, `imaps = "`+l.Addr().String()+`"`, 1))
	if d.IMAPS() != l.Addr().String() {
		t.Errorf("it listens on %s, not on %s", d.IMAPS(), l.Addr())
	}
	hears("READY=1")
	hears("WATCHDOG=1")
	k := talkTo(t, d.IMAPS(), &tls.Config{InsecureSkipVerify: true})
	k.ask("NOOP")
	d.Stop()
	hears("STOPPING=1")
}

// TestSystemdWaitsOn: as long as the state is being opened, systemd is asked to wait on, and not afterwards.
func TestSystemdWaitsOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []string
		err := askingForTime(30*time.Second, func(state string) { told = append(told, state) }, func() error {
			time.Sleep(35 * time.Second)
			return io.EOF
		})
		time.Sleep(time.Minute)
		if want := slices.Repeat([]string{"EXTEND_TIMEOUT_USEC=30000000"}, 3); err != io.EOF || !slices.Equal(told, want) {
			t.Errorf("it was told %q, %v", told, err)
		}
	})
}

// TestOddSockets: sockets of systemd that nobody knows what for are a mistake.
func TestOddSockets(t *testing.T) {
	t.Parallel()
	_, config, _ := memoryServers(t, 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := shell(exe, "serve", "-c", config)
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Env = append(os.Environ(), runEnv+"=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=http")
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(out), "http; expected one each with FileDescriptorName=imaps, imap or acme") {
		t.Errorf("status %d: %s", cmd.ProcessState.ExitCode(), out)
	}
}
