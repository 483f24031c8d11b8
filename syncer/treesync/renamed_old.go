package treesync

import (
	"context"
	"maps"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream"
)

// A folder that is renamed on the old server is the same folder: its row goes on with the name
// that it has now, and late mail goes where its other mail is. It is known by its UIDVALIDITY, which
// most servers keep, together with what the ledger has under its UIDs; or by holding what the ledger
// has. What can't be told for sure is not taken for renamed: then its mail is recognised message by
// message (see moves.go), and only the folder is made anew.

// renamedFrom is how many of a folder's newest messages are compared with a ledger.
const renamedFrom = 25

// oldBox is a folder of the old server.
type oldBox struct {
	upstream.Mailbox
	status upstream.Status
	row    *store.Folder // the one that has its name; nil for none
}

// oldRenames finds out which rows belong to which folders of the old server.
type oldRenames struct {
	*treeLook
	session session.Source
	boxes   map[string]*oldBox // by name
	rows    []store.Folder
	gone    []*store.Folder          // rows whose folder isn't under its name
	now     map[*store.Folder]string // what they are called now
}

// followOldRenames returns the rows with the names that folders have on the old server now.
func (k *treeLook) followOldRenames(ctx context.Context, rows []store.Folder) ([]store.Folder, error) {
	if !k.pair.Traits().Folders {
		return rows, nil
	}
	o := &oldRenames{treeLook: k, boxes: map[string]*oldBox{}, rows: slices.Clone(rows), now: map[*store.Folder]string{}}
	o.sortOut()
	if len(o.gone) == 0 || !o.anyOpen() {
		return rows, nil
	}
	var err error
	if o.session, err = k.pair.Source(ctx); err != nil {
		return nil, err
	}
	for _, find := range []func(context.Context) error{o.byNumber, o.byContent} {
		if err := find(ctx); err != nil {
			return nil, err
		}
	}
	o.rename()
	return o.rows, nil
}

// sortOut finds the rows whose folder isn't under its name any more.
func (o *oldRenames) sortOut() {
	for _, m := range o.old.Mailboxes {
		if m.Name = foldertree.CanonicalName(m.Name); foldertree.Selectable(m) && m.Name != foldertree.InboxName {
			o.boxes[m.Name] = &oldBox{Mailbox: m, status: o.status[m.Name]}
		}
	}
	for i := range o.rows {
		row := &o.rows[i]
		box := o.boxes[row.Old]
		if box != nil {
			box.row = row
		}
		switch cp := row.Checkpoint; {
		case row.Old == foldertree.InboxName || cp.UIDNext <= 1 || cp.UIDValidity == 0:
		case box == nil || recovery.Differ(cp.UIDValidity, box.status.UIDValidity):
			o.gone = append(o.gone, row)
		}
	}
}

// isGone tells whether a row is one of those.
func (o *oldRenames) isGone(row *store.Folder) bool {
	return row != nil && slices.Contains(o.gone, row)
}

// open tells whether a folder may belong to a row that isn't under its name.
func (o *oldRenames) open(box *oldBox) bool {
	for _, name := range o.now {
		if name == box.Name {
			return false
		}
	}
	return box.status.Messages > 0 && (box.row == nil || o.isGone(box.row))
}

func (o *oldRenames) anyOpen() bool {
	for _, box := range o.boxes {
		if o.open(box) {
			return true
		}
	}
	return false
}

// byNumber finds those that have kept their UIDVALIDITY.
func (o *oldRenames) byNumber(ctx context.Context) error {
	for _, row := range o.gone {
		for _, name := range slices.Sorted(maps.Keys(o.boxes)) {
			box, cp := o.boxes[name], row.Checkpoint
			if name == row.Old || !o.open(box) || box.status.UIDValidity != cp.UIDValidity || box.status.UIDNext < cp.UIDNext {
				continue
			}
			found, err := headsOf(ctx, o.session, name, recovery.LastKnown(cp))
			if err != nil {
				return err
			}
			same, err := o.fits(ctx, row, found)
			if err != nil {
				return err
			}
			if same {
				o.now[row] = name
				break
			}
		}
	}
	return nil
}

