package folders

import (
	"context"
	"time"

	"postferry/report"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/recovery"
)

// Decide runs on the account's goroutine.
func (m *State) Decide(id store.FolderID, v report.FolderVerdict, known *store.Problem) error {
	f := m.Folders.ByID(id)
	if f == nil {
		return report.ErrNoFolder
	}
	left := m.Trees.leftOld(f, known)
	switch {
	case f.State == store.FolderMissing && v == report.FolderRecreate:
		return m.recreate(f)
	case f.State == store.FolderMissing, v == report.FolderDeleted && left && f.State == store.FolderPlanned:
		return m.isDeleted(f)
	case v == report.FolderDeleted && left:
		return m.Rows.nothingComes(f)
	}
	return report.ErrNotMissing
}

// isDeleted: what stays behind is known, and is to.
func (m *State) isDeleted(f *Folder) error {
	row := f.Folder
	row.State, row.Missing = store.FolderDeleted, store.Missing{}
	return m.decided(f, row)
}

// recreate forgets what was copied, so that all of it comes again.
func (m *State) recreate(f *Folder) error {
	if err := m.allMailAnew(); err != nil {
		return err
	}
	if err := m.awayAgain(f); err != nil {
		return err
	}
	if err := m.Rows.forget(f); err != nil {
		return err
	}
	row := f.Folder
	row.State, row.Missing, row.LeftOut, row.Renaming, row.NewUIDValidity = store.FolderPlanned, store.Missing{}, 0, "", 0
	if m.Folders.ByNew(row.New) != nil {
		row.New = "" // another has the name by now
	}
	return m.decided(f, row)
}

// awayAgain has messages be copied again, to where they are now, that had been copied to a folder and were moved at the old server since.
func (m *State) awayAgain(f *Folder) error {
	l, err := m.Rows.store.Ledger(m.Rows.ctx, m.Rows.id, f.ID)
	if err != nil || len(l.Away) == 0 {
		return err
	}
	rows, err := m.Rows.store.Folders(m.Rows.ctx, m.Rows.id)
	if err != nil {
		return err
	}
	for _, b := range recovery.AwayLost(m.Rows.id, rows, l.Away) {
		if err := m.Rows.commit(b); err != nil {
			return err
		}
		m.CopyAgain([]store.FolderID{b.Folder})
	}
	return nil
}

// Release takes messages of a folder out of quarantine, so that the next pull tries them again. Copies that may be lost
// are forgotten; what was archived since they were made, or were refused, comes from all mail.
func (m *State) Release(f *Folder, keys []store.Key) error {
	gone, err := m.Rows.store.Entries(m.Rows.ctx, m.Rows.id, f.ID, keys)
	if err == nil && (len(gone) > 0 || !f.AllMail) {
		err = m.allMailAnew()
	}
	if err != nil {
		return err
	}
	return m.Rows.release(f, keys, gone)
}

// allMailAnew has all mail looked through from its beginning, before what is known of messages of another folder is forgotten.
func (m *State) allMailAnew() error {
	f := m.Folders.AllMail()
	if f == nil {
		return nil
	}
	m.Folders.AllMailAnew()
	return m.Resets.Commit(func() error {
		rows, err := m.Rows.store.Folders(m.Rows.ctx, m.Rows.id)
		if err != nil {
			return err
		}
		for _, b := range recovery.AllMailAnew(m.Rows.id, rows) {
			if err := m.Rows.commit(b); err != nil {
				return err
			}
		}
		return nil
	})
}

// decided makes durable what was decided. A look at the trees that runs must not undo it.
func (m *State) decided(f *Folder, row store.Folder) error {
	rows, err := m.Rows.Put([]store.Folder{row})
	if err != nil {
		return err
	}
	m.Trees.Changes = append(m.Trees.Changes, Change{})
	m.Folders.Take(rows)
	m.Rows.log.Info().Str("folder", f.Title).Str("state", string(row.State)).Msg("a person decided about the missing folder")
	return nil
}

