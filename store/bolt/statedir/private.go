package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"postferry/internal/private"
	"postferry/store/seal"
)

// CheckPrivate refuses a state directory that others may write to: who can put a
// database, a key or a socket there is believed. That there is none is no error.
func CheckPrivate(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at the state directory: %w", err)
	}
	if err := private.Check("the state directory "+dir, dir, info); err != nil {
		return err
	}
	for _, name := range []string{DatabaseFile, seal.KeyFile, NewKeyFile, LockFile} {
		if err := private.CheckFile(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// Empty tells whether there is no state in a directory, nor anything that one is being made of; false if that can't be known.
func Empty(dir string) bool {
	files, err := os.ReadDir(dir)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return !slices.ContainsFunc(files, func(f fs.DirEntry) bool { return strings.HasPrefix(f.Name(), DatabaseFile) })
}

// warnOfParent says that others may put another state in place of this one.
func warnOfParent(dir string, log zerolog.Logger) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return // what is wrong with it is found out elsewhere
	}
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			log.Warn().Str("dir", dir).Str("parent", parent).Stringer("mode", info.Mode().Perm()).
				Msg("anybody may put another state directory in place of this one; take that from them (chmod o-w)")
			return
		}
		if parent == filepath.Dir(parent) {
			return
		}
	}
}

// Files of the directory; the key is package seal's.
const (
	DatabaseFile = "state.db"
	LockFile     = "lock"
)

const (
	// NewSuffix is what the name of a database ends with until it is one.
	NewSuffix = ".new"
	// ReplacedSuffix is what the name of a database ends with that another has taken the place of. What is called so
	// is overwritten: it must be no name that people give to a database that they copy or move away.
	ReplacedSuffix = ".replaced"
)

// Make makes the state directory if need be, and refuses one that others may write.
func Make(dir string, log zerolog.Logger) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot create the state directory: %w", err)
	}
	if err := CheckPrivate(dir); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("cannot look at the state directory: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		log.Warn().Str("dir", dir).Stringer("mode", mode).Msg("other users can look into the state directory")
	}
	warnOfParent(dir, log)
	return nil
}

// NewKeyFile holds the next key from before anything is sealed with it until
// nothing is sealed with the one before any more.
const NewKeyFile = seal.KeyFile + ".new"
