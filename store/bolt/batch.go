package bolt

import (
	"context"
	"errors"
	"strings"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/bolt/segments"
)

// Commit implements store.Store.
func (b *Store) Commit(ctx context.Context, batch store.Batch) error {
	if err := store.CheckBatch(&batch); err != nil {
		return err
	}
	return b.update(ctx, rowsIn(&batch), func(tx *bbolt.Tx) error { return applyBatch(tx, &batch) })
}

// CommitAll implements store.Store.
func (b *Store) CommitAll(ctx context.Context, batches []store.Batch) error {
	n := 0
	for i := range batches {
		if err := store.CheckBatch(&batches[i]); err != nil {
			return err
		}
		n += rowsIn(&batches[i])
	}
	return b.update(ctx, n, func(tx *bbolt.Tx) error {
		for i := range batches {
			if err := applyBatch(tx, &batches[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// rowsIn is about how many rows a batch changes.
func rowsIn(b *store.Batch) int {
	return len(b.Intents) + len(b.Proofs) + len(b.Drop) + len(b.Quarantine) + len(b.Release) + len(b.Forget) + len(b.Moved) + len(b.Away) + len(b.Repaired) + len(b.Lost) + len(b.Found) + len(b.Returns) + len(b.Returned) + 2
}

func applyBatch(tx *bbolt.Tx, b *store.Batch) error {
	if err := errors.Join(applyMoved(tx, b), applyAway(tx, b)); err != nil {
		return err
	}
	w, err := newLedgerWriter(tx, b.Account, b.Folder)
	if err != nil {
		return err
	}
	if err := each(b.Forget, w.forget); err != nil {
		return err
	}
	if err := each(b.Drop, w.drop); err != nil {
		return err
	}
	if err := each(b.Lost, w.lose); err != nil {
		return err
	}
	if err := each(b.Found, w.find); err != nil {
		return err
	}
	if err := each(b.Release, w.release); err != nil {
		return err
	}
	if err := each(b.Intents, w.intend); err != nil {
		return err
	}
	if err := each(b.Repaired, w.repair); err != nil {
		return err
	}
	if err := each(b.Proofs, w.prove); err != nil {
		return err
	}
	if err := each(b.Quarantine, w.isolate); err != nil {
		return err
	}
	if b.Checkpoint != nil {
		w.progress.Checkpoint = *b.Checkpoint
	}
	if b.Order != nil {
		w.progress.Order = *b.Order
	}
	if err := applyReturns(tx, b); err != nil {
		return err
	}
	if err := w.finish(); err != nil || b.Late.Messages == 0 {
		return err
	}
	return changeSummary(tx, b.Account, func(s *store.Summary) { s.Late.Add(b.Late) })
}

func each[T any](list []T, fn func(T) error) error {
	for _, v := range list {
		if err := fn(v); err != nil {
			return err
		}
	}
	return nil
}

// ledgerWriter changes one folder within a transaction.
type ledgerWriter struct {
	tx         *bbolt.Tx
	id         store.AccountID
	folder     store.FolderID
	entries    *segments.Writer
	intents    *bbolt.Bucket
	quarantine *bbolt.Bucket
	repaired   *bbolt.Bucket
	away       awayRows
	flags      flagWriter
	progress   rows.Progress
	before     rows.Progress // what it was
	bytes      int64         // by how much the octets in the ledger have grown
	inbox      bool          // INBOX has just been dealt with to its end
}

func newLedgerWriter(tx *bbolt.Tx, id store.AccountID, folder store.FolderID) (*ledgerWriter, error) {
	p, err := readProgress(tx, rows.FolderKey(id, folder))
	if err != nil {
		return nil, err
	}
	return &ledgerWriter{
		tx:         tx,
		id:         id,
		folder:     folder,
		entries:    segments.NewWriter(root(tx, bucketLedger), id, folder),
		intents:    root(tx, bucketIntents),
		quarantine: root(tx, bucketQuarantine),
		repaired:   root(tx, bucketRepaired),
		away:       awayRows{tx: tx, id: id},
		flags:      flagWriter{tx: tx, id: id},
		progress:   p,
		before:     p,
	}, nil
}

// finish writes the entries that have changed, checkpoint and counts.
func (w *ledgerWriter) finish() error {
	if err := w.entries.Flush(); err != nil {
		return err
	}
	inbox, err := w.inboxReady()
	if err != nil {
		return err
	}
	if inbox || w.progress.Copied != w.before.Copied || w.progress.Quarantined != w.before.Quarantined || w.bytes != 0 {
		w.inbox = inbox
		if err := changeSummary(w.tx, w.id, w.sum); err != nil {
			return err
		}
	}
	return root(w.tx, bucketProgress).Put(rows.FolderKey(w.id, w.folder), rows.EncodeProgress(&w.progress))
}

// inboxReady reports that the folder is INBOX and has just been dealt with to its end.
func (w *ledgerWriter) inboxReady() (bool, error) {
	if w.progress.Checkpoint.Checked.IsZero() || !w.before.Checkpoint.Checked.IsZero() {
		return false, nil
	}
	row := root(w.tx, bucketFolders).Get(rows.FolderKey(w.id, w.folder))
	if row == nil {
		return false, nil
	}
	f, err := rows.DecodeFolder(w.folder, row)
	return err == nil && strings.EqualFold(f.Title, "INBOX"), err
}

// sum adds what the batch has changed; unsigned numbers wrap as they should.
func (w *ledgerWriter) sum(s *store.Summary) {
	s.Copied += w.progress.Copied - w.before.Copied
	s.Quarantined += w.progress.Quarantined - w.before.Quarantined
	s.Bytes += uint64(w.bytes)
	s.Inbox = s.Inbox || w.inbox
}

// key is that of intents and quarantine.
func (w *ledgerWriter) key(key store.Key) []byte { return rows.MessageKey(w.id, w.folder, key) }

func (w *ledgerWriter) forget(key store.Key) error {
	size, known, err := w.entries.Remove([]byte(key))
	if err != nil || !known {
		return err
	}
	w.progress.Copied--
	w.bytes -= int64(size)
	return errors.Join(w.repaired.Delete(w.key(key)), w.away.remove(store.Elsewhere{Folder: w.folder, Key: key}))
}

func (w *ledgerWriter) drop(key store.Key) error {
	k := w.key(key)
	return errors.Join(w.intents.Delete(k), w.repaired.Delete(k))
}

// lose notes a message that is given to the new server once more; its intent goes.
func (w *ledgerWriter) lose(in store.Intent) error {
	return errors.Join(w.drop(in.Key), root(w.tx, bucketLost).Put(w.key(in.Key), rows.EncodeIntent(&in)))
}

func (w *ledgerWriter) find(key store.Key) error { return root(w.tx, bucketLost).Delete(w.key(key)) }

func (w *ledgerWriter) repair(r store.Repaired) error {
	return w.repaired.Put(w.key(r.Key), rows.EncodeRepaired(&r))
}

func (w *ledgerWriter) release(key store.Key) error {
	k := w.key(key)
	if w.quarantine.Get(k) == nil {
		return nil
	}
	w.progress.Quarantined--
	return w.quarantine.Delete(k)
}

func (w *ledgerWriter) intend(in store.Intent) error {
	return w.intents.Put(w.key(in.Key), rows.EncodeIntent(&in))
}

func (w *ledgerWriter) prove(en store.Entry) error {
	flags, err := w.flags.number(en.Flags)
	if err != nil {
		return err
	}
	if w.progress.Copied == 0 {
		w.progress.Validity = en.UIDValidity
	}
	size, known, err := w.entries.Put(rows.Entry{
		Key: []byte(en.Key), UID: en.UID, Fingerprint: en.Fingerprint, Flags: flags, Size: en.Size,
		Validity: en.UIDValidity - w.progress.Validity, // modulo 2^32; nearly always 0
	})
	if err != nil {
		return err
	}
	if !known {
		w.progress.Copied++
	}
	w.bytes += int64(en.Size) - int64(size)
	if err := w.intents.Delete(w.key(en.Key)); err != nil {
		return err
	}
	if en.UID != 0 {
		if err := w.away.remove(store.Elsewhere{Folder: w.folder, Key: en.Key}); err != nil {
			return err
		}
	}
	return w.release(en.Key)
}

func (w *ledgerWriter) isolate(q store.Quarantined) error {
	k := w.key(q.Key)
	if w.quarantine.Get(k) == nil {
		w.progress.Quarantined++
	}
	if err := w.quarantine.Put(k, rows.EncodeQuarantined(&q)); err != nil {
		return err
	}
	if copied, err := w.entries.Has([]byte(q.Key)); err != nil || copied {
		return errors.Join(err, w.intents.Delete(k)) // the entry may be of a repaired message
	}
	return errors.Join(w.intents.Delete(k), w.repaired.Delete(k))
}
