package reader

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// tryAgain tries the messages in quarantine that are marked for it. One that
// is gone from the old server leaves the quarantine.
func (r *Reader) tryAgain(ctx context.Context) error {
	if len(r.Known.Again) == 0 || r.Visit {
		return nil
	}
	var set imap.UIDSet
	for uid := range r.Known.Again {
		set.AddNum(uid)
	}
	listed := map[imap.UID]upstream.Message{}
	err := r.Old.ListMessages(ctx, set, 0, func(m upstream.Message) error {
		listed[m.UID] = m
		return nil
	})
	if err != nil {
		return err
	}
	gone := store.Batch{Account: r.Account, Folder: r.Row.ID}
	for _, uid := range sortedUIDs(r.Known.Again) {
		m, ok := listed[uid]
		if !ok {
			gone.Release = append(gone.Release, r.Selected.Keys.Key(uid))
			continue
		}
		if err := r.Yielded(); err != nil {
			return err
		}
		if err := r.bodies.single(ctx, m); err != nil {
			return err
		}
	}
	if len(gone.Release) == 0 {
		return nil
	}
	return r.CommitLeaving(ctx, gone)
}

func sortedUIDs(m map[imap.UID]store.Quarantined) []imap.UID {
	uids := make([]imap.UID, 0, len(m))
	for uid := range m {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	return uids
}
