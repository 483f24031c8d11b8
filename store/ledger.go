package store

import (
	"context"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"
)

// minEntryRow is what a ledger entry takes on disk at least, key included. It
// bounds what a damaged counter can make us allocate.
const minEntryRow = 32

// Ledger implements Store.
func (b *Bolt) Ledger(ctx context.Context, id AccountID, folder FolderID) (l Ledger, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		p, err := readProgress(tx, folderKey(id, folder))
		if err != nil {
			return err
		}
		r := ledgerReader{tx: tx, id: id, folder: folder, progress: p, flags: flagReader{tx: tx, id: id}}
		if l.Entries, err = r.entries(); err != nil {
			return err
		}
		if l.Intents, err = r.intents(); err != nil {
			return err
		}
		if l.Quarantine, err = r.quarantine(); err != nil {
			return err
		}
		l.Repaired, err = r.repaired()
		return err
	})
	if err != nil {
		return Ledger{}, err
	}
	return l, nil
}

// ledgerReader reads one folder. A folder may have half a million messages,
// so keys and flags of the result share memory.
type ledgerReader struct {
	tx       *bbolt.Tx
	id       AccountID
	folder   FolderID
	progress progress
	flags    flagReader
	keys     keyBlock
}

// each calls fn for the rows whose key begins with prefix. name is that of the
// bucket, for errors.
func (r *ledgerReader) each(bucket *bbolt.Bucket, name string, prefix []byte, fn func(key Key, row []byte) error) error {
	return eachWithPrefix(bucket, prefix, func(key, row []byte) error {
		if err := fn(r.keys.add(key[len(prefix):]), row); err != nil {
			return damaged(name, key, err)
		}
		return nil
	})
}

func (r *ledgerReader) entries() ([]Entry, error) {
	bucket := root(r.tx, bucketLedger).Bucket(accountKey(r.id))
	if bucket == nil || r.progress.copied == 0 {
		return nil, nil
	}
	entries := make([]Entry, 0, min(r.progress.copied, uint64(r.tx.Size()/minEntryRow)))
	name := fmt.Sprintf("%s/%d", bucketLedger, r.id)
	err := r.each(bucket, name, ledgerKey(r.folder, ""), func(key Key, row []byte) error {
		en, number, err := decodeEntry(row, r.progress.validity)
		if err != nil {
			return err
		}
		en.Key = key
		en.Flags, err = r.flags.flags(number)
		entries = append(entries, en)
		return err
	})
	return entries, err
}

func (r *ledgerReader) intents() (intents []Intent, err error) {
	err = r.each(root(r.tx, bucketIntents), bucketIntents, folderKey(r.id, r.folder), func(key Key, row []byte) error {
		in, err := decodeIntent(key, row)
		intents = append(intents, in)
		return err
	})
	return intents, err
}

func (r *ledgerReader) quarantine() (list []Quarantined, err error) {
	err = r.each(root(r.tx, bucketQuarantine), bucketQuarantine, folderKey(r.id, r.folder), func(key Key, row []byte) error {
		q, err := decodeQuarantined(key, row)
		list = append(list, q)
		return err
	})
	return list, err
}

func (r *ledgerReader) repaired() (list []Repaired, err error) {
	err = r.each(root(r.tx, bucketRepaired), bucketRepaired, folderKey(r.id, r.folder), func(key Key, row []byte) error {
		re, err := decodeRepaired(key, row)
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

func (k *keyBlock) add(key []byte) Key {
	if k.block.Cap()-k.block.Len() < len(key) {
		k.block = strings.Builder{}
		k.block.Grow(keyBlockSize)
	}
	start := k.block.Len()
	k.block.Write(key)
	return Key(k.block.String()[start:])
}
