package bolt

import (
	"context"
	"errors"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

const (
	maxTokens       = 10_000
	maxTokensAll    = 1000 // good for all domains; they have places of their own within maxTokens
	maxTokensEach   = 50   // of one domain
	maxAdmins       = 10_000
	maxSessionsEach = 50 // of one administrator; the one used longest ago goes first
)

// PutAdmin implements store.Access.
func (b access) PutAdmin(ctx context.Context, a store.Admin, first bool) (added bool, err error) {
	if err := store.CheckAdmin(&a); err != nil {
		return false, err
	}
	key := store.FoldLogin(a.Name)
	err = b.data.update(ctx, 2, func(tx *bbolt.Tx) error {
		admins := root(tx, bucketAdmins)
		known, err := getAdmin(tx, key)
		added = errors.Is(err, store.ErrNotFound)
		switch {
		case err != nil && !added:
			return err
		case first && countRows(admins) > 0:
			return store.ErrExists
		case added && countRows(admins) >= maxAdmins:
			return store.Invalid("there are %d administrators already", maxAdmins)
		case !added:
			a.Created = known.Created
		}
		a.From = known.From
		if err := admins.Put(key, rows.EncodeAdmin(&a)); err != nil {
			return err
		}
		return endSessionsOf(tx, key)
	})
	return added && err == nil, err
}

func getAdmin(tx *bbolt.Tx, key []byte) (store.Admin, error) {
	row := root(tx, bucketAdmins).Get(key)
	if row == nil {
		return store.Admin{}, store.ErrNotFound
	}
	a, err := rows.DecodeAdmin(row)
	if err != nil {
		return store.Admin{}, rows.Damaged(bucketAdmins, key, err)
	}
	return a, nil
}

// countRows counts the rows of a small bucket.
func countRows(bucket *bbolt.Bucket) (n int) {
	_ = bucket.ForEach(func(_, _ []byte) error {
		n++
		return nil
	})
	return n
}

// Admin implements store.Access.
func (b access) Admin(ctx context.Context, name string) (store.Admin, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) (store.Admin, error) { return getAdmin(tx, store.FoldLogin(name)) })
}

// Admins implements store.Access.
func (b access) Admins(ctx context.Context) ([]store.Admin, error) {
	return read(ctx, b.data, allAdmins)
}

// allAdmins are all administrators, without the hashes of their passwords.
func allAdmins(tx *bbolt.Tx) (admins []store.Admin, err error) {
	err = root(tx, bucketAdmins).ForEach(func(key, _ []byte) error {
		a, err := getAdmin(tx, key)
		a.Hash = ""
		admins = append(admins, a)
		return err
	})
	return admins, err
}

// DeleteAdmin implements store.Access.
func (b access) DeleteAdmin(ctx context.Context, name string) error {
	key := store.FoldLogin(name)
	return b.data.update(ctx, 2, func(tx *bbolt.Tx) error {
		if _, err := getAdmin(tx, key); err != nil {
			return err
		}
		return deleteAdmin(tx, key)
	})
}

// deleteAdmin removes the administrator with a folded name, and the sessions.
func deleteAdmin(tx *bbolt.Tx, key []byte) error {
	if err := root(tx, bucketAdmins).Delete(key); err != nil {
		return err
	}
	return endSessionsOf(tx, key)
}
