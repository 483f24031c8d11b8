package treesync

import (
	"context"
	"slices"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/session"
	"postferry/upstream"
)

// A folder that the ledger doesn't know may have been copied all the same, and renamed on the new
// server since: an earlier state was put back, or none at all. Before it is made anew, the folders there
// that are nobody's and hold mail are compared with it.

// comparedMost is how many such folders are read.
const comparedMost = 50

// seekUnknown adds rows for folders that a plan would make although their mail is there under another name. It tells
// whether there are any: then the plan has to be made again.
func (k *treeLook) seekUnknown(ctx context.Context, newS session.Target, rows []store.Folder, plan *foldertree.TreePlan) ([]store.Folder, bool, error) {
	strays := k.fullStrays(rows, plan)
	if !k.pair.Traits().Folders || len(strays) == 0 {
		return rows, false, nil
	}
	shown := map[string]session.MessageHeaders{} // of the strays, as far as they were read
	before := len(rows)
	for i := range plan.Folders {
		row := plan.Folders[i]
		st := k.status[row.Old]
		if row.ID != 0 || row.State != store.FolderPlanned || st.Messages == 0 {
			continue
		}
		name, err := k.holderOf(ctx, newS, row, st, strays, shown)
		if err != nil {
			return nil, false, err
		}
		if name == "" {
			continue
		}
		k.of.Log.Info().Str("folder", row.Title).Str("name", foldertree.DecodeName(name)).
			Msg("the folder's mail is on the new server under another name; it goes on there")
		row.New, row.State = name, store.FolderPresent
		rows = append(rows, row)
		strays = slices.DeleteFunc(strays, func(m upstream.Mailbox) bool { return m.Name == name })
	}
	return rows, len(rows) > before, nil
}

// fullStrays are the new server's folders that are nobody's and hold mail, as far as it has told.
func (k *treeLook) fullStrays(rows []store.Folder, plan *foldertree.TreePlan) (strays []upstream.Mailbox) {
	names := straysOf(k.new, foldertree.LatestRows(rows, plan.Folders))
	for _, m := range k.new.Mailboxes {
		if m.Status != nil && m.Status.Messages > 0 && slices.Contains(names, m.Name) && len(strays) < comparedMost {
			strays = append(strays, m)
		}
	}
	return strays
}

// holderOf is the raw name of the one folder that holds most of what an old folder holds; "" if there is none, or more
// than one. Whoever has copied a few messages into a folder of their own has not renamed one.
func (k *treeLook) holderOf(ctx context.Context, newS session.Target, row store.Folder, st upstream.Status, strays []upstream.Mailbox, shown map[string]session.MessageHeaders) (name string, err error) {
	var wanted session.MessageHeaders
	for _, m := range strays {
		if 2*m.Status.Messages < st.Messages {
			continue
		}
		if wanted == nil {
			old, err := k.pair.Source(ctx)
			if err != nil {
				return "", err
			}
			if wanted, err = headsOf(ctx, old, row.Old, newestOf(st)); err != nil || len(wanted) == 0 {
				return "", err
			}
		}
		has, read := shown[m.Name]
		if !read {
			if has, err = headsOf(ctx, newS, m.Name, newestOf(*m.Status)); err != nil {
				return "", err
			}
			shown[m.Name] = has
		}
		if 2*wanted.Among(has.Fingerprints()) <= len(wanted) {
			continue
		}
		if name != "" {
			return "", nil
		}
		name = m.Name
	}
	return name, nil
}
