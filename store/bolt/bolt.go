package bolt

import (
	"errors"
	"path/filepath"
	"sync"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/store/bolt/statedir"
)

// Options are what Open needs to know besides the directory.
type Options struct {
	// Command is the subcommand that opens the state ("serve", "sync", ...),
	// for the message that a second process gets.
	Command string
	// Log receives what an operator should see.
	Log zerolog.Logger
}

// Store is the store.Store of a single node: a bbolt database in a directory. Its parts hold one
// subject each; folders and their ledgers, and what concerns the whole, are its own.
type Store struct {
	*database
	accounts
	history
	domains
	runs
	access
	audit
	moves
	notices
	signIns
	waysBack

	lock     *statedir.Lock
	release  sync.Once
	released error // of release
}

var _ store.Store = (*Store)(nil)

// Each part of the store has rows of its own in the database that all share.
type (
	accounts struct{ data *database } // accounts, with their logins, aliases and summaries
	history  struct{ data *database } // passes, and octets moved
	domains  struct{ data *database } // domains and their schedules
	runs     struct{ data *database }
	access   struct{ data *database } // administrators, their sessions, and tokens
	audit    struct{ data *database } // who did what
	moves    struct{ data *database } // how far domains' moves are, and how they ended
	notices  struct{ data *database } // what people have been told
	waysBack struct{ data *database } // how far mail on its way back is
	signIns  struct {                 // how Postferry signs in, and what owners agreed to
		data *database
		held *turns
	}
)

func newStore(data *database, lock *statedir.Lock) *Store {
	return &Store{
		database: data, lock: lock,
		accounts: accounts{data}, history: history{data}, domains: domains{data}, runs: runs{data},
		access: access{data}, audit: audit{data}, moves: moves{data}, notices: notices{data},
		signIns: signIns{data, newTurns()}, waysBack: waysBack{data},
	}
}

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
	b := newStore(newDatabase(dir, opt.Log), lock)
	if err := b.openDatabase(); err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	go b.commitLoop()
	return b, nil
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
