package bolt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"postferry/store/bolt/statedir"
)

// replacedSuffix is what the name of a database ends with that another has taken the place of. What is called so
// is overwritten: it must be no name that people give to a database that they copy or move away.
const replacedSuffix = ".replaced"

// keepReplaced gives the database a second name, under which it can be overwritten once another has
// taken its place. Where the file system has no such names, it is removed without.
func (b *Store) keepReplaced(path string) error {
	if err := overwriteReplaced(path); err != nil {
		return err
	}
	err := os.Link(path, path+replacedSuffix)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		b.log.Warn().Err(err).Msg("the database of the earlier version will be removed, but not overwritten")
		return nil
	}
	return err
}

// clearReplaced overwrites the database that was replaced. What doesn't succeed is tried again when
// the state is opened next.
func (b *Store) clearReplaced() {
	path, err := filepath.EvalSymlinks(filepath.Join(b.dir, statedir.DatabaseFile))
	if err == nil {
		err = overwriteReplaced(path)
	}
	if err != nil {
		b.log.Warn().Err(err).Str("path", path+replacedSuffix).Msg("the database of the earlier version can't be removed; that is tried again at the next start")
	}
}

// overwriteReplaced overwrites and removes the database that the one at path has taken the place of: it has the
// passwords that the new one may be told to forget. Where the other has not taken its place yet, or it has further
// names, it only loses this one.
func overwriteReplaced(path string) error {
	path += replacedSuffix
	file, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var stat unix.Stat_t
	err = unix.Fstat(int(file.Fd()), &stat)
	if err == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG && stat.Nlink == 1 {
		err = fillWithZeros(file, stat.Size)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Remove(path)
}

// fillWithZeros overwrites a file.
func fillWithZeros(file *os.File, size int64) error {
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := file.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return err
		}
	}
	return file.Sync()
}
