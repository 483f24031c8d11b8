package bolt

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// rotate changes the key of a closed state.
func rotate(t *testing.T, dir string) (Rotated, error) {
	t.Helper()
	b, err := Open(dir, Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	done, err := b.RotateKey(t.Context())
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return done, err
}

// boxes are all sealed texts of a closed state.
func boxes(t *testing.T, dir string) (list [][]byte) {
	t.Helper()
	changeDatabase(t, dir, func(tx *bbolt.Tx) error {
		list = append(list, bytes.Clone(root(tx, bucketMeta).Get([]byte(metaKeyCheck))))
		return root(tx, bucketAccounts).ForEach(func(_, row []byte) error {
			texts := firstTexts(row, 6) // domain, login, old login and password, new login and password
			list = append(list, texts[3], texts[5])
			return nil
		})
	})
	return list
}

// firstTexts are the texts that a row begins with, each behind its length.
func firstTexts(row []byte, n int) (texts [][]byte) {
	for range n {
		size, octets := binary.Uvarint(row)
		row = row[octets:]
		texts, row = append(texts, bytes.Clone(row[:size])), row[size:]
	}
	return texts
}

// wantNoBox wants none of the sealed texts in any file of the state.
func wantNoBox(t *testing.T, dir string, list [][]byte) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		left := 0
		for _, box := range list {
			if bytes.Contains(data, box) {
				left++
			}
		}
		if left > 0 {
			t.Errorf("%s still has %d of %d texts sealed with the key before", f.Name(), left, len(list))
		}
	}
}

