package bolt

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// keyCredential is what the documentation calls the systemd credential.
const keyCredential = "postferry.key"

const sealedLogin, sealedPassword = "sealed@example.com", store.Secret("correct horse battery staple")

// sealedState makes a state that holds a password, and returns its directory and key.
func sealedState(t *testing.T) (dir, key string) {
	t.Helper()
	dir = t.TempDir()
	b := open(t, dir)
	_, _, err := b.PutAccounts(t.Context(), []store.Account{{Login: sealedLogin, Origin: store.Imported, State: store.Active,
		Old: store.Credentials{Login: "old", Password: sealedPassword}, New: store.Credentials{Login: "new", Password: sealedPassword}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, seal.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	return dir, string(text)
}

func wantPassword(t *testing.T, dir string) {
	t.Helper()
	b := open(t, dir)
	a, err := b.Account(t.Context(), sealedLogin)
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	if a.Old.Password != sealedPassword || a.New.Password != sealedPassword {
		t.Error("the passwords are not those that were stored")
	}
}

// wantRefusal checks that Open fails with a message that has these words,
// and makes no key.
func wantRefusal(t *testing.T, dir string, words ...string) {
	t.Helper()
	before, _ := os.ReadFile(filepath.Join(dir, seal.KeyFile))
	b, err := Open(dir, Options{Command: "test", Log: zerolog.Nop()})
	if err == nil {
		b.Close()
		t.Fatal("the state was opened")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if after, _ := os.ReadFile(filepath.Join(dir, seal.KeyFile)); !bytes.Equal(before, after) {
		t.Error("the key file was changed")
	}
}

func otherKey() string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)) }

func TestKeyFile(t *testing.T) {
	dir, _ := sealedState(t)
	wantPassword(t, dir)
}

func TestKeyMissing(t *testing.T) {
	dir, _ := sealedState(t)
	if err := os.Remove(filepath.Join(dir, seal.KeyFile)); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, dir, "key is missing", filepath.Join(dir, seal.KeyFile), "POSTFERRY_KEY")
}

func TestKeyWrong(t *testing.T) {
	dir, _ := sealedState(t)
	path := filepath.Join(dir, seal.KeyFile)
	if err := os.WriteFile(path, []byte(otherKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, dir, "another key", path)
}

func TestKeyMalformed(t *testing.T) {
	dir, key := sealedState(t)
	path := filepath.Join(dir, seal.KeyFile)
	for _, text := range []string{"", "\n", "not base64!", key[:20], key + key, otherKey()[:43]} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, dir, path+" holds no key", "openssl rand -base64 32")
	}
}

func TestKeyReadableByOthers(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o700} {
		dir, _ := sealedState(t)
		if err := os.Chmod(filepath.Join(dir, seal.KeyFile), mode); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, dir, "expected 0600", "chmod 600")
	}
}

func TestKeyFromEnvironment(t *testing.T) {
	dir, key := sealedState(t)
	path := filepath.Join(dir, seal.KeyFile)
	if err := os.Rename(path, filepath.Join(t.TempDir(), "moved")); err != nil {
		t.Fatal(err)
	}
	t.Setenv(seal.KeyVariable, key)
	wantPassword(t, dir)
	t.Setenv(seal.KeyVariable, otherKey())
	wantRefusal(t, dir, "another key", "environment variable POSTFERRY_KEY")
	t.Setenv(seal.KeyVariable, "nonsense")
	wantRefusal(t, dir, "environment variable POSTFERRY_KEY holds no key")
	if _, err := os.Stat(path); err == nil {
		t.Error("a key file was made")
	}
}

func TestKeyFromEnvironmentAtFirst(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(seal.KeyVariable, otherKey())
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, seal.KeyFile)); err == nil {
		t.Error("a key file was made")
	}
	t.Setenv(seal.KeyVariable, "")
	wantRefusal(t, dir, "key is missing")
}

func TestKeyFromCredential(t *testing.T) {
	dir, key := sealedState(t)
	if err := os.Remove(filepath.Join(dir, seal.KeyFile)); err != nil {
		t.Fatal(err)
	}
	credentials := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	wantRefusal(t, dir, "key is missing")
	path := filepath.Join(credentials, keyCredential)
	if err := os.WriteFile(path, []byte(key), 0o440); err != nil {
		t.Fatal(err)
	}
	wantPassword(t, dir)
}

// TestSealed looks for the passwords in what lies on the disk.
func TestSealed(t *testing.T) {
	dir, _ := sealedState(t)
	data, err := os.ReadFile(filepath.Join(dir, statedir.DatabaseFile))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(sealedLogin)) {
		t.Error("the database does not hold the login, so this test sees nothing")
	}
	if bytes.Contains(data, []byte(sealedPassword)) || bytes.Contains(data, []byte(sealedPassword[4:12])) {
		t.Error("the database holds a password in the clear")
	}
}
