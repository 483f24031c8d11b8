package bolt

import (
	"bytes"
	"context"
	"strings"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// noticeKey is the key of a notice: NUL stands between its parts, and in none of them.
func noticeKey(n *store.Notice) []byte {
	return []byte(n.Domain + "\x00" + n.Event + "\x00" + n.Cause)
}

// Notices implements store.Store.
func (b *Store) Notices(ctx context.Context) (all []store.Notice, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		return root(tx, bucketNotices).ForEach(func(key, text []byte) error {
			parts := strings.Split(string(key), "\x00")
			if len(parts) != 3 {
				return rows.Damaged(bucketNotices, key, rows.ErrKey)
			}
			all = append(all, store.Notice{Domain: parts[0], Event: parts[1], Cause: parts[2], Text: bytes.Clone(text)})
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// PutNotice implements store.Store.
func (b *Store) PutNotice(ctx context.Context, n store.Notice) error {
	if err := store.CheckNotice(&n); err != nil {
		return err
	}
	return b.update(ctx, 1, func(tx *bbolt.Tx) error {
		return root(tx, bucketNotices).Put(noticeKey(&n), n.Text)
	})
}

// DeleteNotice implements store.Store.
func (b *Store) DeleteNotice(ctx context.Context, n store.Notice) error {
	return b.update(ctx, 1, func(tx *bbolt.Tx) error {
		return root(tx, bucketNotices).Delete(noticeKey(&n))
	})
}

// forgetNotices removes what people were told of a domain.
func forgetNotices(tx *bbolt.Tx, domain string) error {
	return removePrefix(root(tx, bucketNotices), []byte(domain+"\x00"))
}
