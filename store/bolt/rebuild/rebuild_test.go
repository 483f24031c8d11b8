package rebuild

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/bolt/segments"
)

// oldFolders are how many messages the folders of an account have.
func oldFolders() []int { return []int{2000, 1, 30, 300} }

// messageKey is the key of a folder's n-th message.
func messageKey(n int) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 1_700_000_000), uint32(n))
}

// oldRow is the row of the n-th message, as it was up to schema 3.
func oldRow(n int) []byte {
	row := binary.BigEndian.AppendUint32(nil, uint32(n))
	row = binary.BigEndian.AppendUint64(row, uint64(n)<<40)
	for _, v := range []int{0, n % 5, 1000 * n} { // how far its UIDVALIDITY is from the folder's, flags, size
		row = binary.AppendUvarint(row, uint64(v))
	}
	return row
}

// putRows puts rows into a bucket, which is made, as is each in which it lies.
func putRows(tx *bbolt.Tx, list map[string]string, path ...string) error {
	bucket, err := tx.CreateBucketIfNotExists([]byte(path[0]))
	for _, name := range path[1:] {
		if err == nil {
			bucket, err = bucket.CreateBucketIfNotExists([]byte(name))
		}
	}
	if err == nil {
		err = bucket.SetSequence(uint64(len(list)))
	}
	for key, value := range list {
		if err == nil {
			err = bucket.Put([]byte(key), []byte(value))
		}
	}
	return err
}

// fillOld makes the rows of three accounts of an earlier version, and some of other buckets.
func fillOld(tx *bbolt.Tx) error {
	for account := range store.AccountID(3) {
		ledger := map[string]string{}
		for folder, messages := range oldFolders() {
			for n := range messages {
				ledger[string(append(rows.LedgerPrefix(store.FolderID(folder+1)), messageKey(n)...))] = string(oldRow(n))
			}
		}
		if err := putRows(tx, ledger, segments.Bucket, string(rows.AccountKey(account+1))); err != nil {
			return err
		}
	}
	return errors.Join(
		putRows(tx, map[string]string{"a": "anna", "b": "bert", "c": ""}, "accounts"),
		putRows(tx, nil, "intents"),
		putRows(tx, map[string]string{"1": "", "3": ""}, "auditdomains", "@a.example"),
		putRows(tx, map[string]string{"2": ""}, "auditdomains", "@b.example"),
	)
}

// oldDatabase is a database of an earlier version.
func oldDatabase(t *testing.T) *bbolt.DB {
	t.Helper()
	old := openEmpty(t)
	if err := old.Update(fillOld); err != nil {
		t.Fatal(err)
	}
	return old
}

// openEmpty opens a new database, until the test ends.
func openEmpty(t *testing.T) *bbolt.DB {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// copyOf gives fn what copies a database into another file.
func copyOf(t *testing.T, old *bbolt.DB, fn func(*copying)) {
	t.Helper()
	next := openEmpty(t)
	if err := old.View(func(tx *bbolt.Tx) error {
		fn(&copying{old: tx, next: next, log: zerolog.Nop(), tell: tellAfter})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestTells: it is told from time to time how far it is.
func TestTells(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	copyOf(t, oldDatabase(t), func(c *copying) {
		c.log, c.tell, c.all = zerolog.New(&log), 2000, 6993
		if err := c.copy(); err != nil {
			t.Error(err)
		}
	})
	for _, want := range []string{`"messages":2000,"of":6993`, `"messages":6000,"of":6993`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log is %s", log.String())
		}
	}
}

// TestIsChecked spoils a copy before it is compared with what it was made of.
func TestIsChecked(t *testing.T) {
	t.Parallel()
	ledger := func(tx *bbolt.Tx) *bbolt.Bucket { return tx.Bucket([]byte(segments.Bucket)) }
	put := func(folder store.FolderID) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			w := segments.NewWriter(ledger(tx), 2, folder)
			_, _, err := w.Put(rows.Entry{Key: messageKey(1999), UID: 9000})
			return errors.Join(err, w.Flush())
		}
	}
	spoilers := map[string]func(tx *bbolt.Tx) error{
		"an entry is missing": func(tx *bbolt.Tx) error {
			w := segments.NewWriter(ledger(tx), 2, 1)
			_, _, err := w.Remove(messageKey(1000))
			return errors.Join(err, w.Flush())
		},
		"a folder's entries are missing": func(tx *bbolt.Tx) error { return ledger(tx).Bucket(rows.AccountKey(2)).Delete(rows.TailKey(4)) },
		"an account's are missing":       func(tx *bbolt.Tx) error { return ledger(tx).DeleteBucket(rows.AccountKey(3)) },
		"an entry is another one":        put(1),
		"there is an entry more":         put(4),
		"a row is another one":           func(tx *bbolt.Tx) error { return tx.Bucket([]byte("accounts")).Put([]byte("b"), []byte("other")) },
		"a row is missing":               func(tx *bbolt.Tx) error { return tx.Bucket([]byte("accounts")).Delete([]byte("c")) },
		"there is a row more":            func(tx *bbolt.Tx) error { return tx.Bucket([]byte("intents")).Put([]byte("a"), nil) },
		"a bucket is missing":            func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("intents")) },
		"a bucket in it is missing":      func(tx *bbolt.Tx) error { return tx.Bucket([]byte("auditdomains")).DeleteBucket([]byte("@b.example")) },
		"numbers are given once more":    func(tx *bbolt.Tx) error { return tx.Bucket([]byte("accounts")).SetSequence(0) },
	}
	old := oldDatabase(t)
	for name, spoil := range spoilers {
		copyOf(t, old, func(c *copying) {
			if err := errors.Join(c.copy(), c.check()); err != nil {
				t.Fatal(err)
			}
			if err := c.next.Update(spoil); err != nil {
				t.Fatal(err)
			}
			if err := c.check(); err == nil || !strings.Contains(err.Error(), "nothing has been changed") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}
