package store

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

const sealedLogin, sealedPassword = "sealed@example.com", Secret("correct horse battery staple")

// sealedState makes a state that holds a password, and returns its directory and key.
func sealedState(t *testing.T) (dir, key string) {
	t.Helper()
	dir = t.TempDir()
	b := open(t, dir)
	_, _, err := b.PutAccounts(t.Context(), []Account{{Login: sealedLogin, Origin: Imported, State: Active,
		Old: Credentials{"old", sealedPassword}, New: Credentials{"new", sealedPassword}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, keyFile))
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
	before, _ := os.ReadFile(filepath.Join(dir, keyFile))
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
	if after, _ := os.ReadFile(filepath.Join(dir, keyFile)); !bytes.Equal(before, after) {
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
	if err := os.Remove(filepath.Join(dir, keyFile)); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, dir, "key is missing", filepath.Join(dir, keyFile), "POSTFERRY_KEY")
}

func TestKeyWrong(t *testing.T) {
	dir, _ := sealedState(t)
	path := filepath.Join(dir, keyFile)
	if err := os.WriteFile(path, []byte(otherKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, dir, "another key", path)
}

func TestKeyMalformed(t *testing.T) {
	dir, key := sealedState(t)
	path := filepath.Join(dir, keyFile)
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
		if err := os.Chmod(filepath.Join(dir, keyFile), mode); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, dir, "expected 0600", "chmod 600")
	}
}

func TestKeyFromEnvironment(t *testing.T) {
	dir, key := sealedState(t)
	path := filepath.Join(dir, keyFile)
	if err := os.Rename(path, filepath.Join(t.TempDir(), "moved")); err != nil {
		t.Fatal(err)
	}
	t.Setenv(keyVariable, key)
	wantPassword(t, dir)
	t.Setenv(keyVariable, otherKey())
	wantRefusal(t, dir, "another key", "environment variable POSTFERRY_KEY")
	t.Setenv(keyVariable, "nonsense")
	wantRefusal(t, dir, "environment variable POSTFERRY_KEY holds no key")
	if _, err := os.Stat(path); err == nil {
		t.Error("a key file was made")
	}
}

func TestKeyFromEnvironmentAtFirst(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(keyVariable, otherKey())
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, keyFile)); err == nil {
		t.Error("a key file was made")
	}
	t.Setenv(keyVariable, "")
	wantRefusal(t, dir, "key is missing")
}

func TestKeyFromCredential(t *testing.T) {
	dir, key := sealedState(t)
	if err := os.Remove(filepath.Join(dir, keyFile)); err != nil {
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
	data, err := os.ReadFile(filepath.Join(dir, databaseFile))
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

func TestSealer(t *testing.T) {
	s, err := newSealer(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	other, err := newSealer(bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	box := s.seal(1, fieldOldPassword, "secret")
	if got, err := s.open(1, fieldOldPassword, box); err != nil || got != "secret" {
		t.Errorf("open: %q, %v", got.Reveal(), err)
	}
	if box == s.seal(1, fieldOldPassword, "secret") {
		t.Error("the same secret is sealed to the same box twice")
	}
	if len(box) > 24+16+len("secret") {
		t.Errorf("the box takes %d octets", len(box))
	}
	tests := map[string]func() (Secret, error){
		"of another account":      func() (Secret, error) { return s.open(2, fieldOldPassword, box) },
		"in another field":        func() (Secret, error) { return s.open(1, fieldNewPassword, box) },
		"with another key":        func() (Secret, error) { return other.open(1, fieldOldPassword, box) },
		"cut":                     func() (Secret, error) { return s.open(1, fieldOldPassword, box[:len(box)-1]) },
		"shorter than its nonce":  func() (Secret, error) { return s.open(1, fieldOldPassword, box[:20]) },
		"with a bit turned":       func() (Secret, error) { return s.open(1, fieldOldPassword, box[:30]+string(box[30]^1)+box[31:]) },
		"empty":                   func() (Secret, error) { return s.open(1, fieldOldPassword, "") },
		"with another first byte": func() (Secret, error) { return s.open(1, fieldOldPassword, string(box[0]^1)+box[1:]) },
	}
	for name, try := range tests {
		if got, err := try(); err == nil || got != "" {
			t.Errorf("box %s: opened", name)
		}
	}
}
