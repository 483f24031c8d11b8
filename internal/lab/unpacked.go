package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unpacked is a server that is unpacked and not installed, because as a
// package it would exclude Dovecot.
type unpacked struct{ root string }

// openUnpacked finds a server that scripts/lab-servers.sh unpacked. Where the
// account can't reach the checkout, it works on a copy in dir.
func openUnpacked(tb testing.TB, a account, name, dir string) unpacked {
	tb.Helper()
	root := filepath.Join(Root(tb), ".cache", "servers", name)
	if _, err := os.Stat(filepath.Join(root, "usr")); err != nil {
		tb.Fatalf("lab: %s is not unpacked (%v); run make deps", name, err)
	}
	if a.drop && !reachable(root) {
		copied := filepath.Join(dir, "server")
		if err := os.CopyFS(copied, os.DirFS(root)); err != nil {
			tb.Fatalf("lab: copying %s to where %s can reach it: %v", name, a.user, err)
		}
		root = copied
	}
	return unpacked{root}
}

// path is where a file of the package is.
func (u unpacked) path(name string) string { return filepath.Join(u.root, name) }

// env makes the server's programs find its libraries and SASL mechanisms.
func (u unpacked) env() []string {
	var libraries, mechanisms []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib"} {
		dirs, _ := filepath.Glob(u.path(pattern)) //nolint:errcheck // the patterns are well-formed
		libraries = append(libraries, dirs...)
	}
	for _, dir := range libraries {
		mechanisms = append(mechanisms, filepath.Join(dir, "sasl2"))
	}
	return []string{"LD_LIBRARY_PATH=" + strings.Join(libraries, ":"), "SASL_PATH=" + strings.Join(mechanisms, ":")}
}
