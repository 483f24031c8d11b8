package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Unpacked is a program that scripts/lab-servers.sh has unpacked and that runs as who runs the tests.
type Unpacked struct{ unpacked }

// FindUnpacked finds one; false if it is not there.
func FindUnpacked(tb testing.TB, name, program string) (Unpacked, bool) {
	tb.Helper()
	u := Unpacked{unpacked{filepath.Join(Root(tb), ".cache", "servers", name)}}
	_, err := os.Stat(u.Path(program))
	return u, err == nil
}

// Path is where a file of the package is.
func (u Unpacked) Path(name string) string { return u.path(name) }

// Env makes programs find the package's libraries and SASL mechanisms.
func (u Unpacked) Env() []string { return append(os.Environ(), u.env()...) }

// Command runs a program of the package.
func (u Unpacked) Command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(u.path(program), args...)
	cmd.Env = u.Env()
	return cmd
}
