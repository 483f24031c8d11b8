package store

import (
	"context"

	"go.etcd.io/bbolt"
)

// Overview implements Store.
func (b *Bolt) Overview(ctx context.Context, domain string) (all []Overview, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		c := root(tx, bucketSummaries).Cursor()
		err := eachAccount(tx, func(a *Account) error {
			if domain != "" && a.Domain != domain {
				return nil
			}
			s, err := seekSummary(c, a.ID)
			if err != nil {
				return err
			}
			all = append(all, Overview{Account: *a, Summary: s})
			return nil
		})
		if err != nil {
			return err
		}
		for i := range all {
			if all[i].Alias == 0 {
				continue
			}
			if err := aliasState(tx, &all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// seekSummary reads a summary through a cursor that mostly stands right before it.
func seekSummary(c *bbolt.Cursor, id AccountID) (Summary, error) {
	want := accountKey(id)
	key, row := c.Next()
	if string(key) != string(want) {
		key, row = c.Seek(want)
	}
	if string(key) != string(want) {
		return Summary{}, damaged(bucketSummaries, want, errShort)
	}
	s, err := decodeSummary(row)
	if err != nil {
		return Summary{}, damaged(bucketSummaries, want, err)
	}
	return s, nil
}

// Summary implements Store.
func (b *Bolt) Summary(ctx context.Context, id AccountID) (s Summary, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		s, err = readSummary(tx, id)
		return err
	})
	return s, err
}

// SetMessages implements Store.
func (b *Bolt) SetMessages(ctx context.Context, id AccountID, messages uint64) error {
	return b.update(ctx, 1, func(tx *bbolt.Tx) error {
		if err := checkKnown(tx, id); err != nil {
			return err
		}
		return changeSummary(tx, id, func(s *Summary) { s.Messages = messages })
	})
}

func readSummary(tx *bbolt.Tx, id AccountID) (Summary, error) {
	return seekSummary(root(tx, bucketSummaries).Cursor(), id)
}

func changeSummary(tx *bbolt.Tx, id AccountID, set func(*Summary)) error {
	s, err := readSummary(tx, id)
	if err != nil {
		return err
	}
	set(&s)
	return root(tx, bucketSummaries).Put(accountKey(id), encodeSummary(&s))
}

// countFolders brings the summary up to date after rows of folders changed.
func countFolders(tx *bbolt.Tx, id AccountID) error {
	folders, leftOut := uint64(0), uint64(0)
	err := eachWithPrefix(root(tx, bucketFolders), accountKey(id), func(key, row []byte) error {
		f, err := decodeFolder(0, row)
		if err != nil {
			return damaged(bucketFolders, key, err)
		}
		if f.State != FolderSkipped {
			folders++
		}
		leftOut += f.LeftOut
		return nil
	})
	if err != nil {
		return err
	}
	return changeSummary(tx, id, func(s *Summary) { s.Folders, s.LeftOut = folders, leftOut })
}

// note counts a pass.
func (s *Summary) note(p *Pass) {
	s.Passes++
	s.LastPass = p.Ended
	s.Complete = p.Complete
	if p.Complete {
		s.Completed = p.Ended
	}
}
