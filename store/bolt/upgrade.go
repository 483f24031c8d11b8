package bolt

import (
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rebuild"
	"postferry/store/bolt/rows"
	"postferry/store/bolt/segments"
)

// upgrade brings a database of an earlier Postferry up to date, all of it or nothing. replaced says that
// another is in its place now.
func (b *Store) upgrade(path string) (replaced bool, err error) {
	var from, messages uint64
	complete := true
	err = b.db.View(func(tx *bbolt.Tx) (err error) {
		complete = !slices.ContainsFunc(rootBuckets(), func(name string) bool { return root(tx, name) == nil })
		if from, err = readVersion(tx); err == nil && from != schemaVersion {
			messages = countCopied(tx)
		}
		return err
	})
	if err != nil || complete && from == schemaVersion {
		return false, err
	}
	finish := func(tx *bbolt.Tx) error { return b.upgradeFrom(tx, from) }
	old := rebuild.Database{Path: path, Open: b.db, Messages: messages, Finish: finish, Log: b.log}
	if from == schemaVersion {
		err = b.db.Update(finish)
	} else if err = old.Replace(); err == nil {
		replaced = true
		b.log.Info().Str("path", path).Uint64("from", from).Int("to", schemaVersion).Msg("brought the state up to date; earlier versions can't read it any more")
	}
	if err != nil {
		return false, fmt.Errorf("cannot bring the database %s up to date: %w", path, err)
	}
	return replaced, nil
}

// countCopied is how many messages the folders say they have. A row that can't be read counts as none.
func countCopied(tx *bbolt.Tx) (n uint64) {
	progress := root(tx, bucketProgress)
	if progress == nil {
		return 0
	}
	c := progress.Cursor()
	for key, row := c.First(); key != nil; key, row = c.Next() {
		if p, err := rows.DecodeProgress(row); err == nil {
			n += p.Copied
		}
	}
	return n
}

func (b *Store) upgradeFrom(tx *bbolt.Tx, version uint64) error {
	for _, name := range []string{bucketLost, bucketAway, bucketAwayIn} { // which reading a folder looks into
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	if version == 1 {
		if err := b.upgradeFromV1(tx); err != nil {
			return err
		}
	}
	if err := indexAllAudit(tx); err != nil {
		return err
	}
	for _, name := range rootBuckets() {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return root(tx, bucketMeta).Put([]byte(metaSchema), rows.EncodeNumber(schemaVersion))
}

// upgradeFromV1: problems have got a kind and say which server they are about,
// and there are summaries.
func (b *Store) upgradeFromV1(tx *bbolt.Tx) error {
	summaries, err := tx.CreateBucketIfNotExists([]byte(bucketSummaries))
	if err != nil {
		return err
	}
	summaries.FillPercent = accountFill
	accounts := root(tx, bucketAccounts)
	troubled := map[store.AccountID]store.Account{}
	if err := accounts.ForEach(func(key, row []byte) error {
		id, err := rows.DecodeNumber(key)
		if err != nil {
			return rows.Damaged(bucketAccounts, key, err)
		}
		a, err := rows.DecodeAccountV1(store.AccountID(id), row, b.sealer)
		if err != nil {
			return rows.Damaged(bucketAccounts, key, err)
		}
		if a.Problem != nil {
			troubled[a.ID] = a
		}
		s, err := summarize(tx, a.ID)
		if err != nil {
			return err
		}
		return summaries.Put(key, rows.EncodeSummary(&s))
	}); err != nil {
		return err
	}
	for id, a := range troubled {
		if err := accounts.Put(rows.AccountKey(id), rows.EncodeAccount(&a, b.sealer)); err != nil {
			return err
		}
	}
	return nil
}

// summarize counts what the store otherwise keeps count of.
func summarize(tx *bbolt.Tx, id store.AccountID) (s store.Summary, err error) {
	if err := eachWithPrefix(root(tx, bucketFolders), rows.AccountKey(id), func(key, row []byte) error {
		f, err := readFolder(tx, key, row)
		if err != nil {
			return err
		}
		s.Copied += f.Copied
		s.Quarantined += f.Quarantined
		if f.State != store.FolderSkipped {
			s.Folders++
			s.Messages += uint64(f.Checkpoint.Messages)
		}
		return nil
	}); err != nil {
		return s, err
	}
	if err := eachWithPrefix(root(tx, bucketPasses), rows.AccountKey(id), func(key, row []byte) error {
		p, err := rows.DecodePass(row)
		if err != nil {
			return rows.Damaged(bucketPasses, key, err)
		}
		s.Note(&p)
		return nil
	}); err != nil {
		return s, err
	}
	return s, segments.Each(root(tx, bucketLedger), id, func(en *rows.Entry) error {
		s.Bytes += uint64(en.Size)
		return nil
	})
}
