package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"postferry/internal/private"
	"postferry/store"
	"postferry/store/bolt/rows"
)

const (
	// rebuildChunk is about how many octets are written in one transaction, which bbolt keeps in memory.
	rebuildChunk = 8 << 20
	// rowOverhead is what bbolt keeps of each row besides.
	rowOverhead = 16
	// rebuildTell is after how many messages it is told how far a database is.
	rebuildTell = 250_000
	// rebuildKeep is how many entries wait for the end of their folder, more than a segment has.
	rebuildKeep = 2 * segmentSize / rows.MinEntry
)

// rebuild puts a database of this version, which has all that the one of an earlier version has, in
// its place. It is made beside it, checked against it row by row, and on the disk before it takes its name:
// wherever that is interrupted, there is the one or the other, whole.
func (b *Store) rebuild(path string, from uint64) error {
	path, err := filepath.EvalSymlinks(path) // a link to it stays one
	if err != nil {
		return err
	}
	making := path + newSuffix
	if err := removeIfThere(making); err != nil {
		return err
	}
	err = b.makeRebuilt(making, from)
	if err == nil {
		err = private.SameOwner(making, path)
	}
	if err == nil {
		err = b.keepReplaced(path)
	}
	if err == nil {
		err = os.Rename(making, path)
	}
	if err != nil {
		return errors.Join(b.withRoom(err), removeIfThere(making))
	}
	return private.SyncDir(filepath.Dir(path))
}

// withRoom says how much room is needed, if it was lacking.
func (b *Store) withRoom(err error) error {
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	info, statErr := b.file.Stat()
	if statErr != nil {
		return err
	}
	return fmt.Errorf("there must be room for a second one beside it, of %d MiB at most: %w", info.Size()>>20+1, err)
}

// makeRebuilt makes the new database.
func (b *Store) makeRebuilt(making string, from uint64) error {
	next, err := bbolt.Open(making, 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, NoStatistics: true, NoSync: true})
	if err != nil {
		return err
	}
	next.AllocSize = growStep
	err = b.db.View(func(old *bbolt.Tx) error {
		r := &rebuilding{old: old, next: next, log: b.log, tell: rebuildTell}
		if err := r.copy(); err != nil {
			return err
		}
		return r.check()
	})
	if err == nil {
		err = next.Update(func(tx *bbolt.Tx) error { return b.upgradeFrom(tx, from) })
	}
	if err == nil {
		err = next.Sync()
	}
	return errors.Join(err, next.Close())
}

// rebuilding copies a database of an earlier version, whose ledger has a row for each entry.
type rebuilding struct {
	old  *bbolt.Tx
	next *bbolt.DB
	log  zerolog.Logger
	tell uint64

	tx   *bbolt.Tx // of next
	size int       // octets written in it
	path [][]byte  // of the bucket that is written to
	at   *bbolt.Bucket

	messages, all uint64 // copied, and how many there are
}

func (r *rebuilding) copy() (err error) {
	r.all = countCopied(r.old)
	if r.tx, err = r.next.Begin(true); err != nil {
		return err
	}
	err = r.old.ForEach(func(name []byte, src *bbolt.Bucket) error {
		if string(name) == bucketLedger {
			return r.copyLedger(src)
		}
		return r.copyBucket(src, name)
	})
	if err != nil {
		_ = r.tx.Rollback() // it is closed already if it could not be committed
		return err
	}
	return r.tx.Commit()
}

// countCopied is how many messages the folders say they have. A row that can't be read counts as none.
func countCopied(tx *bbolt.Tx) (n uint64) {
	progress := root(tx, bucketProgress)
	if progress == nil {
		return 0
	}
	c := progress.Cursor()
	for key, row := c.First(); key != nil; key, row = c.Next() {
		if p, err := rows.DecodeProgress(row); err == nil {
			n += p.Copied
		}
	}
	return n
}

// enter makes a bucket, with a sequence, the one that is written to.
func (r *rebuilding) enter(sequence uint64, path ...[]byte) error {
	r.path = path
	if err := r.open(); err != nil || sequence == 0 {
		return err
	}
	return r.at.SetSequence(sequence)
}

func (r *rebuilding) open() (err error) {
	fill := accountFill
	if string(r.path[0]) == bucketLedger {
		fill = entryFill
	}
	if r.at, err = r.tx.CreateBucketIfNotExists(r.path[0]); err != nil {
		return err
	}
	r.at.FillPercent = fill
	for _, name := range r.path[1:] {
		if r.at, err = r.at.CreateBucketIfNotExists(name); err != nil {
			return err
		}
		r.at.FillPercent = fill
	}
	return nil
}

// put writes a row.
func (r *rebuilding) put(key, value []byte) error {
	if r.size > rebuildChunk {
		if err := r.tx.Commit(); err != nil {
			return err
		}
		tx, err := r.next.Begin(true)
		if err != nil {
			return err
		}
		r.tx = tx
		if err := r.open(); err != nil {
			return err
		}
		r.size = 0
	}
	r.size += rowOverhead + len(key) + len(value)
	return r.at.Put(key, value)
}

// copyBucket copies a bucket, and those within it, as they are.
func (r *rebuilding) copyBucket(src *bbolt.Bucket, path ...[]byte) error {
	if err := r.enter(src.Sequence(), path...); err != nil {
		return err
	}
	var nested [][]byte
	if err := src.ForEach(func(key, value []byte) error {
		if value == nil {
			nested = append(nested, key)
			return nil
		}
		return r.put(key, value)
	}); err != nil {
		return err
	}
	for _, name := range nested {
		if err := r.copyBucket(src.Bucket(name), append(slices.Clone(path), name)...); err != nil {
			return err
		}
	}
	return nil
}

func (r *rebuilding) copyLedger(src *bbolt.Bucket) error {
	if err := r.enter(src.Sequence(), []byte(bucketLedger)); err != nil {
		return err
	}
	return src.ForEachBucket(func(account []byte) error {
		entries := src.Bucket(account)
		if err := r.enter(entries.Sequence(), []byte(bucketLedger), account); err != nil {
			return err
		}
		return r.copyEntries(entries)
	})
}

// copyEntries makes segments of an account's rows.
func (r *rebuilding) copyEntries(src *bbolt.Bucket) error {
	var folder store.FolderID
	var list []rows.Entry
	cut := func(keep int, tail bool) (err error) {
		list, err = cutSegments(list, folder, segmentSize, keep, tail, r.put)
		return err
	}
	err := src.ForEach(func(key, row []byte) error {
		r.count()
		f, message, ok := rows.SplitEntryKey(key)
		if !ok {
			r.log.Warn().Str("bucket", bucketLedger).Hex("key", key).Msg("left out a row that no message has")
			return nil
		}
		if f != folder {
			if err := cut(0, true); err != nil {
				return err
			}
			folder = f
		}
		en, err := rows.DecodeEntry(row)
		if err != nil { // it stays one that can't be read
			return errors.Join(cut(0, false), r.put(rows.SegmentKey(f, message), rows.KeepRow(row)))
		}
		en.Key = message
		if list = append(list, en); len(list) > 2*rebuildKeep {
			return cut(rebuildKeep, false)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return cut(0, true)
}

// count tells from time to time how far it is.
func (r *rebuilding) count() {
	r.messages++
	if r.messages%r.tell == 0 {
		r.log.Info().Uint64("messages", r.messages).Uint64("of", max(r.all, r.messages)).Msg("bringing the state up to date")
	}
}
