package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"postferry/store/bolt/rows"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// changeDatabase changes a closed state behind the store's back.
func changeDatabase(t *testing.T, dir string, fn func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, statedir.DatabaseFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := map[string]struct {
		spoil func(tx *bbolt.Tx) error
		want  string
	}{
		"a newer schema": {
			func(tx *bbolt.Tx) error { return root(tx, bucketMeta).Put([]byte(metaSchema), rows.EncodeNumber(5)) },
			"written by a newer Postferry (schema 5; this one knows up to 4)",
		},
		"a damaged schema": {
			func(tx *bbolt.Tx) error { return root(tx, bucketMeta).Put([]byte(metaSchema), []byte{1}) },
			"damaged (bucket meta, key 736368656d61: the row ends too early): put a backup",
		},
		"a missing bucket": {
			func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketPasses)) },
			"it has no bucket passes",
		},
		"another program's database": {
			func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketMeta)) },
			"is not a database of Postferry",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir, _ := sealedState(t)
			changeDatabase(t, dir, test.spoil)
			wantRefusal(t, dir, test.want)
		})
	}
}

func TestOpenRefusesOtherFile(t *testing.T) {
	dir, _ := sealedState(t)
	path := filepath.Join(dir, statedir.DatabaseFile)
	if err := os.WriteFile(path, []byte(strings.Repeat("no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, dir, "the database "+path+" is damaged")
}

// TestOpenUnfinished: a first start that ended between making the key and the
// database is taken up again.
func TestOpenUnfinished(t *testing.T) {
	dir := t.TempDir()
	key, err := seal.CreateKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	after, err := seal.FindKey(dir)
	if err != nil || string(after.Bytes) != string(key.Bytes) {
		t.Errorf("the key was replaced: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

// TestOpenFailsCleanly: what Open has taken is free again after an error.
func TestOpenFailsCleanly(t *testing.T) {
	dir, key := sealedState(t)
	path := filepath.Join(dir, seal.KeyFile)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantRefusal(t, dir, "key is missing")
	}
	if err := os.WriteFile(path, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	wantPassword(t, dir)
}

func TestOpenNoDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(file, Options{Command: "test", Log: zerolog.Nop()})
	if err == nil || !strings.Contains(err.Error(), "cannot create the state directory") {
		t.Errorf("got %v", err)
	}
}
