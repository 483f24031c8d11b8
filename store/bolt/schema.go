package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"go.etcd.io/bbolt"

	"postferry/internal/private"
	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// schemaVersion counts the changes of what lies on the disk. A database of an
// older version is brought up to date when it is opened; one of a newer
// version is refused, because what this version would not understand it
// would also not keep.
const schemaVersion = 4

// Keys of the meta bucket.
const (
	metaSchema   = "schema"   // number: schemaVersion
	metaKeyCheck = "keycheck" // a known text, sealed
	metaScrub    = "scrub"    // there if what was deleted is still to be overwritten
)

// keyCheckText is sealed under metaKeyCheck; only the right key opens it.
const keyCheckText = store.Secret("postferry")

// prepare checks or creates schema and key. replaced says that another database, which is up to date,
// is in the place of this one now.
func (b *Store) prepare() (replaced bool, err error) {
	dir := b.dir
	path := filepath.Join(dir, statedir.DatabaseFile)
	found := false
	err = b.db.View(func(tx *bbolt.Tx) (err error) {
		found, err = checkSchema(tx, path)
		return err
	})
	if err != nil {
		return false, err
	}
	key, err := seal.FindKey(dir)
	if err != nil {
		return false, err
	}
	if !found {
		return false, b.begin(path, key)
	}
	if err := b.checkKey(key, dir); err != nil {
		return false, err
	}
	if replaced, err = b.upgrade(path); replaced || err != nil {
		return replaced, err
	}
	return false, b.finishScrub()
}

// begin makes an empty state, with a key if there is none.
func (b *Store) begin(path string, key seal.Key) (err error) {
	if key.Bytes == nil {
		if key, err = seal.CreateKey(b.dir); err != nil {
			return err
		}
	}
	if err := b.create(key); err != nil {
		return fmt.Errorf("cannot create the database %s: %w", path, err)
	}
	b.log.Info().Str("path", path).Str("key", key.From).Msg("created an empty state")
	return private.SyncDir(b.dir)
}

// checkSchema reports whether the database has been used before.
func checkSchema(tx *bbolt.Tx, path string) (found bool, err error) {
	meta := root(tx, bucketMeta)
	if meta == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return false, fmt.Errorf("%s is not a database of Postferry", path)
		}
		return false, nil
	}
	version, err := readVersion(tx)
	if err != nil {
		return false, err
	}
	if version > schemaVersion {
		return false, fmt.Errorf("%s was written by a newer Postferry (schema %d; this one knows up to %d): install that version again",
			path, version, schemaVersion)
	}
	for _, name := range rootBuckets() {
		if root(tx, name) == nil && version == schemaVersion && !slices.Contains(laterBuckets(), name) {
			return false, &DamagedError{Path: path, Err: fmt.Errorf("it has no bucket %s", name)}
		}
	}
	return true, nil
}

// readVersion reads the version of the schema of a database that has one.
func readVersion(tx *bbolt.Tx) (uint64, error) {
	version, err := rows.DecodeNumber(root(tx, bucketMeta).Get([]byte(metaSchema)))
	if err != nil {
		return 0, rows.Damaged(bucketMeta, []byte(metaSchema), err)
	}
	return version, nil
}

// checkKey wants the key that everything is sealed with, or the next one if it
// was being changed.
func (b *Store) checkKey(key seal.Key, dir string) error {
	if key.Bytes != nil && b.tryKey(key) == nil {
		return nil
	}
	if key.Bytes == nil || key.From == filepath.Join(dir, seal.KeyFile) {
		if finished, err := b.finishRotation(); finished || err != nil {
			return err
		}
	}
	if key.Bytes == nil {
		return fmt.Errorf("the passwords in %s are sealed, and their key is missing: put the file %s back, or give it in %s",
			filepath.Join(dir, statedir.DatabaseFile), filepath.Join(dir, seal.KeyFile), seal.KeyVariable)
	}
	return fmt.Errorf("the passwords in %s are sealed with another key than the one in %s: put the right key there",
		filepath.Join(dir, statedir.DatabaseFile), key.From)
}

// tryKey takes the key if it is the one that everything is sealed with.
func (b *Store) tryKey(key seal.Key) error {
	s, err := seal.New(key.Bytes)
	if err != nil {
		return err
	}
	return b.db.View(func(tx *bbolt.Tx) error {
		box := string(root(tx, bucketMeta).Get([]byte(metaKeyCheck)))
		_, err := s.Open(0, seal.KeyCheck, box)
		if err == nil {
			b.key, b.sealer = key, s
		}
		return err
	})
}

func putKeyCheck(tx *bbolt.Tx, s *seal.Sealer) error {
	return root(tx, bucketMeta).Put([]byte(metaKeyCheck), []byte(s.Seal(0, seal.KeyCheck, keyCheckText)))
}

func (b *Store) create(key seal.Key) error {
	s, err := seal.New(key.Bytes)
	if err != nil {
		return err
	}
	b.key, b.sealer = key, s
	return b.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range rootBuckets() {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		meta := root(tx, bucketMeta)
		return errors.Join(
			putKeyCheck(tx, s),
			meta.Put([]byte(metaSchema), rows.EncodeNumber(schemaVersion)),
		)
	})
}