func readKeyFile(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, seal.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rotatedState is a state with many accounts, whose passwords have been written more than once.
func rotatedState(t *testing.T, accounts int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	b := open(t, dir)
	var list []store.Account
	for i := range accounts {
		list = append(list, store.Account{Login: fmt.Sprintf("person%04d@example.com", i), Origin: store.Imported, State: store.Active,
			Old: store.Credentials{Login: "o", Password: store.Secret(fmt.Sprintf("old password %d", i))}, New: store.Credentials{Login: "n", Password: store.Secret(fmt.Sprintf("new password %d", i))}})
	}
	for range 2 {
		if _, _, err := b.PutAccounts(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// wantPasswords wants the state to open, with all passwords as they were.
func wantPasswords(t *testing.T, dir string, accounts int) {
	t.Helper()
	b, err := Open(dir, Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for i := range accounts {
		a, err := b.AccountByID(t.Context(), store.AccountID(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if a.Old.Password.Reveal() != fmt.Sprintf("old password %d", i) || a.New.Password.Reveal() != fmt.Sprintf("new password %d", i) {
			t.Fatalf("account %d has other passwords", a.ID)
		}
	}
}

// TestRotateKey changes the key a few times: the one before opens nothing any more, and
// nothing that it sealed is left.
func TestRotateKey(t *testing.T) {
	const accounts = 300
	dir := rotatedState(t, accounts)
	for range 3 {
		before, sealed := readKeyFile(t, dir), boxes(t, dir)
		done, err := rotate(t, dir)
		if err != nil || done != (Rotated{Accounts: accounts, Key: filepath.Join(dir, seal.KeyFile)}) {
			t.Fatalf("got %+v, %v", done, err)
		}
		after := readKeyFile(t, dir)
		if after == before {
			t.Error("the key is the same")
		}
		wantNoBox(t, dir, sealed)
		wantPasswords(t, dir, accounts)
		if err := os.WriteFile(filepath.Join(dir, seal.KeyFile), []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, dir, "another key")
		if err := os.WriteFile(filepath.Join(dir, seal.KeyFile), []byte(after), 0o600); err != nil {
			t.Fatal(err)
		}
		if left, err := os.Stat(filepath.Join(dir, statedir.NewKeyFile)); err == nil {
			t.Errorf("%s is left", left.Name())
		}
	}
}

// TestRotateKeyGiven: a key that is given goes where the one before was.
func TestRotateKeyGiven(t *testing.T) {
	dir := rotatedState(t, 3)
	t.Setenv(newKeyVariable, otherKey())
	if done, err := rotate(t, dir); err != nil || done.Key == "" {
		t.Fatalf("got %+v, %v", done, err)
	}
	if got := strings.TrimSpace(readKeyFile(t, dir)); got != otherKey() {
		t.Error("another key is in the file")
	}
	wantPasswords(t, dir, 3)
	if _, err := rotate(t, dir); err == nil || !strings.Contains(err.Error(), "the one that is in use") {
		t.Errorf("the same key again: %v", err)
	}
	t.Setenv(newKeyVariable, "nonsense")
	if _, err := rotate(t, dir); err == nil || !strings.Contains(err.Error(), "POSTFERRY_NEW_KEY holds no key") {
		t.Errorf("nonsense: %v", err)
	}
	wantPasswords(t, dir, 3)
}

// TestRotateKeyFromElsewhere: where the key comes from the environment or from systemd, the
// next one has to be given, and no file is made.
func TestRotateKeyFromElsewhere(t *testing.T) {
	credentials := t.TempDir()
	give := map[string]func(t *testing.T, key string){
		"environment variable POSTFERRY_KEY": func(t *testing.T, key string) { t.Setenv(seal.KeyVariable, key) },
		keyCredential: func(t *testing.T, key string) {
			t.Setenv("CREDENTIALS_DIRECTORY", credentials)
			if err := os.WriteFile(filepath.Join(credentials, keyCredential), []byte(key), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	}
	for from, give := range give {
		t.Run(from, func(t *testing.T) {
			dir := rotatedState(t, 3)
			key := readKeyFile(t, dir)
			if err := os.Remove(filepath.Join(dir, seal.KeyFile)); err != nil {
				t.Fatal(err)
			}
			give(t, key)
			var elsewhere *KeyElsewhereError
			if _, err := rotate(t, dir); !errors.As(err, &elsewhere) || !strings.Contains(err.Error(), from) || !strings.Contains(err.Error(), newKeyVariable) {
				t.Errorf("without a key: %v", err)
			}
			wantPasswords(t, dir, 3)
			sealed := boxes(t, dir)
			t.Setenv(newKeyVariable, otherKey())
			if done, err := rotate(t, dir); err != nil || done != (Rotated{Accounts: 3}) {
				t.Fatalf("got %+v, %v", done, err)
			}
			wantRefusal(t, dir, "another key")
			give(t, otherKey())
			wantPasswords(t, dir, 3)
			wantNoBox(t, dir, sealed)
			for _, name := range []string{seal.KeyFile, statedir.NewKeyFile} {
				if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
					t.Errorf("%s was made", name)
				}
			}
		})
	}
}

// TestRotateKeyInterrupted breaks the change off after each of its steps. The state
// opens, and another change gets to its end.
func TestRotateKeyInterrupted(t *testing.T) {
	const accounts = 50
	for n := range 4 {
		dir := rotatedState(t, accounts)
		before, sealed := readKeyFile(t, dir), boxes(t, dir)
		b := open(t, dir)
		r, err := b.newRotation()
		if err != nil {
			t.Fatal(err)
		}
		if got := len(r.steps()); got != 4 {
			t.Fatalf("%d steps, want 4", got)
		}
		for _, step := range r.steps()[:n+1] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		copied := filepath.Join(t.TempDir(), "state") // as a kill would leave it
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		makePrivate(t, copied)
		wantPasswords(t, copied, accounts)
		if changed := readKeyFile(t, copied) != before; changed != (n > 0) {
			t.Errorf("after %d steps and an Open: another key %t", n+1, changed)
		}
		if n > 0 {
			wantNoBox(t, copied, sealed)
		}
		if _, err := rotate(t, copied); err != nil {
			t.Errorf("another change after %d steps: %v", n+1, err)
		}
		wantPasswords(t, copied, accounts)
		wantNoBox(t, copied, sealed)
	}
}

// makePrivate gives the files of a copy the modes of a state.
func makePrivate(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Chmod(f, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRotateKeyOfDamagedAccount changes nothing.
func TestRotateKeyOfDamagedAccount(t *testing.T) {
	dir := rotatedState(t, 5)
	before := readKeyFile(t, dir)
	changeDatabase(t, dir, func(tx *bbolt.Tx) error {
		row := bytes.Clone(root(tx, bucketAccounts).Get(rows.AccountKey(4)))
		row[60] ^= 1
		return root(tx, bucketAccounts).Put(rows.AccountKey(4), row)
	})
	var damage *DamagedError
	if _, err := rotate(t, dir); !errors.As(err, &damage) || !strings.Contains(err.Error(), "bucket accounts") {
		t.Errorf("got %v", err)
	}
	if readKeyFile(t, dir) != before {
		t.Error("the key was changed")
	}
	wantPasswords(t, dir, 3)
}

// TestRotateKeyEnded changes nothing once it is told to end.
func TestRotateKeyEnded(t *testing.T) {
	dir := rotatedState(t, 3)
	before := readKeyFile(t, dir)
	b := open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.RotateKey(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.RotateKey(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if readKeyFile(t, dir) != before {
		t.Error("the key was changed")
	}
}

// rotateChild changes the key for ever, and writes a line before and after each change.
func rotateChild(dir string) int {
	for {
		b, err := Open(dir, Options{Command: "key", Log: zerolog.Nop()})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println("begin")
		if _, err := b.RotateKey(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if err := b.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
}

// TestRotateKeyKilled kills changes of the key at random moments, over and over: the state
// opens each time.
func TestRotateKeyKilled(t *testing.T) {
	const accounts = 400
	dir := rotatedState(t, accounts)
	keys, halfway := map[string]bool{}, 0
	begun := time.Now()
	if _, err := rotate(t, dir); err != nil {
		t.Fatal(err)
	}
	within := max(40*time.Millisecond, 2*time.Since(begun)) // some are over by then, however busy the machine is
	for range 25 {
		ctx, cancel := context.WithCancel(t.Context())
		cmd, out := startChild(t, ctx, "rotate", dir)
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(rand.N(within), cancel)
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // killed
		cancel()
		if _, err := os.Stat(filepath.Join(dir, statedir.NewKeyFile)); err == nil {
			halfway++
		}
		wantPasswords(t, dir, accounts)
		keys[readKeyFile(t, dir)] = true
	}
	t.Logf("%d keys, %d kills left a new key behind", len(keys), halfway)
	if len(keys) < 2 {
		t.Error("the key was never changed")
	}
	if text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(readKeyFile(t, dir))); err != nil || len(text) != 32 {
		t.Errorf("the key is %d octets, %v", len(text), err)
	}
}
