package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCheckListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text := fmt.Sprintf("[proxy]\nimaps = %[1]q\nimap = \"203.0.113.7:0\"\nvisit_wait = 1\n[admin]\nlisten = %[1]q\n%[2]s", taken.Addr(), goodDomain)
	path := write(t, text)
	_, _, err = Load(path, CheckListen)
	want := fmt.Sprintf(`config.toml:2: proxy.imaps: %[1]q is in use by another program; expected a free port
config.toml:3: proxy.imap: "203.0.113.7:0" is not an address of this machine
config.toml:4: proxy.visit_wait: expected text in quotes, e.g. "20s", not a whole number
config.toml:6: admin.listen: %[1]q is in use by another program; expected a free port`, taken.Addr())
	if err == nil || strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "") != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// Whoever may not take a port learns why.
func TestListenProblem(t *testing.T) {
	err := &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}
	if got := listenProblem(":993", err); !strings.Contains(got, "CAP_NET_BIND_SERVICE") {
		t.Error(got)
	}
	err = &net.OpError{Op: "listen", Err: &net.DNSError{Err: "no such host", Name: "nowhere"}}
	if got := listenProblem("nowhere:993", err); !strings.Contains(got, "no such host") {
		t.Error(got)
	}
}

// What was tried is let go of again.
func TestCheckListenLetsGo(t *testing.T) {
	path := write(t, "[proxy]\nimaps = \"127.0.0.1:0\"\nimap = \"\""+goodDomain)
	cfg, _, err := Load(path, CheckListen)
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Proxy.IMAPS = free.Addr().String()
	free.Close()
	for range 2 {
		if found := CheckListen(cfg); len(found) > 0 {
			t.Fatal(found)
		}
	}
}
