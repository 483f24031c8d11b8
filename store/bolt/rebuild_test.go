package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/bolt/segments"
	"postferry/store/bolt/statedir"
)

// makeOld makes a closed state's database one of schema 3, whose ledger had a row for each entry.
func makeOld(dir string) error {
	db, err := bbolt.Open(filepath.Join(dir, statedir.DatabaseFile), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		return err
	}
	return errors.Join(db.Update(makeOldRows), db.Sync(), db.Close())
}

func makeOldRows(tx *bbolt.Tx) error {
	ledger := root(tx, bucketLedger)
	var accounts [][]byte
	if err := ledger.ForEachBucket(func(name []byte) error {
		accounts = append(accounts, bytes.Clone(name))
		return nil
	}); err != nil {
		return err
	}
	for _, name := range accounts {
		var old [][2][]byte // in the order of their keys
		if err := ledger.Bucket(name).ForEach(func(key, value []byte) error {
			var seg rows.Segment
			for seg.Open(key, value); seg.Next(); {
				old = append(old, [2][]byte{slices.Concat(key[:4], seg.Key), oldRow(&seg.Entry)})
			}
			return seg.Err()
		}); err != nil {
			return err
		}
		if err := ledger.DeleteBucket(name); err != nil {
			return err
		}
		entries, err := ledger.CreateBucket(name)
		if err != nil {
			return err
		}
		entries.FillPercent = segments.Fill
		for _, row := range old {
			if err := entries.Put(row[0], row[1]); err != nil {
				return err
			}
		}
	}
	return root(tx, bucketMeta).Put([]byte(metaSchema), rows.EncodeNumber(3))
}

func oldRow(en *rows.Entry) []byte {
	row := append(binary.BigEndian.AppendUint32(nil, uint32(en.UID)), en.Fingerprint[:]...)
	for _, v := range []uint32{en.Validity, en.Flags, en.Size} {
		row = binary.AppendUvarint(row, uint64(v))
	}
	return row
}

// oldFolders are how many messages the folders of an account of schema 3 have.
func oldFolders() []int { return []int{2000, 1, 30, 300} }

// oldState is a state of schema 3 with some mailboxes, and what it holds.
func oldState(t *testing.T) (dir, contents string) {
	t.Helper()
	dir = t.TempDir()
	b := open(t, dir)
	b.db.NoSync = true
	mailboxes{accounts: 3, atOnce: 1, folders: oldFolders()}.fill(t, b)
	contents, err := readAll(t.Context(), b)
	if err := errors.Join(err, b.Close(), makeOld(dir)); err != nil {
		t.Fatal(err)
	}
	return dir, contents
}

// wantRebuilt opens a state, which has to be up to date and whole.
func wantRebuilt(t *testing.T, dir, contents string) {
	t.Helper()
	b, err := Open(dir, Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t.Context(), b)
	if err != nil || got != contents {
		t.Errorf("there is something else: %v", err)
	}
	if err := errors.Join(b.Close(), onlyState(dir)); err != nil {
		t.Error(err)
	}
	changeDatabase(t, dir, func(tx *bbolt.Tx) error {
		if version, err := readVersion(tx); err != nil || version != schemaVersion {
			t.Errorf("schema %d, %v", version, err)
		}
		return nil
	})
}

// onlyState wants nothing to be left of an upgrade.
func onlyState(dir string) error {
	for _, name := range []string{statedir.DatabaseFile + statedir.NewSuffix, statedir.DatabaseFile + statedir.ReplacedSuffix} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there (%v)", name, err)
		}
	}
	return nil
}

// TestRebuild: a database of schema 3 is replaced by one that has all of it in less room, and is overwritten.
func TestRebuild(t *testing.T) {
	t.Parallel()
	dir, contents := oldState(t)
	old, err := os.Open(filepath.Join(dir, statedir.DatabaseFile))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	before := fileSize(t, dir)
	wantRebuilt(t, dir, contents)
	if after := fileSize(t, dir); after > before/2 {
		t.Errorf("%d octets, %d before", after, before)
	}
	if left, err := io.ReadAll(old); err != nil || len(left) != int(before) || len(bytes.Trim(left, "\x00")) > 0 {
		t.Errorf("of the old database something is left: %v", err)
	}
	wantRebuilt(t, dir, contents)
}

