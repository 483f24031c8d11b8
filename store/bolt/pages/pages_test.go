package pages

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// secret is in rows that are deleted.
const secret = "not to be found any more"

// kept is in those that stay: so long that they take several pages, however bbolt merges them.
var kept = strings.Repeat("kept", 50)

// database is the path of a database with rows, and with pages in which there were others.
func database(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	change := func(fn func(*bbolt.Bucket, []byte) error) {
		t.Helper()
		if err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("rows"))
			for i := 0; i < 2000 && err == nil; i++ {
				err = fn(b, fmt.Appendf(nil, "key %04d", i))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	change(func(b *bbolt.Bucket, key []byte) error { return b.Put(key, []byte(secret)) })
	change(func(b *bbolt.Bucket, key []byte) error {
		if key[len(key)-1] == '0' {
			return b.Put(key, []byte(kept))
		}
		return b.Delete(key)
	})
	change(func(b *bbolt.Bucket, _ []byte) error { return b.Put([]byte("last"), []byte(kept)) }) // the transaction before the last one counts as in use
	return path
}

// TestClear: what is not in use is overwritten, and nothing else.
func TestClear(t *testing.T) {
	path := database(t)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	before, _ := os.ReadFile(path)
	if !bytes.Contains(before, []byte(secret)) {
		t.Fatal("there is nothing to overwrite")
	}
	if err := Clear(file, int64(len(before))); err != nil {
		t.Fatal(err)
	}
	after, _ := os.ReadFile(path)
	if fellBack, err := Check(file, int64(len(after))); bytes.Contains(after, []byte(secret)) || fellBack || err != nil {
		t.Errorf("fell back: %t, %v; or it is still there", fellBack, err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("rows")).ForEach(func(key, value []byte) error {
			if string(value) != kept {
				return fmt.Errorf("%s has become %q", key, value)
			}
			return nil
		})
	}); err != nil {
		t.Error(err)
	}
}

// TestCheck: a page that holds something else is seen, wherever it is.
func TestCheck(t *testing.T) {
	data, err := os.ReadFile(database(t))
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(data))
	m, _, err := readMeta(bytes.NewReader(data), size)
	if err != nil {
		t.Fatal(err)
	}
	used, pageSize, err := usedPages(bytes.NewReader(data), size)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newPageChecker(bytes.NewReader(data), size, m)
	if err != nil || c.tree(m.root, keyRange{}, 0) != nil {
		t.Fatal(err)
	}
	damaged := 0
	for id := uint64(firstPage); id < m.pages; id++ {
		reached := c.used.has(id)
		if !used.has(id) && reached {
			t.Errorf("page %d is in use, and not counted", id)
		}
		hurt := bytes.Clone(data)
		clear(hurt[id*pageSize:][:pageSize])
		if _, err := Check(bytes.NewReader(hurt), size); reached && err == nil {
			t.Errorf("nothing is found in page %d", id)
		} else if reached {
			damaged++
		}
	}
	if damaged < 8 {
		t.Errorf("only %d pages were damaged", damaged)
	}
}