// nothingComes: what is left of a folder that the old server has no more is all there will be.
func (k *records) nothingComes(f *Folder) error {
	cp := f.Checkpoint
	cp.Checked = time.Now()
	if err := k.commit(store.Batch{Account: k.id, Folder: f.ID, Checkpoint: &cp}); err != nil {
		return err
	}
	f.Checkpoint = cp
	return nil
}

// forgetAtOnce is how many lines of a ledger are forgotten in one step.
const forgetAtOnce = 500

// forget empties a folder's ledger. Until that is through the folder stays missing.
func (k *records) forget(f *Folder) error {
	l, err := k.store.Ledger(k.ctx, k.id, f.ID)
	if err != nil {
		return err
	}
	var batches []store.Batch
	for len(l.Entries) > 0 {
		n := min(len(l.Entries), forgetAtOnce)
		b := store.Batch{}
		for _, e := range l.Entries[:n] {
			b.Forget = append(b.Forget, e.Key)
		}
		batches, l.Entries = append(batches, b), l.Entries[n:]
	}
	last := store.Batch{Checkpoint: &store.Checkpoint{}}
	for _, in := range l.Intents {
		last.Drop = append(last.Drop, in.Key)
	}
	for _, q := range l.Quarantine {
		last.Release = append(last.Release, q.Key)
	}
	for _, b := range append(batches, last) {
		b.Account, b.Folder = k.id, f.ID
		if err := k.commit(b); err != nil {
			return err
		}
	}
	f.Checkpoint, f.Copied, f.Quarantined, f.Again = store.Checkpoint{}, 0, 0, 0
	f.Made.Store(nil)
	return nil
}

// commit writes a batch that must not be lost when the engine stops.
func (k *records) commit(b store.Batch) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), StoreWait)
	defer cancel()
	return k.store.Commit(ctx, b)
}

// DecideMailbox runs on the account's goroutine. Nothing is pulled while the question is open.
func (m *State) DecideMailbox(side store.Side, v report.MailboxVerdict) error {
	m.Rows.log.Warn().Str("server", string(side)).Str("verdict", string(v)).Msg("a person decided about the mailbox that isn't the one it was")
	if v == report.MailboxAgain {
		return m.copyAgain()
	}
	for _, f := range m.Folders {
		if side == store.OldSide && !foldertree.IsInbox(&f.Folder) {
			continue // each shows by itself whether it is another one
		}
		if err := m.acceptFolder(f, side); err != nil {
			return err
		}
	}
	return nil
}

// acceptFolder forgets how a folder was numbered, so that there is nothing to compare with: what the
// ledger has of it is recognised by what it is.
func (m *State) acceptFolder(f *Folder, side store.Side) error {
	cp, row := f.Checkpoint, f.Folder
	if side == store.OldSide {
		cp = store.Checkpoint{NewUIDValidity: cp.NewUIDValidity, NewUIDNext: cp.NewUIDNext, NewHighestModSeq: cp.NewHighestModSeq}
	} else {
		cp.NewUIDValidity, cp.NewUIDNext, cp.NewHighestModSeq = 0, 0, 0
		cp.HighestModSeq = 0 // so that it is opened although nothing has come, and how it is numbered is known again
		row.NewUIDValidity = 0
	}
	if err := m.Rows.commit(store.Batch{Account: m.Rows.id, Folder: f.ID, Checkpoint: &cp}); err != nil {
		return err
	}
	f.Checkpoint = cp
	rows, err := m.Rows.Put([]store.Folder{row})
	m.Folders.Take(rows)
	return err
}

// copyAgain forgets all that was copied into folders that are copied.
func (m *State) copyAgain() error {
	for _, f := range m.Folders {
		switch f.State {
		case store.FolderSkipped, store.FolderDeleted:
			continue
		}
		if err := m.Rows.forget(f); err != nil {
			return err
		}
		row := f.Folder
		row.Missing, row.LeftOut, row.Renaming, row.NewUIDValidity = store.Missing{}, 0, "", 0
		if !foldertree.IsInbox(&row) {
			row.State = store.FolderPlanned
		}
		rows, err := m.Rows.Put([]store.Folder{row})
		if err != nil {
			return err
		}
		m.Folders.Take(rows)
	}
	return nil
}
