package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	databaseFile = "state.db"
	lockFile     = "lock"

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

// Options are what Open needs to know besides the directory.
type Options struct {
	// Command is the subcommand that opens the state ("serve", "sync", ...),
	// for the message that a second process gets.
	Command string
	// Log receives what an operator should see.
	Log zerolog.Logger
}

// Bolt is the Store of a single node: a bbolt database in a directory.
type Bolt struct {
	db     *bbolt.DB
	lock   *dirLock
	sealer *sealer
	log    zerolog.Logger

	changes chan *change  // to the committer
	stopped chan struct{} // closed when the committer has ended

	gate   sync.RWMutex // held for reading by every call under way
	closed bool         // guarded by gate
}

var _ Store = (*Bolt)(nil)

// Open opens the state in dir, which only one process can do at a time:
// another one gets an *InUseError. What is missing is created: dir (mode
// 0700), the database, and the key for secrets unless the environment gives
// one. Errors are sentences for the person at the screen.
func Open(dir string, opt Options) (*Bolt, error) {
	if err := makeDir(dir, opt.Log); err != nil {
		return nil, err
	}
	lock, err := lockDir(filepath.Join(dir, lockFile), opt.Command)
	if err != nil {
		return nil, err
	}
	b := &Bolt{lock: lock, log: opt.Log, changes: make(chan *change), stopped: make(chan struct{})}
	if err := b.openDatabase(dir); err != nil {
		return nil, errors.Join(err, lock.release())
	}
	go b.commitLoop()
	return b, nil
}

func makeDir(dir string, log zerolog.Logger) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot create the state directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("cannot look at the state directory: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		log.Warn().Str("dir", dir).Stringer("mode", mode).Msg("other users can look into the state directory")
	}
	return nil
}

func (b *Bolt) openDatabase(dir string) error {
	path := filepath.Join(dir, databaseFile)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         fileLockWait,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mapSize,
		NoStatistics:    true,
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("another program has %s open", path)
	case err != nil:
		return fmt.Errorf("cannot open the database %s: %w", path, err)
	}
	db.AllocSize = growStep
	b.db = db
	if err := b.prepare(dir); err != nil {
		return errors.Join(err, db.Close())
	}
	return nil
}

// enter and leave enclose every call, so that Close can wait for them.
func (b *Bolt) enter(ctx context.Context) error {
	b.gate.RLock()
	err := ctx.Err()
	if b.closed {
		err = ErrClosed
	}
	if err != nil {
		b.gate.RUnlock()
	}
	return err
}

func (b *Bolt) leave() { b.gate.RUnlock() }

// view runs a read. What fn keeps must be copied: the database's memory is
// valid only until it returns.
func (b *Bolt) view(ctx context.Context, fn func(*bbolt.Tx) error) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.leave()
	return b.db.View(fn)
}

// Close implements Store. Closing again does nothing.
func (b *Bolt) Close() error {
	b.gate.Lock()
	defer b.gate.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	close(b.changes)
	<-b.stopped
	return errors.Join(b.db.Close(), b.lock.release())
}
