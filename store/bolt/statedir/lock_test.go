package statedir

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
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

// TestReleasedWhileAProgramStarts: a program that is being started has all files of ours open for a moment, and the lock
// goes all the same when it is released.
func TestReleasedWhileAProgramStarts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), LockFile)
	first, err := Hold(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	starting, err := unix.Dup(int(first.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(starting)
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	second, err := Hold(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Release(); err != nil {
		t.Fatal(err)
	}
}
