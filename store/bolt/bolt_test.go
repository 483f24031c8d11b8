package bolt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// open opens a state that is closed with the test.
func open(t testing.TB, dir string) *Store {
	t.Helper()
	b, err := Open(dir, Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestOpenModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "state")
	open(t, dir)
	for name, want := range map[string]fs.FileMode{"": 0o700, statedir.DatabaseFile: 0o600, statedir.LockFile: 0o600, seal.KeyFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%q has mode %04o, want %04o", name, got, want)
		}
	}
}

func TestClosed(t *testing.T) {
	b := open(t, t.TempDir())
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := b.Accounts(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if err := b.SetState(t.Context(), 1, store.Active); !errors.Is(err, store.ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
}
