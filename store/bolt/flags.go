package bolt

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"github.com/emersion/go-imap/v2"
	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// An account's messages have few different sets of flags. Each set is kept
// once, under a number from 1 up; ledger rows hold the number. 0 is the empty set.

// flagWriter finds or gives numbers of flag sets within a transaction.
type flagWriter struct {
	tx    *bbolt.Tx
	id    store.AccountID
	known map[string]uint32
}

func (w *flagWriter) number(flags []imap.Flag) (uint32, error) {
	if len(flags) == 0 {
		return 0, nil
	}
	set := rows.EncodeFlags(flags)
	if n, ok := w.known[string(set)]; ok {
		return n, nil
	}
	n, err := w.find(set)
	if err != nil {
		return 0, err
	}
	if w.known == nil {
		w.known = make(map[string]uint32)
	}
	w.known[string(set)] = n
	return n, nil
}

// find uses an index by hash, because a set may be longer than a key may be.
func (w *flagWriter) find(set []byte) (uint32, error) {
	sum := sha256.Sum256(set)
	key := append(rows.AccountKey(w.id), sum[:16]...)
	row := root(w.tx, bucketFlagIndex).Get(key)
	if row == nil {
		return w.add(key, set)
	}
	n, err := rows.DecodeFlagNumber(row)
	if err != nil {
		return 0, rows.Damaged(bucketFlagIndex, key, err)
	}
	return n, nil
}

func (w *flagWriter) add(indexKey, set []byte) (uint32, error) {
	sets := root(w.tx, bucketFlagSets)
	n := uint32(1)
	if last, _ := lastWithPrefix(sets, w.id); last != nil {
		if len(last) != rows.AccountKeyLen+4 || binary.BigEndian.Uint32(last[rows.AccountKeyLen:]) == math.MaxUint32 {
			return 0, rows.Damaged(bucketFlagSets, last, rows.ErrKey)
		}
		n = binary.BigEndian.Uint32(last[rows.AccountKeyLen:]) + 1
	}
	if err := sets.Put(rows.FlagSetKey(w.id, n), set); err != nil {
		return 0, err
	}
	return n, root(w.tx, bucketFlagIndex).Put(indexKey, rows.EncodeFlagNumber(n))
}

// flagReader reads sets of flags; the same number gives the same slice.
type flagReader struct {
	tx    *bbolt.Tx
	id    store.AccountID
	known map[uint32][]imap.Flag
}

func (r *flagReader) flags(n uint32) ([]imap.Flag, error) {
	if n == 0 {
		return nil, nil
	}
	if flags, ok := r.known[n]; ok {
		return flags, nil
	}
	key := rows.FlagSetKey(r.id, n)
	flags, err := rows.DecodeFlagSet(root(r.tx, bucketFlagSets).Get(key))
	if err != nil {
		return nil, rows.Damaged(bucketFlagSets, key, err)
	}
	if r.known == nil {
		r.known = make(map[uint32][]imap.Flag)
	}
	r.known[n] = flags
	return flags, nil
}
