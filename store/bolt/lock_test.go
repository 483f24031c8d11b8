package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"postferry/store/bolt/statedir"
)

// TestInUse: a second process is told who holds the state, and a holder that
// was killed holds nothing.
func TestInUse(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	child, out := startChild(t, ctx, "hold", dir)
	if line, err := out.ReadString('\n'); err != nil || line != "open\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	_, err := Open(dir, Options{Command: "sync", Log: zerolog.Nop()})
	var inUse *statedir.InUseError
	if !errors.As(err, &inUse) {
		t.Fatalf("got error %v, want an InUseError", err)
	}
	want := fmt.Sprintf("state is in use by postferry serve, pid %d", child.Process.Pid)
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	cancel()
	child.Wait() // killed
	open(t, dir)
}

func TestInUseBySameProcess(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	_, err := Open(dir, Options{Command: "import", Log: zerolog.Nop()})
	if want := fmt.Sprintf("state is in use by postferry test, pid %d", os.Getpid()); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestInUseBySomebody(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, statedir.LockFile)
	lock, err := statedir.Hold(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	for _, text := range []string{"", "serve", "x serve\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = Open(dir, Options{Command: "sync", Log: zerolog.Nop()})
		if want := "state is in use by another process"; err == nil || err.Error() != want {
			t.Errorf("holder %q: got %v, want %s", text, err, want)
		}
	}
}

func TestInUseByAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, statedir.DatabaseFile)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = Open(dir, Options{Command: "test", Log: zerolog.Nop()})
	if want := "another program has " + path + " open"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
