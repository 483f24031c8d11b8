package treesync

import (
	"context"
	"time"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/leftout"
	"postferry/upstream"
	"postferry/upstream/link"
)

// A folder that the new server does not know any more, without our having seen it deleted,
// is missing: its user may have deleted it, but it may also be one that is renamed, hidden
// for a while or lost. It is not made again by itself, it is looked for at each look at the
// trees, and as long as mail stays behind because of it no pass is complete. A person can
// say that it was deleted, or have it made again.

// lookEvery is how far apart looks for a missing folder are to count as several.
const lookEvery = time.Hour

// leftCount is how many messages of a folder's old side are not on the new server, when
// the old server told such a status.
type leftCount struct {
	status   upstream.Status
	messages uint64
}

// judge completes rows after a look: how long the missing ones have been looked for and
// what stays behind because of them. It returns those that differ from how they were before.
func (k *treeLook) judge(ctx context.Context, before, rows []store.Folder) (changed []store.Folder, err error) {
	for _, row := range rows {
		was := foldertree.RowNamed(before, row.Old)
		switch {
		case row.State == store.FolderMissing:
			k.lookedFor(&row, was)
			if row.LeftOut, err = k.leftOut(ctx, row); err != nil {
				return nil, err
			}
		case row.Missing.Looks > 0 && row.State != store.FolderPlanned:
			row.Missing, row.LeftOut = store.Missing{}, 0
		}
		if st, told := k.newStatus(row.New); told && was == nil && row.NewUIDValidity == 0 {
			row.NewUIDValidity = st.UIDValidity
		}
		if was == nil || row != *was {
			changed = append(changed, row)
		}
	}
	return changed, nil
}

// past tells whether so much time has gone by since then. What lies ahead was noted before the clock was put back: nobody
// knows how long ago that is.
func past(now, then time.Time, d time.Duration) bool {
	return then.After(now) || now.Sub(then) >= d
}

// lookedFor counts a look that did not find a folder.
func (k *treeLook) lookedFor(row *store.Folder, was *store.Folder) {
	now := k.now.UTC()
	switch {
	case was == nil || was.State != store.FolderMissing || row.Missing.Looks == 0:
		row.Missing = store.Missing{Since: now, Looks: 1, Last: now, PutBack: k.putBack}
	case past(now, row.Missing.Last, lookEvery):
		row.Missing.Looks++
		row.Missing.Last = now
	}
}

// leftOut counts what does not come because a folder is missing. What is not on the old
// server either stays as it was counted last.
func (k *treeLook) leftOut(ctx context.Context, row store.Folder) (uint64, error) {
	st, there := k.status[row.Old]
	if !there || row.AllMail { // see countViews
		return row.LeftOut, nil
	}
	if row.Missing.PutBack { // what it held is lost with it
		return uint64(st.Messages), nil
	}
	cp := row.Checkpoint
	same := !cp.Checked.IsZero() && cp.UIDValidity == st.UIDValidity && st.UIDNext != 0
	if st.Messages == 0 && st.UIDNext != 0 || same && st.UIDNext == cp.UIDNext && row.Again == 0 {
		return 0, nil
	}
	if same && st.UIDNext < cp.UIDNext { // put back to a backup: nobody knows which UIDs are whose
		return uint64(st.Messages), nil
	}
	if c, ok := k.counted[row.ID]; ok && c.status == st && st != (upstream.Status{}) {
		return c.messages, nil
	}
	n, err := k.countLeft(ctx, row)
	if link.ClassOf(err) == link.Refused {
		return uint64(st.Messages) - min(uint64(st.Messages), row.Copied), nil
	}
	if err == nil {
		k.counted[row.ID] = leftCount{st, n}
	}
	return n, err
}

// countLeft compares a folder of the old server with its ledger.
func (k *treeLook) countLeft(ctx context.Context, row store.Folder) (n uint64, err error) {
	old, err := k.pair.Source(ctx)
	if err != nil {
		return 0, err
	}
	return leftout.CountUnknown(ctx, old, k.of.Store, k.of.ID, row)
}
