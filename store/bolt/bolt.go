package bolt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// Options are what Open needs to know besides the directory.
type Options struct {
	// Command is the subcommand that opens the state ("serve", "sync", ...),
	// for the message that a second process gets.
	Command string
	// Log receives what an operator should see.
	Log zerolog.Logger
}

// Store is the store.Store of a single node: a bbolt database in a directory.
type Store struct {
	dir    string
	file   *os.File // the database's
	db     *bbolt.DB
	lock   *statedir.Lock
	key    seal.Key
	sealer *seal.Sealer // of key
	log    zerolog.Logger

	changes chan *change  // to the committer
	stopped chan struct{} // closed when the committer has ended

	gate   sync.RWMutex // held for reading by every call under way
	closed bool         // guarded by gate

	backups atomic.Int32 // under way

	release  sync.Once
	released error // of release

	lostOnce sync.Once
	lost     chan struct{} // closed when the database turns out to be damaged
	lostErr  error         // set before lost is closed
}

var _ store.Store = (*Store)(nil)

// Open opens the state in dir, which only one process can do at a time:
// another one gets an *InUseError. What is missing is created: dir (mode
// 0700), the database, and the key for secrets unless the environment gives
// one. Errors are sentences for the person at the screen.
func Open(dir string, opt Options) (*Store, error) {
	if err := statedir.Make(dir, opt.Log); err != nil {
		return nil, err
	}
	lock, err := statedir.Hold(filepath.Join(dir, statedir.LockFile), opt.Command)
	if err != nil {
		return nil, err
	}
	b := &Store{dir: dir, lock: lock, log: opt.Log, changes: make(chan *change), stopped: make(chan struct{}), lost: make(chan struct{})}
	if err := b.openDatabase(); err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	go b.commitLoop()
	return b, nil
}

// enter and leave enclose every call, so that Close can wait for them.
func (b *Store) enter(ctx context.Context) error {
	if err := b.LostError(); err != nil {
		return err
	}
	b.gate.RLock()
	err := ctx.Err()
	if b.closed {
		err = store.ErrClosed
	}
	if err != nil {
		b.gate.RUnlock()
	}
	return err
}

func (b *Store) leave() { b.gate.RUnlock() }

// view runs a read. What fn keeps must be copied: the database's memory is
// valid only until it returns.
func (b *Store) view(ctx context.Context, fn func(*bbolt.Tx) error) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.leave()
	return b.rowsDamaged(b.guard(func() error { return b.db.View(fn) }))
}

// Close implements store.Store. Closing again does nothing. A lost store waits for
// nobody: calls under way may never end.
func (b *Store) Close() error {
	if b.LostError() == nil {
		b.gate.Lock()
		defer b.gate.Unlock()
		if !b.closed {
			b.closed = true
			close(b.changes)
			<-b.stopped
		}
	}
	b.release.Do(func() { b.released = errors.Join(b.closeDatabase(), b.lock.Release()) })
	return b.released
}
