package bolt

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// minEntryRow is what a ledger entry takes on disk at least, key included. It
// bounds what a damaged counter can make us allocate.
const minEntryRow = 32

// Ledger implements store.Store.
func (b *Store) Ledger(ctx context.Context, id store.AccountID, folder store.FolderID) (l store.Ledger, err error) {
	err = b.readLedger(ctx, id, folder, func(r *ledgerReader) error {
		if l.Entries, err = r.entries(); err != nil {
			return err
		}
		return r.rest(&l)
	})
	if err != nil {
		return store.Ledger{}, err
	}
	return l, nil
}

// LedgerFrom implements store.Store.
func (b *Store) LedgerFrom(ctx context.Context, id store.AccountID, folder store.FolderID, from store.Key) (l store.LedgerTail, err error) {
	err = b.readLedger(ctx, id, folder, func(r *ledgerReader) error {
		if err := r.tail(from, &l); err != nil {
			return err
		}
		return r.rest(&l.Ledger)
	})
	if err != nil {
		return store.LedgerTail{}, err
	}
	return l, nil
}

// Entries implements store.Store.
func (b *Store) Entries(ctx context.Context, id store.AccountID, folder store.FolderID, keys []store.Key) (entries []store.Entry, err error) {
	err = b.readLedger(ctx, id, folder, func(r *ledgerReader) error {
		bucket := r.bucket()
		if bucket == nil {
			return nil
		}
		for _, key := range keys {
			k := rows.LedgerKey(folder, key)
			row := bucket.Get(k)
			if row == nil {
				continue
			}
			en, err := r.entry(key, row)
			if err != nil {
				return rows.Damaged(r.bucketName(), k, err)
			}
			entries = append(entries, en)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// readLedger reads one folder's ledger within a transaction.
func (b *Store) readLedger(ctx context.Context, id store.AccountID, folder store.FolderID, fn func(r *ledgerReader) error) error {
	return b.view(ctx, func(tx *bbolt.Tx) error {
		p, err := readProgress(tx, rows.FolderKey(id, folder))
		if err != nil {
			return err
		}
		return fn(&ledgerReader{tx: tx, id: id, folder: folder, progress: p, flags: flagReader{tx: tx, id: id}})
	})
}

// ledgerReader reads one folder. A folder may have half a million messages,
// so keys and flags of the result share memory.
type ledgerReader struct {
	tx       *bbolt.Tx
	id       store.AccountID
	folder   store.FolderID
	progress rows.Progress
	flags    flagReader
	keys     keyBlock
}

// each calls fn for the rows whose key begins with prefix. name is that of the
// bucket, for errors.
func (r *ledgerReader) each(bucket *bbolt.Bucket, name string, prefix []byte, fn func(key store.Key, row []byte) error) error {
	return eachWithPrefix(bucket, prefix, func(key, row []byte) error {
		if err := fn(r.keys.add(key[len(prefix):]), row); err != nil {
			return rows.Damaged(name, key, err)
		}
		return nil
	})
}

// rest reads all but the entries.
func (r *ledgerReader) rest(l *store.Ledger) (err error) {
	if l.Intents, err = r.intents(); err != nil {
		return err
	}
	if l.Quarantine, err = r.quarantine(); err != nil {
		return err
	}
	if l.Repaired, err = r.repaired(); err != nil {
		return err
	}
	l.Lost, err = r.intentsIn(bucketLost)
	return err
}

// bucket holds the account's entries; nil if there are none.
func (r *ledgerReader) bucket() *bbolt.Bucket {
	return root(r.tx, bucketLedger).Bucket(rows.AccountKey(r.id))
}

func (r *ledgerReader) bucketName() string { return fmt.Sprintf("%s/%d", bucketLedger, r.id) }

func (r *ledgerReader) entry(key store.Key, row []byte) (store.Entry, error) {
	en, number, err := rows.DecodeEntry(row, r.progress.Validity)
	if err != nil {
		return store.Entry{}, err
	}
	en.Key = key
	en.Flags, err = r.flags.flags(number)
	return en, err
}

// tail reads the first entry and those from a key on.
func (r *ledgerReader) tail(from store.Key, l *store.LedgerTail) error {
	bucket := r.bucket()
	if bucket == nil {
		return nil
	}
	prefix := rows.LedgerKey(r.folder, "")
	c := bucket.Cursor()
	take := func(key, row []byte) (store.Entry, error) {
		en, err := r.entry(r.keys.add(key[len(prefix):]), row)
		if err != nil {
			return en, rows.Damaged(r.bucketName(), key, err)
		}
		return en, nil
	}
	key, row := c.Seek(prefix)
	if !bytes.HasPrefix(key, prefix) {
		return nil
	}
	var err error
	if l.First, err = take(key, row); err != nil {
		return err
	}
	for key, row = c.Seek(rows.LedgerKey(r.folder, from)); bytes.HasPrefix(key, prefix); key, row = c.Next() {
		en, err := take(key, row)
		if err != nil {
			return err
		}
		l.Entries = append(l.Entries, en)
	}
	l.Before = r.progress.Copied - min(r.progress.Copied, uint64(len(l.Entries)))
	return nil
}

func (r *ledgerReader) entries() ([]store.Entry, error) {
	bucket := r.bucket()
	if bucket == nil || r.progress.Copied == 0 {
		return nil, nil
	}
	entries := make([]store.Entry, 0, min(r.progress.Copied, uint64(r.tx.Size()/minEntryRow)))
	err := r.each(bucket, r.bucketName(), rows.LedgerKey(r.folder, ""), func(key store.Key, row []byte) error {
		en, err := r.entry(key, row)
		entries = append(entries, en)
		return err
	})
	return entries, err
}

func (r *ledgerReader) intents() ([]store.Intent, error) { return r.intentsIn(bucketIntents) }

func (r *ledgerReader) intentsIn(bucket string) (intents []store.Intent, err error) {
	err = r.each(root(r.tx, bucket), bucket, rows.FolderKey(r.id, r.folder), func(key store.Key, row []byte) error {
		in, err := rows.DecodeIntent(key, row)
		intents = append(intents, in)
		return err
	})
	return intents, err
}

func (r *ledgerReader) quarantine() (list []store.Quarantined, err error) {
	err = r.each(root(r.tx, bucketQuarantine), bucketQuarantine, rows.FolderKey(r.id, r.folder), func(key store.Key, row []byte) error {
		q, err := rows.DecodeQuarantined(key, row)
		list = append(list, q)
		return err
	})
	return list, err
}

func (r *ledgerReader) repaired() (list []store.Repaired, err error) {
	err = r.each(root(r.tx, bucketRepaired), bucketRepaired, rows.FolderKey(r.id, r.folder), func(key store.Key, row []byte) error {
		re, err := rows.DecodeRepaired(key, row)
		list = append(list, re)
		return err
	})
	return list, err
}

// keyBlock copies keys into few large strings: one allocation for thousands.
type keyBlock struct {
	block strings.Builder
}

const keyBlockSize = 32 << 10 // octets

func (k *keyBlock) add(key []byte) store.Key {
	if k.block.Cap()-k.block.Len() < len(key) {
		k.block = strings.Builder{}
		k.block.Grow(keyBlockSize)
	}
	start := k.block.Len()
	k.block.Write(key)
	return store.Key(k.block.String()[start:])
}