// fits tells whether messages are what a row's ledger has under their UIDs.
func (o *oldRenames) fits(ctx context.Context, row *store.Folder, found session.MessageHeaders) (bool, error) {
	cp := row.Checkpoint
	tail, err := o.of.Store.LedgerFrom(ctx, o.of.ID, row.ID, message.IMAPKey(cp.UIDValidity, recovery.TailFrom(cp)))
	if err != nil {
		return false, err
	}
	same := 0
	for _, h := range found {
		e, ok := message.FindEntry(tail.Entries, message.IMAPKey(cp.UIDValidity, h.Message.UID))
		if ok && !message.OriginalOf(&e, tail.Repaired).Is(h.Message, h.Header) {
			return false, nil
		}
		if ok {
			same++
		}
	}
	return same > 0, nil
}

// byContent finds those whose newest messages are what the ledger has, for rows whose name is nobody's
// and folders that have no row.
func (o *oldRenames) byContent(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(o.boxes)) {
		box := o.boxes[name]
		if box.row != nil || !o.open(box) || len(o.unnamed()) == 0 {
			continue
		}
		found, err := headsOf(ctx, o.session, name, newestOf(box.status))
		if err != nil {
			return err
		}
		var holders []*store.Folder
		for _, row := range o.unnamed() {
			held, err := o.held(ctx, row)
			if err != nil {
				return err
			}
			if n := found.Among(held); 2*n > len(found) {
				holders = append(holders, row)
			}
		}
		if len(holders) == 1 {
			o.now[holders[0]] = name
		}
	}
	return nil
}

// unnamed are the rows whose folder is still looked for and whose name no folder has.
func (o *oldRenames) unnamed() (rows []*store.Folder) {
	for _, row := range o.gone {
		if _, found := o.now[row]; !found && o.boxes[row.Old] == nil {
			rows = append(rows, row)
		}
	}
	return rows
}

// held is what a row's ledger has, as the old server had it.
func (o *oldRenames) held(ctx context.Context, row *store.Folder) (map[store.Fingerprint]bool, error) {
	l, err := o.of.Store.Ledger(ctx, o.of.ID, row.ID)
	held := make(map[store.Fingerprint]bool, len(l.Entries))
	for i := range l.Entries {
		held[message.OriginalOf(&l.Entries[i], l.Repaired).Fingerprint] = true
	}
	return held, err
}

// rename gives rows the names that were found, unless a name is then two rows': the one that has it
// must have another one as well.
func (o *oldRenames) rename() {
	for again := true; again; {
		again = false
		for row, name := range o.now {
			if other := o.boxes[name].row; other != nil {
				if _, moves := o.now[other]; !moves {
					delete(o.now, row)
					again = true
				}
			}
		}
	}
	for row, name := range o.now {
		where, _, personal := foldertree.Locate(name, o.boxes[name].Delim, o.old.Namespace)
		if !personal {
			where = foldertree.Split(name, "", o.boxes[name].Delim)
		}
		o.of.Log.Info().Str("from", row.Title).Str("folder", where.Title()).Msg("the folder was renamed on the old server; it goes on where its mail is on the new one")
		row.Old, row.Title = name, where.Title()
	}
}

// headersAsker is a session that can be asked for heads.
type headersAsker interface {
	SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(upstream.Message, []byte) error) (session.HeadersCall, error)
}

// headsOf are the heads of some messages of a folder. One that can't be read shows nothing.
func headsOf(ctx context.Context, s headersAsker, name string, set imap.UIDSet) (found session.MessageHeaders, err error) {
	if len(set) == 0 {
		return nil, nil
	}
	call, err := s.SendHeaders(ctx, name, set, found.Take)
	if err == nil {
		_, err = call.Wait(ctx)
	}
	if err != nil && recovery.Refusal(err) {
		return nil, nil
	}
	return found, err
}

// newestOf are the last UIDs of a folder.
func newestOf(st upstream.Status) imap.UIDSet {
	if st.UIDNext <= 1 {
		return nil
	}
	from := imap.UID(1)
	if st.UIDNext > renamedFrom {
		from = st.UIDNext - renamedFrom
	}
	return imap.UIDSet{imap.UIDRange{Start: from, Stop: st.UIDNext - 1}}
}
