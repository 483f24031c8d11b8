package bolt

import (
	"context"
	"os"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/seal"
)

// database is the bbolt database in a state directory while it is open: calls under way, the one
// committer, the key that secrets are sealed with, and what is to be done when it turns out to be
// damaged. It knows nothing of what the rows mean.
type database struct {
	dir    string
	file   *os.File // the database's
	db     *bbolt.DB
	key    seal.Key
	sealer *seal.Sealer // of key
	log    zerolog.Logger

	changes chan *change  // to the committer
	stopped chan struct{} // closed when the committer has ended

	gate   sync.RWMutex // held for reading by every call under way
	closed bool         // guarded by gate

	backups atomic.Int32 // under way
	ended   endings

	lostOnce sync.Once
	lost     chan struct{} // closed when the database turns out to be damaged
	lostErr  error         // set before lost is closed
}

func newDatabase(dir string, log zerolog.Logger) *database {
	return &database{dir: dir, log: log, changes: make(chan *change), stopped: make(chan struct{}), lost: make(chan struct{})}
}

// enter and leave enclose every call, so that Close can wait for them.
func (b *database) enter(ctx context.Context) error {
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

func (b *database) leave() { b.gate.RUnlock() }

// view runs a read. What fn keeps must be copied: the database's memory is
// valid only until it returns.
func (b *database) view(ctx context.Context, fn func(*bbolt.Tx) error) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.leave()
	return b.rowsDamaged(b.guard(func() error { return b.db.View(fn) }))
}

// read is view for what is returned. With an error that is nothing.
func read[T any](ctx context.Context, b *database, fn func(*bbolt.Tx) (T, error)) (found T, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) (err error) {
		found, err = fn(tx)
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return found, nil
}

// allRows are those of a bucket, in the order of their keys.
func allRows[T any](tx *bbolt.Tx, bucket string, decode func(key, row []byte) (T, error)) (all []T, err error) {
	err = root(tx, bucket).ForEach(func(key, row []byte) error {
		v, err := decode(key, row)
		if err != nil {
			return rows.Damaged(bucket, key, err)
		}
		all = append(all, v)
		return nil
	})
	return all, err
}
