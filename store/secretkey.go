package store

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
)

const (
	keyFile       = "key"
	keyVariable   = "POSTFERRY_KEY"
	keyCredential = "postferry.key"
)

// sealingKey is the key secrets are sealed with, and where it was found.
type sealingKey struct {
	bytes []byte
	from  string
}

// findKey looks in the environment, then among systemd's credentials
// (systemd.exec(5)), then in the state directory. Nothing found is no error:
// bytes is nil.
func findKey(dir string) (sealingKey, error) {
	if text := os.Getenv(keyVariable); text != "" {
		return parseKey(text, "the environment variable "+keyVariable)
	}
	if credentials := os.Getenv("CREDENTIALS_DIRECTORY"); credentials != "" {
		// Who may read it is systemd's affair: access lists make its mode look wider than it is.
		key, err := readKey(filepath.Join(credentials, keyCredential))
		if err != nil || key.bytes != nil {
			return key, err
		}
	}
	path := filepath.Join(dir, keyFile)
	if err := checkMode(path); err != nil {
		return sealingKey{}, err
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

func readKey(path string) (sealingKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return sealingKey{}, nil
	}
	if err != nil {
		return sealingKey{}, fmt.Errorf("cannot read the key: %w", err)
	}
	return parseKey(string(text), path)
}

// parseKey does not repeat the text in its error: it is nearly a key.
func parseKey(text, from string) (sealingKey, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != chacha20poly1305.KeySize {
		return sealingKey{}, fmt.Errorf("%s holds no key: expected %d random bytes in base64 (openssl rand -base64 %d)",
			from, chacha20poly1305.KeySize, chacha20poly1305.KeySize)
	}
	return sealingKey{bytes: key, from: from}, nil
}

// createKey writes a new key to the state directory: whole or not at all,
// and on the disk before anything is sealed with it.
func createKey(dir string) (sealingKey, error) {
	key := newKey()
	key.from = filepath.Join(dir, keyFile)
	text := base64.StdEncoding.EncodeToString(key.bytes) + "\n"
	if err := writeFileAtomic(key.from, []byte(text)); err != nil {
		return sealingKey{}, fmt.Errorf("cannot create the key: %w", err)
	}
	return key, nil
}

// newKey makes a key, which is nowhere yet.
func newKey() sealingKey {
	key := sealingKey{bytes: make([]byte, chacha20poly1305.KeySize)}
	rand.Read(key.bytes) // never fails (crypto/rand)
	return key
}

func writeFileAtomic(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
