package treesync

import (
	"context"
	"slices"

	"postferry/internal/pause"
	"postferry/store"
	"postferry/syncer/leftout"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream"
)

// lostCopies forgets the lines of copies that the new server has lost, as it was put back to an earlier state, in folders that the old
// server has no more: those are not opened, so that nothing else shows it. All mail has their messages still, perhaps, and is
// looked through again then.
func (k *treeLook) lostCopies(ctx context.Context, newS session.Target, rows []store.Folder) (lost bool, err error) {
	suspects, err := k.mayHaveLost(ctx, rows)
	if err != nil || len(suspects) == 0 {
		return false, err
	}
	// Of several nodes that are one server one may lag behind.
	if err := pause.For(ctx, session.SettleQuiet); err != nil {
		return false, err
	}
	names := make([]string, len(suspects))
	for i, row := range suspects {
		names[i] = row.New
	}
	now, err := newS.Status(ctx, names)
	if err != nil {
		return false, err
	}
	for _, row := range suspects {
		if !wentBack(row.Checkpoint, now[row.New]) {
			continue
		}
		forgotten, err := k.forgetFrom(ctx, row, now[row.New])
		if lost = lost || forgotten; err != nil {
			return lost, err
		}
	}
	return lost, nil
}

// mayHaveLost are the folders that the old server has no more, and of which the new one has lost copies, as it seems.
func (k *treeLook) mayHaveLost(ctx context.Context, rows []store.Folder) (suspects []*store.Folder, err error) {
	if !slices.ContainsFunc(rows, func(f store.Folder) bool { return leftout.ToArchive(&f) }) {
		return nil, nil
	}
	for i := range rows {
		row := &rows[i]
		if _, there := k.status[row.Old]; there || row.State != store.FolderPresent || row.AllMail {
			continue
		}
		st, told := k.newStatus(row.New)
		if !told || !wentBack(row.Checkpoint, st) {
			continue
		}
		// What is gone may be its owner's own mail: then there is nothing to wait for, at this look or any later one.
		lines, err := k.linesFrom(ctx, row, st)
		if err != nil {
			return nil, err
		}
		if len(lines) > 0 {
			suspects = append(suspects, row)
		}
	}
	return suspects, nil
}

// wentBack tells whether UIDs have been taken back since the checkpoint.
func wentBack(cp store.Checkpoint, st upstream.Status) bool {
	return cp.NewUIDValidity != 0 && st.UIDValidity == cp.NewUIDValidity && st.UIDNext != 0 && st.UIDNext < cp.NewUIDNext
}

// linesFrom are the lines of a folder's copies at UIDNEXT and beyond.
func (k *treeLook) linesFrom(ctx context.Context, row *store.Folder, st upstream.Status) (lines []store.Key, err error) {
	l, err := k.of.Store.Ledger(ctx, k.of.ID, row.ID)
	if err != nil {
		return nil, err
	}
	for i := range l.Entries {
		if e := &l.Entries[i]; e.UIDValidity == st.UIDValidity && e.UID >= st.UIDNext {
			lines = append(lines, e.Key)
		}
	}
	return lines, nil
}

// forgetFrom forgets the lines of a folder's copies at UIDNEXT and beyond, and has all mail looked through from its beginning.
func (k *treeLook) forgetFrom(ctx context.Context, row *store.Folder, st upstream.Status) (forgotten bool, err error) {
	lines, err := k.linesFrom(ctx, row, st)
	if err != nil || len(lines) == 0 {
		return false, err
	}
	cp := row.Checkpoint
	cp.NewUIDNext, cp.NewHighestModSeq = st.UIDNext, st.HighestModSeq
	batch := store.Batch{Account: k.of.ID, Folder: row.ID, Checkpoint: &cp, Forget: lines, Drop: lines}
	k.of.Log.Warn().Str("folder", row.Title).Int("messages", len(lines)).
		Msg("the new server was put back to an earlier state and has lost copies from a folder that the old server has no more; they are looked for in all mail")
	return true, k.of.Resets.Commit(func() error {
		known, err := k.of.Store.Folders(ctx, k.of.ID)
		if err != nil {
			return err
		}
		return k.of.Store.CommitAll(ctx, append(recovery.AllMailAnew(k.of.ID, known), batch))
	})
}
