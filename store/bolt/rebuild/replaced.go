package rebuild

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"postferry/store/bolt/statedir"
)

// keepReplaced gives the database a second name, under which it can be overwritten once another has
// taken its place. Where the file system has no such names, it is removed without.
func keepReplaced(path string, log zerolog.Logger) error {
	if err := overwriteReplaced(path); err != nil {
		return err
	}
	err := os.Link(path, path+statedir.ReplacedSuffix)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		log.Warn().Err(err).Msg("the database of the earlier version will be removed, but not overwritten")
		return nil
	}
	return err
}

// ClearReplaced overwrites the database that the one at path has replaced. What doesn't succeed is tried again when
// the state is opened next.
func ClearReplaced(path string, log zerolog.Logger) {
	there, err := filepath.EvalSymlinks(path)
	if err == nil {
		path, err = there, overwriteReplaced(there)
	}
	if err != nil {
		log.Warn().Err(err).Str("path", path+statedir.ReplacedSuffix).Msg("the database of the earlier version can't be removed; that is tried again at the next start")
	}
}

// overwriteReplaced overwrites and removes the database that the one at path has taken the place of: it has the
// passwords that the new one may be told to forget. Where the other has not taken its place yet, or it has further
// names, it only loses this one.
func overwriteReplaced(path string) error {
	path += statedir.ReplacedSuffix
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