// TestRebuildLeavesOtherNames: a database that has a further name, such as that of a copy made of links, is
// left as it is under that.
func TestRebuildLeavesOtherNames(t *testing.T) {
	t.Parallel()
	dir, contents := oldState(t)
	path, copied := filepath.Join(dir, statedir.DatabaseFile), filepath.Join(t.TempDir(), "copy")
	before, err := os.ReadFile(path)
	if err := errors.Join(err, os.Link(path, copied)); err != nil {
		t.Fatal(err)
	}
	wantRebuilt(t, dir, contents)
	if after, err := os.ReadFile(copied); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the copy has changed: %v", err)
	}
}

// TestCountCopied: how far an upgrade is can be told.
func TestCountCopied(t *testing.T) {
	t.Parallel()
	dir, _ := oldState(t)
	changeDatabase(t, dir, func(tx *bbolt.Tx) error {
		if n := countCopied(tx); n != 3*2331 {
			t.Errorf("%d messages", n)
		}
		return nil
	})
}

// TestRebuildDamaged: a row that can't be read stays one, with its folder; all others are kept.
func TestRebuildDamaged(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int{"first": 0, "in the middle": 1000, "last": 1999} {
		t.Run(name, func(t *testing.T) {
			dir, _ := oldState(t)
			key := append(rows.LedgerPrefix(1), testEntry(at).Key...)
			changeDatabase(t, dir, func(tx *bbolt.Tx) error {
				return root(tx, bucketLedger).Bucket(rows.AccountKey(1)).Put(key, []byte{1, 2})
			})
			b := open(t, dir)
			var damage *DamagedError
			_, err := b.Ledger(t.Context(), 1, 1)
			if !errors.As(err, &damage) || !strings.Contains(err.Error(), fmt.Sprintf("%x: the row ends too early", testEntry(at).Key)) {
				t.Errorf("the damaged folder: %v", err)
			}
			for id := range store.AccountID(3) {
				for folder := range store.FolderID(4) {
					if id == 0 && folder == 0 {
						continue
					}
					if l, err := b.Ledger(t.Context(), id+1, folder+1); err != nil || len(l.Entries) != oldFolders()[folder] {
						t.Errorf("account %d, folder %d: %d entries, %v", id+1, folder+1, len(l.Entries), err)
					}
				}
			}
			other := (at + 500) % 2000
			if found, err := b.Entries(t.Context(), 1, 1, []store.Key{testEntry(other).Key}); err != nil || len(found) != 1 {
				t.Errorf("another message of the folder: %d, %v", len(found), err)
			}
		})
	}
}

// TestRebuildFails: an upgrade that doesn't succeed leaves everything as it was, and says so.
func TestRebuildFails(t *testing.T) {
	t.Parallel()
	dir, contents := oldState(t)
	before, err := os.ReadFile(filepath.Join(dir, statedir.DatabaseFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{statedir.DatabaseFile + statedir.NewSuffix, statedir.DatabaseFile + statedir.ReplacedSuffix} {
		inTheWay := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Join(inTheWay, "folder"), 0o700); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, dir, "cannot bring the database", "up to date")
		after, err := os.ReadFile(filepath.Join(dir, statedir.DatabaseFile))
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("it has changed: %v", err)
		}
		if err := os.RemoveAll(inTheWay); err != nil {
			t.Fatal(err)
		}
	}
	wantRebuilt(t, dir, contents)
}

// BenchmarkRebuild opens databases of schema 3 with a million messages. Run it with -benchtime=1x.
func BenchmarkRebuild(b *testing.B) {
	for _, m := range []mailboxes{{"one folder", 1, []int{1_000_000}, 1}, {"10,000 accounts of 100", 10_000, []int{80, 20}, 32}} {
		b.Run(m.name, func(b *testing.B) {
			dir := b.TempDir()
			s := open(b, dir)
			s.db.NoSync = true
			m.fill(b, s)
			if err := errors.Join(s.Close(), makeOld(dir)); err != nil {
				b.Fatal(err)
			}
			before := fileSize(b, dir)
			for b.Loop() {
				open(b, dir)
			}
			b.ReportMetric(float64(before)/1e6, "bytes/msg-before")
			b.ReportMetric(float64(fileSize(b, dir))/1e6, "bytes/msg-after")
		})
	}
}
