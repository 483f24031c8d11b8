package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// Folders implements store.Store.
func (b *Store) Folders(ctx context.Context, id store.AccountID) (folders []store.Folder, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		return eachWithPrefix(root(tx, bucketFolders), rows.AccountKey(id), func(key, row []byte) error {
			f, err := readFolder(tx, key, row)
			folders = append(folders, f)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return folders, nil
}

// checkKnown returns ErrNotFound for an account that does not exist.
func checkKnown(tx *bbolt.Tx, id store.AccountID) error {
	if root(tx, bucketAccounts).Get(rows.AccountKey(id)) == nil {
		return store.ErrNotFound
	}
	return nil
}

// eachWithPrefix calls fn for the rows whose key begins with prefix, in order.
func eachWithPrefix(bucket *bbolt.Bucket, prefix []byte, fn func(key, row []byte) error) error {
	c := bucket.Cursor()
	for key, row := c.Seek(prefix); bytes.HasPrefix(key, prefix); key, row = c.Next() {
		if err := fn(key, row); err != nil {
			return err
		}
	}
	return nil
}

// countWithPrefix counts the rows whose key begins with prefix: never many.
func countWithPrefix(bucket *bbolt.Bucket, prefix []byte) (n uint64) {
	c := bucket.Cursor()
	for key, _ := c.Seek(prefix); bytes.HasPrefix(key, prefix); key, _ = c.Next() {
		n++
	}
	return n
}

// lastWithPrefix returns the last row whose key begins with prefix, nil if
// there is none. Prefixes are account numbers, which never are all ones.
func lastWithPrefix(bucket *bbolt.Bucket, id store.AccountID) (key, row []byte) {
	c := bucket.Cursor()
	if next, _ := c.Seek(rows.AccountKey(id + 1)); next == nil {
		key, row = c.Last()
	} else {
		key, row = c.Prev()
	}
	if !bytes.HasPrefix(key, rows.AccountKey(id)) {
		return nil, nil
	}
	return key, row
}

func readFolder(tx *bbolt.Tx, key, row []byte) (store.Folder, error) {
	if len(key) != rows.FolderKeyLen {
		return store.Folder{}, rows.Damaged(bucketFolders, key, rows.ErrKey)
	}
	f, err := rows.DecodeFolder(store.FolderID(binary.BigEndian.Uint32(key[rows.AccountKeyLen:])), row)
	if err != nil {
		return store.Folder{}, rows.Damaged(bucketFolders, key, err)
	}
	p, err := readProgress(tx, key)
	if err != nil {
		return f, err
	}
	return f, completeFolder(tx, &f, key, p)
}

// completeFolder adds what batches change. key is the folder's.
func completeFolder(tx *bbolt.Tx, f *store.Folder, key []byte, p rows.Progress) error {
	f.Checkpoint, f.Copied, f.Quarantined, f.Again, f.Lost = p.Checkpoint, p.Copied, p.Quarantined, 0, countWithPrefix(root(tx, bucketLost), key)
	f.Order = p.Order
	if p.Quarantined == 0 {
		return nil
	}
	c := root(tx, bucketQuarantine).Cursor()
	for k, row := c.Seek(key); bytes.HasPrefix(k, key); k, row = c.Next() {
		q, err := rows.DecodeQuarantined("", row)
		if err != nil {
			return rows.Damaged(bucketQuarantine, k, err)
		}
		if q.Again {
			f.Again++
		}
	}
	return nil
}

// readProgress returns ErrNotFound if there is no such folder.
func readProgress(tx *bbolt.Tx, folder []byte) (rows.Progress, error) {
	row := root(tx, bucketProgress).Get(folder)
	if row == nil {
		return rows.Progress{}, store.ErrNotFound
	}
	p, err := rows.DecodeProgress(row)
	if err != nil {
		return rows.Progress{}, rows.Damaged(bucketProgress, folder, err)
	}
	return p, nil
}

// PutFolders implements store.Store.
func (b *Store) PutFolders(ctx context.Context, id store.AccountID, folders []store.Folder) (stored []store.Folder, err error) {
	for i := range folders {
		if err := store.CheckFolder(&folders[i]); err != nil {
			return nil, err
		}
	}
	err = b.update(ctx, 2*len(folders), func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		stored = make([]store.Folder, 0, len(folders))
		for _, f := range folders {
			if err := putFolder(tx, id, &f); err != nil {
				return err
			}
			stored = append(stored, f)
		}
		return countFolders(tx, id)
	})
	if err != nil {
		return nil, err
	}
	return stored, nil
}

// putFolder writes one folder and completes it in place.
func putFolder(tx *bbolt.Tx, id store.AccountID, f *store.Folder) (err error) {
	var p rows.Progress
	if f.ID == 0 {
		f.ID, p, err = addFolder(tx, id)
	} else {
		p, err = readProgress(tx, rows.FolderKey(id, f.ID))
	}
	if err != nil {
		return err
	}
	if err := completeFolder(tx, f, rows.FolderKey(id, f.ID), p); err != nil {
		return err
	}
	return root(tx, bucketFolders).Put(rows.FolderKey(id, f.ID), rows.EncodeFolder(f))
}

// addFolder gives a folder its number and an empty ledger.
func addFolder(tx *bbolt.Tx, id store.AccountID) (store.FolderID, rows.Progress, error) {
	folder, err := nextFolderID(tx, id)
	if err != nil {
		return 0, rows.Progress{}, err
	}
	var p rows.Progress
	return folder, p, root(tx, bucketProgress).Put(rows.FolderKey(id, folder), rows.EncodeProgress(&p))
}

// nextFolderID relies on folders never being removed.
func nextFolderID(tx *bbolt.Tx, id store.AccountID) (store.FolderID, error) {
	key, _ := lastWithPrefix(root(tx, bucketFolders), id)
	if key == nil {
		return 1, nil
	}
	if len(key) != rows.FolderKeyLen {
		return 0, rows.Damaged(bucketFolders, key, rows.ErrKey)
	}
	last := binary.BigEndian.Uint32(key[rows.AccountKeyLen:])
	if last+1 == 0 {
		return 0, fmt.Errorf("store: account %d has no folder numbers left", id)
	}
	return store.FolderID(last + 1), nil
}
