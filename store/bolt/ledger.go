package bolt

import (
	"context"
	"strings"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/bolt/segments"
)

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
		entries, err = r.lookUp(keys)
		return err
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
	if l.Lost, err = r.intentsIn(bucketLost); err != nil {
		return err
	}
	l.Away, err = awayRows{tx: r.tx, id: r.id}.in(r.folder)
	return err
}

// segments reads the folder's entries.
func (r *ledgerReader) segments() *segments.Reader {
	return segments.NewReader(root(r.tx, bucketLedger), r.id, r.folder)
}

func (r *ledgerReader) entry(en *rows.Entry) (store.Entry, error) {
	flags, err := r.flags.flags(en.Flags)
	return store.Entry{
		Key:         r.keys.add(en.Key),
		UIDValidity: r.progress.Validity + en.Validity,
		UID:         en.UID,
		Flags:       flags,
		Fingerprint: en.Fingerprint,
		Size:        en.Size,
	}, err
}

// lookUp finds the entries of keys.
func (r *ledgerReader) lookUp(keys []store.Key) (entries []store.Entry, err error) {
	segments := r.segments()
	for _, key := range keys {
		row, err := segments.Find([]byte(key))
		if err != nil {
			return nil, err
		}
		if row == nil {
			continue
		}
		en, err := r.entry(row)
		if err != nil {
			return nil, err
		}
		entries = append(entries, en)
	}
	return entries, nil
}

// tail reads the first entry and those from a key on.
func (r *ledgerReader) tail(from store.Key, l *store.LedgerTail) error {
	segments := r.segments()
	first, err := segments.First()
	if err != nil || first == nil {
		return err
	}
	if l.First, err = r.entry(first); err != nil {
		return err
	}
	err = segments.From([]byte(from), func(row *rows.Entry) error {
		en, err := r.entry(row)
		l.Entries = append(l.Entries, en)
		return err
	})
	if err != nil {
		return err
	}
	l.Before = r.progress.Copied - min(r.progress.Copied, uint64(len(l.Entries)))
	return nil
}

func (r *ledgerReader) entries() ([]store.Entry, error) {
	if r.progress.Copied == 0 {
		return nil, nil
	}
	entries := make([]store.Entry, 0, min(r.progress.Copied, uint64(r.tx.Size()/rows.MinEntry)))
	err := r.segments().From(nil, func(row *rows.Entry) error {
		en, err := r.entry(row)
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
