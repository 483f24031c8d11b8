package bolt

import (
	"errors"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// applyMoved removes the entries of messages that were moved, and keeps where their copies are.
func applyMoved(tx *bbolt.Tx, b *store.Batch) error {
	for _, m := range b.Moved {
		w, err := newLedgerWriter(tx, b.Account, m.Folder)
		if err != nil {
			return err
		}
		copied, known, err := w.placeOf(m.Key)
		if err != nil {
			return err
		}
		if err := errors.Join(w.forget(m.Key), w.drop(m.Key)); err != nil {
			return err
		}
		if err := w.finish(); err != nil {
			return err
		}
		if !known {
			continue
		}
		copied.Line = store.Elsewhere{Folder: b.Folder, Key: m.To}
		if err := w.away.put(copied); err != nil {
			return err
		}
	}
	return nil
}

// placeOf is where the copy of a message of the folder is, as far as its line, or what was kept for it, tells.
func (w *ledgerWriter) placeOf(key store.Key) (at rows.Away, known bool, err error) {
	r := ledgerReader{tx: w.tx, id: w.id, folder: w.folder, progress: w.progress, flags: flagReader{tx: w.tx, id: w.id}}
	entries, err := r.lookUp([]store.Key{key})
	if err != nil || len(entries) == 0 {
		return at, false, err
	}
	e := entries[0]
	if e.UID == 0 {
		return w.away.get(store.Elsewhere{Folder: w.folder, Key: key})
	}
	at = rows.Away{In: w.folder, Away: store.Away{UIDValidity: e.UIDValidity, UID: e.UID, Fingerprint: e.Fingerprint, Size: e.Size}}
	return at, true, nil
}

// applyAway changes what is known of copies in the batch's folder that are away from their lines. One that has been forgotten meanwhile stays so.
func applyAway(tx *bbolt.Tx, b *store.Batch) error {
	a := awayRows{tx: tx, id: b.Account}
	for _, now := range b.Away {
		was, known, err := a.get(now.Line)
		switch {
		case err != nil:
			return err
		case !known || was.In != b.Folder:
			continue
		case now.UID == 0:
			err = a.remove(now.Line)
		default:
			err = a.put(rows.Away{In: b.Folder, Away: now})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// awayRows are the copies of an account that are away from their lines: by line, and by where they are.
type awayRows struct {
	tx *bbolt.Tx
	id store.AccountID
}

func (a awayRows) key(line store.Elsewhere) []byte {
	return rows.MessageKey(a.id, line.Folder, line.Key)
}

func (a awayRows) get(line store.Elsewhere) (at rows.Away, known bool, err error) {
	key := a.key(line)
	row := root(a.tx, bucketAway).Get(key)
	if row == nil {
		return at, false, nil
	}
	if at, err = rows.DecodeAway(line, row); err != nil {
		return at, false, rows.Damaged(bucketAway, key, err)
	}
	return at, true, nil
}

func (a awayRows) put(at rows.Away) error {
	return errors.Join(a.remove(at.Line),
		root(a.tx, bucketAway).Put(a.key(at.Line), rows.EncodeAway(&at)),
		root(a.tx, bucketAwayIn).Put(rows.AwayInKey(a.id, at.In, at.Line), []byte{}))
}

// remove forgets where the copy of a line is. One whose row can't be read stays among those of its folder, without a line.
func (a awayRows) remove(line store.Elsewhere) error {
	key, away := a.key(line), root(a.tx, bucketAway)
	row := away.Get(key)
	if row == nil {
		return nil
	}
	at, err := rows.DecodeAway(line, row)
	if err != nil {
		return away.Delete(key)
	}
	return errors.Join(root(a.tx, bucketAwayIn).Delete(rows.AwayInKey(a.id, at.In, line)), away.Delete(key))
}

// in are the copies in a folder.
func (a awayRows) in(folder store.FolderID) (copies []store.Away, err error) {
	prefix := rows.FolderKey(a.id, folder)
	err = eachWithPrefix(root(a.tx, bucketAwayIn), prefix, func(key, _ []byte) error {
		line, ok := rows.SplitAwayInKey(key)
		if !ok {
			return rows.Damaged(bucketAwayIn, key, rows.ErrKey)
		}
		at, known, err := a.get(line)
		if known {
			copies = append(copies, at.Away)
		}
		return err
	})
	return copies, err
}
