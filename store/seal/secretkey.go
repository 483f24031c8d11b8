package seal

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"postferry/internal/private"
)

const (
	// KeyFile is the key's name in the state directory.
	KeyFile = "key"
	// KeyVariable names the environment variable that may hold it.
	KeyVariable = "POSTFERRY_KEY"

	keyCredential = "postferry.key"
)

// Key is the key secrets are sealed with, and where it was found.
type Key struct {
	Bytes []byte // nil if there is none
	From  string
}

// Text is the key as files and variables hold it.
func (k Key) Text() string { return base64.StdEncoding.EncodeToString(k.Bytes) }

// FindKey looks in the environment, then among systemd's credentials
// (systemd.exec(5)), then in the state directory. Nothing found is no error:
// Bytes is nil.
func FindKey(dir string) (Key, error) {
	if text := os.Getenv(KeyVariable); text != "" {
		return ParseKey(text, "the environment variable "+KeyVariable)
	}
	if credentials := os.Getenv("CREDENTIALS_DIRECTORY"); credentials != "" {
		// Who may read it is systemd's affair: access lists make its mode look wider than it is.
		key, err := readKey(filepath.Join(credentials, keyCredential))
		if err != nil || key.Bytes != nil {
			return key, err
		}
	}
	return ReadKey(filepath.Join(dir, KeyFile))
}

// ReadKey reads a key that lies in the state directory, where nobody else may read it. That
// there is none is no error.
func ReadKey(path string) (Key, error) {
	if err := checkMode(path); err != nil {
		return Key{}, err
	}
	return readKey(path)
}

func checkMode(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at the key: %w", err)
	}
	if info.Mode().Perm()&^0o600 != 0 {
		return fmt.Errorf("the key %s has mode %04o, so others may have read it: expected 0600 (chmod 600 %s)",
			path, info.Mode().Perm(), path)
	}
	return nil
}

func readKey(path string) (Key, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, nil
	}
	if err != nil {
		return Key{}, fmt.Errorf("cannot read the key: %w", err)
	}
	return ParseKey(string(text), path)
}

// ParseKey reads a key as a file or a variable holds it. It does not repeat the text in its error: it is nearly a key.
func ParseKey(text, from string) (Key, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != chacha20poly1305.KeySize {
		return Key{}, fmt.Errorf("%s holds no key: expected %d random bytes in base64 (openssl rand -base64 %d)",
			from, chacha20poly1305.KeySize, chacha20poly1305.KeySize)
	}
	return Key{Bytes: key, From: from}, nil
}

// CreateKey writes a new key to the state directory: whole or not at all,
// and on the disk before anything is sealed with it.
func CreateKey(dir string) (Key, error) {
	key := NewKey()
	key.From = filepath.Join(dir, KeyFile)
	if err := private.WriteFile(key.From, []byte(key.Text()+"\n")); err != nil {
		return Key{}, fmt.Errorf("cannot create the key: %w", err)
	}
	return key, nil
}

// NewKey makes a key, which is nowhere yet.
func NewKey() Key {
	key := Key{Bytes: make([]byte, chacha20poly1305.KeySize)}
	rand.Read(key.Bytes) // never fails (crypto/rand)
	return key
}
