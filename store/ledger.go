package store

import (
	"context"
	"slices"
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
		r := ledgerReader{tx: tx, id: id, folder: folder, flags: flagReader{tx: tx, id: id}}
		if l.Entries, err = r.entries(p.copied); err != nil {
			return err
		}
		if l.Intents, err = r.intents(); err != nil {
			return err
		}
		l.Quarantine, err = r.quarantine()
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
	tx     *bbolt.Tx
	id     AccountID
	folder FolderID
	flags  flagReader
	keys   keyBlock
}

func (r *ledgerReader) entries(count uint64) ([]Entry, error) {
	bucket := root(r.tx, bucketLedger).Bucket(folderKey(r.id, r.folder))
	if bucket == nil {
		return nil, nil
	}
	entries := make([]Entry, 0, min(count, uint64(r.tx.Size()/minEntryRow)))
	c := bucket.Cursor()
	for key, row := c.First(); key != nil; key, row = c.Next() {
		en, err := r.entry(key, row)
		if err != nil {
			return nil, damaged(bucketLedger, append(folderKey(r.id, r.folder), key...), err)
		}
		entries = append(entries, en)
	}
	return entries, nil
}

func (r *ledgerReader) entry(key, row []byte) (Entry, error) {
	en, number, err := decodeEntry(row)
	if err != nil {
		return Entry{}, err
	}
	en.Key = r.keys.add(key)
	en.Flags, err = r.flags.flags(number)
	return en, err
}

func (r *ledgerReader) intents() (intents []Intent, err error) {
	prefix := folderKey(r.id, r.folder)
	err = eachWithPrefix(root(r.tx, bucketIntents), prefix, func(key, row []byte) error {
		in, err := decodeIntent(r.keys.add(key[len(prefix):]), row)
		if err != nil {
			return damaged(bucketIntents, key, err)
		}
		intents = append(intents, in)
		return nil
	})
	return intents, err
}

func (r *ledgerReader) quarantine() (list []Quarantined, err error) {
	prefix := folderKey(r.id, r.folder)
	err = eachWithPrefix(root(r.tx, bucketQuarantine), prefix, func(key, row []byte) error {
		q, err := decodeQuarantined(r.keys.add(key[len(prefix):]), row)
		if err != nil {
			return damaged(bucketQuarantine, key, err)
		}
		list = append(list, q)
		return nil
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
		k.block.Grow(max(keyBlockSize, len(key)))
	}
	start := k.block.Len()
	k.block.Write(key)
	return Key(k.block.String()[start:])
}

// Commit implements Store.
func (b *Bolt) Commit(ctx context.Context, batch Batch) error {
	if err := checkBatch(&batch); err != nil {
		return err
	}
	return b.update(ctx, batch.rows(), func(tx *bbolt.Tx) error { return applyBatch(tx, &batch) })
}

func (b *Batch) rows() int {
	return len(b.Intents) + len(b.Proofs) + len(b.Drop) + len(b.Quarantine) + len(b.Release) + len(b.Forget) + 1
}

func applyBatch(tx *bbolt.Tx, b *Batch) error {
	w, err := newLedgerWriter(tx, b.Account, b.Folder)
	if err != nil {
		return err
	}
	err = each(b.Forget, w.forget)
	if err == nil {
		err = each(b.Drop, w.drop)
	}
	if err == nil {
		err = each(b.Release, w.release)
	}
	for i := 0; err == nil && i < len(b.Intents); i++ {
		err = w.intend(&b.Intents[i])
	}
	for i := 0; err == nil && i < len(b.Proofs); i++ {
		err = w.prove(&b.Proofs[i])
	}
	for i := 0; err == nil && i < len(b.Quarantine); i++ {
		err = w.isolate(&b.Quarantine[i])
	}
	if err != nil {
		return err
	}
	if b.Checkpoint != nil {
		w.progress.checkpoint = *b.Checkpoint
	}
	return w.finish()
}

// ledgerWriter changes one folder within a transaction.
type ledgerWriter struct {
	tx         *bbolt.Tx
	prefix     []byte        // folderKey
	entries    *bbolt.Bucket // nil as long as the folder has no entry
	intents    *bbolt.Bucket
	quarantine *bbolt.Bucket
	flags      flagWriter
	progress   progress
}

func newLedgerWriter(tx *bbolt.Tx, id AccountID, folder FolderID) (*ledgerWriter, error) {
	prefix := folderKey(id, folder)
	p, err := readProgress(tx, prefix)
	if err != nil {
		return nil, err
	}
	ledger := root(tx, bucketLedger)
	ledger.FillPercent = entryFill
	entries := ledger.Bucket(prefix)
	if entries != nil {
		entries.FillPercent = entryFill
	}
	return &ledgerWriter{
		tx:         tx,
		prefix:     prefix,
		entries:    entries,
		intents:    root(tx, bucketIntents),
		quarantine: root(tx, bucketQuarantine),
		flags:      flagWriter{tx: tx, id: id},
		progress:   p,
	}, nil
}

func (w *ledgerWriter) finish() error {
	return root(w.tx, bucketProgress).Put(w.prefix, encodeProgress(&w.progress))
}

func each(keys []Key, fn func(Key) error) error {
	for _, key := range keys {
		if err := fn(key); err != nil {
			return err
		}
	}
	return nil
}

// key is that of intents and quarantine.
func (w *ledgerWriter) key(key Key) []byte {
	return slices.Concat(w.prefix, []byte(key))
}

func (w *ledgerWriter) forget(key Key) error {
	if w.entries == nil || w.entries.Get([]byte(key)) == nil {
		return nil
	}
	w.progress.copied--
	return w.entries.Delete([]byte(key))
}

func (w *ledgerWriter) drop(key Key) error { return w.intents.Delete(w.key(key)) }

func (w *ledgerWriter) release(key Key) error {
	k := w.key(key)
	if w.quarantine.Get(k) == nil {
		return nil
	}
	w.progress.quarantined--
	return w.quarantine.Delete(k)
}

func (w *ledgerWriter) intend(in *Intent) error {
	return w.intents.Put(w.key(in.Key), encodeIntent(in))
}

func (w *ledgerWriter) prove(en *Entry) error {
	if err := w.openEntries(); err != nil {
		return err
	}
	flags, err := w.flags.number(en.Flags)
	if err != nil {
		return err
	}
	if w.entries.Get([]byte(en.Key)) == nil {
		w.progress.copied++
	}
	if err := w.entries.Put([]byte(en.Key), encodeEntry(en, flags)); err != nil {
		return err
	}
	if err := w.drop(en.Key); err != nil {
		return err
	}
	return w.release(en.Key)
}

// entryFill is how full the pages of a ledger are packed. Keys come in
// ascending order nearly always, so that no room for later ones is needed.
const entryFill = 1.0

func (w *ledgerWriter) openEntries() (err error) {
	if w.entries != nil {
		return nil
	}
	if w.entries, err = root(w.tx, bucketLedger).CreateBucket(w.prefix); err != nil {
		return err
	}
	w.entries.FillPercent = entryFill
	return nil
}

func (w *ledgerWriter) isolate(q *Quarantined) error {
	k := w.key(q.Key)
	if w.quarantine.Get(k) == nil {
		w.progress.quarantined++
	}
	if err := w.quarantine.Put(k, encodeQuarantined(q)); err != nil {
		return err
	}
	return w.intents.Delete(k)
}
