package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"postferry/internal/private"
	"postferry/store/bolt/pages"
	"postferry/store/bolt/rebuild"
	"postferry/store/bolt/statedir"
)

const (
	// fileLockWait bounds the wait for bbolt's own lock: dirLock keeps other
	// Postferrys out, so only a foreign tool can hold it.
	fileLockWait = time.Second
	// mapSize is the address space reserved for the database. As long as it
	// is large enough, reads and writes never wait for one another.
	mapSize = 1 << 30
	// growStep is by how much the file grows. bbolt's default of 16 MiB is
	// much for a small migration.
	growStep = 1 << 20
)

// openDatabase opens the database, which is made if there is none, and brings it up to date.
func (b *Store) openDatabase() error {
	replaced, err := b.openOnce()
	if err == nil && replaced {
		if err = b.closeDatabase(); err == nil {
			_, err = b.openOnce()
		}
	}
	if err != nil {
		return err
	}
	rebuild.ClearReplaced(filepath.Join(b.dir, statedir.DatabaseFile), b.log)
	return nil
}

// openOnce opens the database. replaced says that another, which is up to date, has come into its
// place meanwhile.
func (b *Store) openOnce() (replaced bool, err error) {
	path := filepath.Join(b.dir, statedir.DatabaseFile)
	file, err := b.openFile(path)
	if err != nil {
		return false, err
	}
	b.file = file
	err = b.guard(func() (err error) {
		b.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:         fileLockWait,
			FreelistType:    bbolt.FreelistMapType,
			InitialMmapSize: mapSize,
			NoStatistics:    true,
			OpenFile:        func(string, int, os.FileMode) (*os.File, error) { return file, nil },
		})
		if err != nil {
			return fmt.Errorf("cannot open the database %s: %w", path, err)
		}
		b.db.AllocSize = growStep
		replaced, err = b.prepare()
		return b.rowsDamaged(err)
	})
	if err != nil {
		return false, errors.Join(err, b.closeDatabase())
	}
	return replaced, nil
}

// closeDatabase closes what openDatabase has opened. A lost one is let go of as it
// is: bbolt might wait for its own locks for ever.
func (b *Store) closeDatabase() error {
	if b.db == nil || b.LostError() != nil {
		// bbolt has closed it where it failed to open. Otherwise the memory stays
		// mapped, and would keep the lock.
		_ = unix.Flock(int(b.file.Fd()), unix.LOCK_UN)
		_ = b.file.Close()
		return nil
	}
	return b.db.Close()
}

// openFile opens the file, keeps other programs out of it, and checks its pages.
func (b *Store) openFile(path string) (*os.File, error) {
	if err := makeDatabase(b.dir, path); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the database: %w", err)
	}
	if err := b.checkFile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// makeDatabase makes an empty database where there is none: whole or not at
// all, so that a file that is no database is a damaged one.
func makeDatabase(dir, path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // what it is will be seen
	}
	making := path + statedir.NewSuffix
	if err := private.RemoveIfThere(making); err != nil {
		return fmt.Errorf("cannot create the database: %w", err)
	}
	db, err := bbolt.Open(making, 0o600, nil)
	if err == nil {
		err = db.Close()
	}
	if err == nil {
		err = os.Rename(making, path)
	}
	if err == nil {
		err = private.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("cannot create the database: %w", err)
	}
	return nil
}

func (b *Store) checkFile(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("cannot look at the database: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file; move it away", file.Name())
	}
	if err := flock(file); err != nil {
		return err
	}
	fellBack, err := pages.Check(file, info.Size())
	if err != nil {
		return &DamagedError{Path: file.Name(), Err: err}
	}
	if fellBack {
		b.log.Warn().Str("path", file.Name()).Msg("the last change of the state was not written whole; it goes on from the one before")
	}
	return nil
}

// flock takes the lock that bbolt takes, before it does.
func flock(file *os.File) error {
	bound := time.After(fileLockWait)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("cannot lock the database %s: %w", file.Name(), err)
		}
		select {
		case <-tick.C:
		case <-bound:
			return fmt.Errorf("another program has %s open", file.Name())
		}
	}
}
