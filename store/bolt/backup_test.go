package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"postferry/internal/lab"
	"postferry/store"
	"postferry/store/seal"
)

// unpack puts a backup's files into a new state directory and returns it with their names.
func unpack(t *testing.T, backup []byte) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir, lab.Unpack(t, bytes.NewReader(backup), dir)
}

// TestBackup backs up a state that is being written to: what is restored opens, passes the check of
// all pages, and holds whole batches only.
func TestBackup(t *testing.T) {
	b, err := Open(t.TempDir(), Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	id, folder := anAccount(t, b)
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	begun := make(chan struct{})
	writing.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			batch := store.Batch{Account: id, Folder: folder}
			for i := range 10 {
				batch.Proofs = append(batch.Proofs, store.Entry{Key: store.Key(fmt.Sprintf("%08d-%d", n, i))})
			}
			if err := b.Commit(context.Background(), batch); err != nil {
				t.Error(err)
			}
			if n == 20 {
				close(begun)
			}
		}
	})
	<-begun
	for range 10 {
		var backup bytes.Buffer
		done, err := b.Backup(t.Context(), &backup, true)
		if err != nil || !done.Key || done.KeyFrom != "" {
			t.Fatalf("%+v, %v", done, err)
		}
		dir, names := unpack(t, backup.Bytes())
		if fmt.Sprint(names) != "[state.db key]" {
			t.Errorf("it has %q", names)
		}
		restored, err := Open(dir, Options{Command: "test"})
		if err != nil {
			t.Fatal(err)
		}
		l, err := restored.Ledger(t.Context(), id, folder)
		if err != nil || len(l.Entries) < 200 || len(l.Entries)%10 != 0 {
			t.Errorf("%d entries, %v", len(l.Entries), err)
		}
		if a, err := restored.AccountByID(t.Context(), id); err != nil || a.Old.Password.Reveal() != "secret" {
			t.Errorf("the password can't be read: %v", err)
		}
		if err := restored.Close(); err != nil {
			t.Error(err)
		}
	}
	stop()
	writing.Wait()
}

// TestBackupWithoutKey: it opens with the key that is put beside it, and with no other.
func TestBackupWithoutKey(t *testing.T) {
	from := t.TempDir()
	b, err := Open(from, Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	anAccount(t, b)
	var backup bytes.Buffer
	if done, err := b.Backup(t.Context(), &backup, false); err != nil || done.Key {
		t.Fatalf("%+v, %v", done, err)
	}
	dir, names := unpack(t, backup.Bytes())
	if fmt.Sprint(names) != "[state.db]" {
		t.Errorf("it has %q", names)
	}
	if restored, err := Open(dir, Options{Command: "test"}); err == nil {
		restored.Close()
		t.Fatal("it opens without its key")
	}
	key, err := os.ReadFile(filepath.Join(from, seal.KeyFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, seal.KeyFile), key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	restored, err := Open(dir, Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	restored.Close()
}

// TestBackupOfKeyFromElsewhere never has the key in it, and says where that comes from.
func TestBackupOfKeyFromElsewhere(t *testing.T) {
	t.Setenv(seal.KeyVariable, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	b, err := Open(t.TempDir(), Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var backup bytes.Buffer
	done, err := b.Backup(t.Context(), &backup, true)
	if err != nil || done.Key || done.KeyFrom != "the environment variable POSTFERRY_KEY" {
		t.Errorf("%+v, %v", done, err)
	}
	if _, names := unpack(t, backup.Bytes()); fmt.Sprint(names) != "[state.db]" {
		t.Errorf("it has %q", names)
	}
}

// TestBackupIsBrokenOff with its context, and with who reads it.
func TestBackupIsBrokenOff(t *testing.T) {
	b, err := Open(t.TempDir(), Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	full := errors.New("the disk is full")
	for _, fail := range []func() error{func() error { cancel(); return nil }, func() error { return full }} {
		_, err := b.Backup(ctx, writerFunc(fail), true)
		if !errors.Is(err, full) && !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		ctx = t.Context()
	}
}

type writerFunc func() error

func (f writerFunc) Write(p []byte) (int, error) { return len(p), f() }

func anAccount(t *testing.T, b *Store) (store.AccountID, store.FolderID) {
	t.Helper()
	c := store.Credentials{Login: "a@example.com", Password: "secret"}
	rows, _, err := b.PutAccounts(t.Context(), []store.Account{{Domain: "example.com", Login: "a@example.com", Old: c, New: c, Origin: store.Imported, State: store.Active}})
	if err != nil {
		t.Fatal(err)
	}
	folders, err := b.PutFolders(t.Context(), rows[0].ID, []store.Folder{{Old: "INBOX", State: store.FolderPresent}})
	if err != nil {
		t.Fatal(err)
	}
	return rows[0].ID, folders[0].ID
}
