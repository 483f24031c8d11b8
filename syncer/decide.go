package syncer

import (
	"context"
	"fmt"
	"time"

	"postferry/report"
	"postferry/store"
)

// DecideFolder does with a missing folder of an account what a person says. A folder that
// went from the old server before it was all copied can only be said to be deleted.
func (e *Engine) DecideFolder(ctx context.Context, id store.AccountID, folder store.FolderID, v report.FolderVerdict) error {
	if v != report.FolderDeleted && v != report.FolderRecreate {
		return fmt.Errorf("syncer: no verdict: %q", v)
	}
	if err := e.registry.follow(ctx, id, func(a *account) error { return a.decide(folder, v, a.row.Problem) }); err != nil {
		return err
	}
	row, err := e.shared.store.AccountByID(ctx, id)
	if err != nil || row.State != store.Active {
		return err
	}
	return e.Again(ctx, []store.AccountID{id})
}

// decide runs on the account's goroutine.
func (m *mailboxState) decide(id store.FolderID, v report.FolderVerdict, known *store.Problem) error {
	f := m.folders.byID(id)
	if f == nil {
		return report.ErrNoFolder
	}
	left := m.tree.leftOld(f, known)
	switch {
	case f.State == store.FolderMissing && v == report.FolderRecreate:
		return m.recreate(f)
	case f.State == store.FolderMissing, v == report.FolderDeleted && left && f.State == store.FolderPlanned:
		return m.isDeleted(f)
	case v == report.FolderDeleted && left:
		return m.rows.nothingComes(f)
	}
	return report.ErrNotMissing
}

// leftOld tells whether a folder is known to have gone from the old server before it was all copied.
func (t *treeState) leftOld(f *tracked, p *store.Problem) bool {
	if f.complete() || f.State != store.FolderPlanned && f.State != store.FolderPresent {
		return false
	}
	if !t.at.IsZero() {
		_, there := t.status[f.Old]
		return !there
	}
	return p != nil && p.Kind == store.FolderLeftOld && p.Folder == f.Title
}

// isDeleted: what stays behind is known, and is to.
func (m *mailboxState) isDeleted(f *tracked) error {
	row := f.Folder
	row.State, row.Missing = store.FolderDeleted, store.Missing{}
	return m.decided(f, row)
}

// recreate forgets what was copied, so that all of it comes again.
func (m *mailboxState) recreate(f *tracked) error {
	if err := m.rows.forget(f); err != nil {
		return err
	}
	row := f.Folder
	row.State, row.Missing, row.LeftOut, row.Renaming, row.NewUIDValidity = store.FolderPlanned, store.Missing{}, 0, "", 0
	if m.folders.byNew(row.New) != nil {
		row.New = "" // another has the name by now
	}
	return m.decided(f, row)
}

// decided makes durable what was decided. A look at the trees that runs must not undo it.
func (m *mailboxState) decided(f *tracked, row store.Folder) error {
	rows, err := m.rows.put([]store.Folder{row})
	if err != nil {
		return err
	}
	m.tree.changes = append(m.tree.changes, folderChange{})
	m.folders.take(rows)
	m.rows.log.Info().Str("folder", f.Title).Str("state", string(row.State)).Msg("a person decided about the missing folder")
	return nil
}

// nothingComes: what is left of a folder that the old server has no more is all there will be.
func (k *records) nothingComes(f *tracked) error {
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
func (k *records) forget(f *tracked) error {
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
	f.made.Store(nil)
	return nil
}

// commit writes a batch that must not be lost when the engine stops.
func (k *records) commit(b store.Batch) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), storeWait)
	defer cancel()
	return k.store.Commit(ctx, b)
}
