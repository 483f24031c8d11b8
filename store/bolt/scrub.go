package bolt

import (
	"context"
	"time"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/pages"
)

const (
	// scrubWait is between two attempts to find the database idle.
	scrubWait = 10 * time.Millisecond
	// scrubPatience is how long that is tried before calls that come are made to wait.
	scrubPatience = 2 * time.Second
)

// scrubNow overwrites what was deleted, as soon as no other call is under way. A backup, which
// may take as long as its reader wants, is waited for without holding others up.
func (b *database) scrubNow(ctx context.Context) error {
	tick := time.NewTicker(scrubWait)
	defer tick.Stop()
	for until := time.Now().Add(scrubPatience); !b.gate.TryLock(); {
		if time.Now().After(until) && b.backups.Load() == 0 {
			b.gate.Lock() // every other call is short
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err() // the mark is there: it is done when the database is opened next
		case <-b.lost:
			return b.lostErr
		}
	}
	defer b.gate.Unlock()
	if b.closed {
		return store.ErrClosed
	}
	return b.rowsDamaged(b.guard(b.finishScrub))
}

// finishScrub overwrites what was deleted, if that is still to be done. No other call may be
// under way.
func (b *database) finishScrub() error {
	wanted := false
	err := b.db.View(func(tx *bbolt.Tx) error {
		wanted = root(tx, bucketMeta).Get([]byte(metaScrub)) != nil
		return nil
	})
	if err != nil || !wanted {
		return err
	}
	if err := b.scrub(); err != nil {
		return err
	}
	return b.db.Update(func(tx *bbolt.Tx) error { return root(tx, bucketMeta).Delete([]byte(metaScrub)) })
}

// scrub overwrites what the database doesn't use any more: rows that were sealed
// with a key before are still there. The transaction before the last one is
// kept, so that bbolt can fall back to it; that it has nothing of those either is what
// the additional transaction is for.
func (b *database) scrub() error {
	if err := b.db.Update(func(tx *bbolt.Tx) error { return putKeyCheck(tx, b.sealer) }); err != nil {
		return err
	}
	info, err := b.file.Stat()
	if err != nil {
		return err
	}
	return pages.Clear(b.file, info.Size())
}
