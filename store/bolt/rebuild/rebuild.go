package rebuild

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
	"postferry/store/bolt/segments"
	"postferry/store/bolt/statedir"
)

const (
	// chunk is about how many octets are written in one transaction, which bbolt keeps in memory.
	chunk = 8 << 20
	// rowOverhead is what bbolt keeps of each row besides.
	rowOverhead = 16
	// tellAfter is after how many messages it is told how far a database is.
	tellAfter = 250_000
	// rowFill is how full new pages of other buckets than the ledger are packed. Rows are written in
	// the order of their keys; some will become longer.
	rowFill = 0.9
	// keepEntries is how many entries wait for the end of their folder, more than a segment has.
	keepEntries = 2 * segments.MaxSize / rows.MinEntry
)

// Database is one of an earlier version, which is open, and has to be replaced.
type Database struct {
	Path     string
	Open     *bbolt.DB
	Messages uint64                // that were copied, for telling how far it is
	Finish   func(*bbolt.Tx) error // makes a copy, which has all of it, one of this version
	Log      zerolog.Logger
}

// Replace puts a database of this version, which has all that the one of the earlier version has, in
// its place. It is made beside it, checked against it row by row, and on the disk before it takes its name:
// wherever that is interrupted, there is the one or the other, whole.
func (d *Database) Replace() error {
	path, err := filepath.EvalSymlinks(d.Path) // a link to it stays one
	if err != nil {
		return err
	}
	making := path + statedir.NewSuffix
	if err := private.RemoveIfThere(making); err != nil {
		return err
	}
	err = d.makeNext(making)
	if err == nil {
		err = private.SameOwner(making, path)
	}
	if err == nil {
		err = keepReplaced(path, d.Log)
	}
	if err == nil {
		err = os.Rename(making, path)
	}
	if err != nil {
		return errors.Join(withRoom(path, err), private.RemoveIfThere(making))
	}
	return private.SyncDir(filepath.Dir(path))
}

// withRoom says how much room is needed, if it was lacking.
func withRoom(path string, err error) error {
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	info, statErr := os.Stat(path)
	if statErr != nil {
		return err
	}
	return fmt.Errorf("there must be room for a second one beside it, of %d MiB at most: %w", info.Size()>>20+1, err)
}

// makeNext makes the new database.
func (d *Database) makeNext(making string) error {
	next, err := bbolt.Open(making, 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, NoStatistics: true, NoSync: true})
	if err != nil {
		return err
	}
	next.AllocSize = d.Open.AllocSize
	err = d.Open.View(func(old *bbolt.Tx) error {
		c := &copying{old: old, next: next, log: d.Log, tell: tellAfter, all: d.Messages}
		if err := c.copy(); err != nil {
			return err
		}
		return c.check()
	})
	if err == nil {
		err = next.Update(d.Finish)
	}
	if err == nil {
		err = next.Sync()
	}
	return errors.Join(err, next.Close())
}

// copying copies a database of an earlier version, whose ledger has a row for each entry.
type copying struct {
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

func (c *copying) copy() (err error) {
	if c.tx, err = c.next.Begin(true); err != nil {
		return err
	}
	err = c.old.ForEach(func(name []byte, src *bbolt.Bucket) error {
		if string(name) == segments.Bucket {
			return c.copyLedger(src)
		}
		return c.copyBucket(src, name)
	})
	if err != nil {
		_ = c.tx.Rollback() // it is closed already if it could not be committed
		return err
	}
	return c.tx.Commit()
}

// enter makes a bucket, with a sequence, the one that is written to.
func (c *copying) enter(sequence uint64, path ...[]byte) error {
	c.path = path
	if err := c.open(); err != nil || sequence == 0 {
		return err
	}
	return c.at.SetSequence(sequence)
}

func (c *copying) open() (err error) {
	fill := rowFill
	if string(c.path[0]) == segments.Bucket {
		fill = segments.Fill
	}
	if c.at, err = c.tx.CreateBucketIfNotExists(c.path[0]); err != nil {
		return err
	}
	c.at.FillPercent = fill
	for _, name := range c.path[1:] {
		if c.at, err = c.at.CreateBucketIfNotExists(name); err != nil {
			return err
		}
		c.at.FillPercent = fill
	}
	return nil
}

// put writes a row.
func (c *copying) put(key, value []byte) error {
	if c.size > chunk {
		if err := c.tx.Commit(); err != nil {
			return err
		}
		tx, err := c.next.Begin(true)
		if err != nil {
			return err
		}
		c.tx = tx
		if err := c.open(); err != nil {
			return err
		}
		c.size = 0
	}
	c.size += rowOverhead + len(key) + len(value)
	return c.at.Put(key, value)
}

// copyBucket copies a bucket, and those within it, as they are.
func (c *copying) copyBucket(src *bbolt.Bucket, path ...[]byte) error {
	if err := c.enter(src.Sequence(), path...); err != nil {
		return err
	}
	var nested [][]byte
	if err := src.ForEach(func(key, value []byte) error {
		if value == nil {
			nested = append(nested, key)
			return nil
		}
		return c.put(key, value)
	}); err != nil {
		return err
	}
	for _, name := range nested {
		if err := c.copyBucket(src.Bucket(name), append(slices.Clone(path), name)...); err != nil {
			return err
		}
	}
	return nil
}

func (c *copying) copyLedger(src *bbolt.Bucket) error {
	if err := c.enter(src.Sequence(), []byte(segments.Bucket)); err != nil {
		return err
	}
	return src.ForEachBucket(func(account []byte) error {
		entries := src.Bucket(account)
		if err := c.enter(entries.Sequence(), []byte(segments.Bucket), account); err != nil {
			return err
		}
		return c.copyEntries(entries)
	})
}

// copyEntries makes segments of an account's rows.
func (c *copying) copyEntries(src *bbolt.Bucket) error {
	var folder store.FolderID
	var list []rows.Entry
	cut := func(keep int, tail bool) (err error) {
		list, err = segments.Cut(list, folder, keep, tail, c.put)
		return err
	}
	err := src.ForEach(func(key, row []byte) error {
		c.count()
		f, message, ok := rows.SplitEntryKey(key)
		if !ok {
			c.log.Warn().Str("bucket", segments.Bucket).Hex("key", key).Msg("left out a row that no message has")
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
			return errors.Join(cut(0, false), c.put(rows.SegmentKey(f, message), rows.KeepRow(row)))
		}
		en.Key = message
		if list = append(list, en); len(list) > 2*keepEntries {
			return cut(keepEntries, false)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return cut(0, true)
}

// count tells from time to time how far it is.
func (c *copying) count() {
	c.messages++
	if c.messages%c.tell == 0 {
		c.log.Info().Uint64("messages", c.messages).Uint64("of", max(c.all, c.messages)).Msg("bringing the state up to date")
	}
}
