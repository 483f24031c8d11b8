package bolt

import (
	"bytes"
	"context"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// AddSession implements store.Access.
func (b access) AddSession(ctx context.Context, s store.Session, from string) error {
	return b.data.update(ctx, 3, func(tx *bbolt.Tx) error {
		key := store.FoldLogin(s.Admin)
		if err := noteFrom(tx, key, from); err != nil {
			return err
		}
		sessions, err := allSessions(tx)
		if err != nil {
			return err
		}
		own := slices.DeleteFunc(sessions, func(o store.Session) bool { return !bytes.Equal(store.FoldLogin(o.Admin), key) })
		slices.SortFunc(own, func(x, y store.Session) int { return x.Used.Compare(y.Used) })
		for len(own) >= maxSessionsEach {
			if err := root(tx, bucketSessions).Delete(own[0].ID[:]); err != nil {
				return err
			}
			own = own[1:]
		}
		return root(tx, bucketSessions).Put(s.ID[:], rows.EncodeSession(&s))
	})
}

// noteFrom notes a network that an administrator has come from.
func noteFrom(tx *bbolt.Tx, key []byte, from string) error {
	a, err := getAdmin(tx, key)
	if err != nil || from == "" || len(a.From) > 0 && a.From[0] == from {
		return err
	}
	others := slices.DeleteFunc(a.From, func(known string) bool { return known == from })
	a.From = append([]string{from}, others[:min(len(others), rows.MaxFrom-1)]...)
	return root(tx, bucketAdmins).Put(key, rows.EncodeAdmin(&a))
}

func getSession(tx *bbolt.Tx, id store.Digest) (store.Session, error) {
	row := root(tx, bucketSessions).Get(id[:])
	if row == nil {
		return store.Session{}, store.ErrNotFound
	}
	s, err := rows.DecodeSession(id, row)
	if err != nil {
		return store.Session{}, rows.Damaged(bucketSessions, id[:], err)
	}
	return s, nil
}

func allSessions(tx *bbolt.Tx) ([]store.Session, error) {
	return allRows(tx, bucketSessions, func(key, row []byte) (store.Session, error) {
		if len(key) != len(store.Digest{}) {
			return store.Session{}, rows.ErrKey
		}
		return rows.DecodeSession(store.Digest(key), row)
	})
}

// endSessionsOf ends the sessions of the administrator with a folded name.
func endSessionsOf(tx *bbolt.Tx, admin []byte) error {
	_, err := endSessions(tx, func(s store.Session) bool { return bytes.Equal(store.FoldLogin(s.Admin), admin) })
	return err
}

func endSessions(tx *bbolt.Tx, which func(store.Session) bool) (ended int, err error) {
	sessions, err := allSessions(tx)
	if err != nil {
		return 0, err
	}
	for _, s := range sessions {
		if !which(s) {
			continue
		}
		if err := root(tx, bucketSessions).Delete(s.ID[:]); err != nil {
			return 0, err
		}
		ended++
	}
	return ended, nil
}

// Session implements store.Access.
func (b access) Session(ctx context.Context, id store.Digest) (store.Session, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) (store.Session, error) { return getSession(tx, id) })
}

// UseSession implements store.Access.
func (b access) UseSession(ctx context.Context, id store.Digest, when time.Time) error {
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		s, err := getSession(tx, id)
		if err != nil {
			return err
		}
		s.Used = when
		return root(tx, bucketSessions).Put(id[:], rows.EncodeSession(&s))
	})
}

// EndSession implements store.Access.
func (b access) EndSession(ctx context.Context, id store.Digest) error {
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error { return root(tx, bucketSessions).Delete(id[:]) })
}

// EndSessions implements store.Access.
func (b access) EndSessions(ctx context.Context, createdBefore, usedBefore time.Time) (ended int, err error) {
	err = b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		ended, err = endSessions(tx, func(s store.Session) bool {
			return s.Created.Before(createdBefore) || s.Used.Before(usedBefore)
		})
		return err
	})
	if err != nil {
		return 0, err
	}
	return ended, nil
}
