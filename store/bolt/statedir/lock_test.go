package statedir

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLockOnAFullDisk: who only wants to look can, and isn't kept out because a name can't be written.
func TestLockOnAFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	lock, err := Hold(path, "status")
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.file.Close(); err != nil {
		t.Error(err)
	}
}

// TestShorterHolder: a name that is written over a longer one is read without the longer one's end.
func TestShorterHolder(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("123456 a-long-command\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte("7 sync\n"), 0); err != nil { // ended right after this
		t.Fatal(err)
	}
	if got := readHolder(file); got.PID != 7 || got.Command != "sync" {
		t.Errorf("%+v", got)
	}
}
