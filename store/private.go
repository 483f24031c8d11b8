package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
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
	if err := writtenByOthers("the state directory "+dir, dir, info); err != nil {
		return err
	}
	for _, name := range []string{databaseFile, keyFile, newKeyFile, lockFile} {
		if err := CheckPrivateFile(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// CheckPrivateFile refuses a file of the state that others may write.
func CheckPrivateFile(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at the state: %w", err)
	}
	return writtenByOthers(path, path, info)
}

// writtenByOthers says so of what is called name and lies at path.
func writtenByOthers(name, path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("%s has mode %04o, so others may write it, and nothing in it can be believed: look at what is there, then take that from them (chmod go-w %s)",
			name, mode, path)
	}
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return fmt.Errorf("cannot look at %s: %w", name, err)
	}
	if foreign(stat.Uid, uint32(os.Geteuid())) {
		return fmt.Errorf("%s belongs to another user (number %d), who may write it: give it to the one that Postferry runs as", name, stat.Uid)
	}
	return nil
}

// foreign reports whether what belongs to owner is another's. To root it may
// belong to whom Postferry runs as otherwise, and what belongs to root is fine.
func foreign(owner, me uint32) bool { return me != 0 && owner != me && owner != 0 }

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
