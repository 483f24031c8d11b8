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

// lostCopies are what the new server has lost, as it was put back to an earlier state, of folders that the old server has no more.
type lostCopies struct {
	any   bool             // lines were forgotten
	again []store.FolderID // folders that have messages to be copied again, as their copies were lost away from their lines
}

// forgetLost forgets the lines of copies that the new server has lost, as it was put back to an earlier state, in folders that the old
// server has no more: those are not opened, so that nothing else shows it. All mail has their messages still, perhaps, and is
// looked through again then; what was moved to other folders is copied again from there.
func (k *treeLook) forgetLost(ctx context.Context, newS session.Target, rows []store.Folder) (lost lostCopies, err error) {
	suspects, err := k.mayHaveLost(ctx, rows)
	if err != nil || len(suspects) == 0 {
		return lost, err
	}
	// Of several nodes that are one server one may lag behind.
	if err := pause.For(ctx, session.SettleQuiet); err != nil {
		return lost, err
	}
	names := make([]string, len(suspects))
	for i, row := range suspects {
		names[i] = row.New
	}
	now, err := newS.Status(ctx, names)
	if err != nil {
		return lost, err
	}
	for _, row := range suspects {
		if !wentBack(row.Checkpoint, now[row.New]) {
			continue
		}
		if err := k.forgetFrom(ctx, row, rows, now[row.New], &lost); err != nil {
			return lost, err
		}
	}
	return lost, nil
}

// mayHaveLost are the folders that the old server has no more, and of which the new one has lost copies, as it seems.
func (k *treeLook) mayHaveLost(ctx context.Context, rows []store.Folder) (suspects []*store.Folder, err error) {
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
		lines, away, err := k.linesFrom(ctx, row, rows, st)
		if err != nil {
			return nil, err
		}
		if len(lines)+len(away) > 0 {
			suspects = append(suspects, row)
		}
	}
	return suspects, nil
}

// wentBack tells whether UIDs have been taken back since the checkpoint.
func wentBack(cp store.Checkpoint, st upstream.Status) bool {
	return cp.NewUIDValidity != 0 && st.UIDValidity == cp.NewUIDValidity && st.UIDNext != 0 && st.UIDNext < cp.NewUIDNext
}

// linesFrom are the lines of a folder's copies at UIDNEXT and beyond: its own, if all mail may have their messages, and other folders'.
func (k *treeLook) linesFrom(ctx context.Context, row *store.Folder, rows []store.Folder, st upstream.Status) (lines []store.Key, away []store.Away, err error) {
	l, err := k.of.Store.Ledger(ctx, k.of.ID, row.ID)
	if err != nil {
		return nil, nil, err
	}
	if !slices.ContainsFunc(rows, func(f store.Folder) bool { return leftout.ToArchive(&f) }) {
		l.Entries = nil
	}
	for i := range l.Entries {
		if e := &l.Entries[i]; e.UIDValidity == st.UIDValidity && e.UID >= st.UIDNext {
			lines = append(lines, e.Key)
		}
	}
	for _, a := range l.Away {
		if a.UIDValidity == st.UIDValidity && a.UID >= st.UIDNext {
			away = append(away, a)
		}
	}
	return lines, away, nil
}

// forgetFrom forgets the lines of a folder's copies at UIDNEXT and beyond, and has all mail looked through from its beginning.
func (k *treeLook) forgetFrom(ctx context.Context, row *store.Folder, rows []store.Folder, st upstream.Status, lost *lostCopies) error {
	lines, away, err := k.linesFrom(ctx, row, rows, st)
	if err != nil || len(lines)+len(away) == 0 {
		return err
	}
	cp := row.Checkpoint
	cp.NewUIDNext, cp.NewHighestModSeq = st.UIDNext, st.HighestModSeq
	batch := store.Batch{Account: k.of.ID, Folder: row.ID, Checkpoint: &cp, Forget: lines, Drop: lines}
	k.of.Log.Warn().Str("folder", row.Title).Int("messages", len(lines)).Int("moved", len(away)).
		Msg("the new server was put back to an earlier state and has lost copies from a folder that the old server has no more; they are looked for in all mail, or copied again from where they were moved")
	lost.any = true
	return k.of.Resets.Commit(func() error {
		known, err := k.of.Store.Folders(ctx, k.of.ID)
		if err != nil {
			return err
		}
		again := recovery.AwayLost(k.of.ID, known, away)
		for _, b := range again {
			lost.again = append(lost.again, b.Folder)
		}
		return k.of.Store.CommitAll(ctx, slices.Concat(recovery.AllMailAnew(k.of.ID, known), again, []store.Batch{batch}))
	})
}
