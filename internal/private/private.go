// Package private is about files that nobody else may write, because what is in them is believed:
// it refuses those that others may write, and makes new ones whole or not at all.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// WriteFile puts a file of mode 0600 in its place, whole or not at all; when it returns it is on the disk.
func WriteFile(path string, data []byte) error {
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
	return SyncDir(filepath.Dir(path))
}

// SameOwner gives a file to whom another one belongs: what root makes must not keep out the user that
// Postferry runs as otherwise.
func SameOwner(path, like string) error {
	if os.Geteuid() != 0 {
		return nil // nobody else can, nor needs to
	}
	var stat unix.Stat_t
	if err := unix.Stat(like, &stat); err != nil {
		return err
	}
	return os.Chown(path, int(stat.Uid), int(stat.Gid))
}

// RemoveIfThere removes a file; that there is none is no error.
func RemoveIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// CheckFile refuses a file of the state that others may write.
func CheckFile(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at the state: %w", err)
	}
	return Check(path, path, info)
}

// Check refuses what others may write. It is called name and lies at path.
func Check(name, path string, info fs.FileInfo) error {
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
