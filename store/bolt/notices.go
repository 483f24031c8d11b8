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
func (b notices) Notices(ctx context.Context) ([]store.Notice, error) {
	return read(ctx, b.data, func(tx *bbolt.Tx) ([]store.Notice, error) { return allRows(tx, bucketNotices, decodeNotice) })
}

func decodeNotice(key, text []byte) (store.Notice, error) {
	parts := strings.Split(string(key), "\x00")
	if len(parts) != 3 {
		return store.Notice{}, rows.ErrKey
	}
	return store.Notice{Domain: parts[0], Event: parts[1], Cause: parts[2], Text: bytes.Clone(text)}, nil
}

// PutNotice implements store.Store.
func (b notices) PutNotice(ctx context.Context, n store.Notice) error {
	if err := store.CheckNotice(&n); err != nil {
		return err
	}
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		return root(tx, bucketNotices).Put(noticeKey(&n), n.Text)
	})
}

// DeleteNotice implements store.Store.
func (b notices) DeleteNotice(ctx context.Context, n store.Notice) error {
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		return root(tx, bucketNotices).Delete(noticeKey(&n))
	})
}

// forgetNotices removes what people were told of a domain.
func forgetNotices(tx *bbolt.Tx, domain string) error {
	return removePrefix(root(tx, bucketNotices), []byte(domain+"\x00"))
}
