package recovery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// A message that was moved at the old server after it was copied has its line in the ledger of the folder where it is now, and
// its copy where it was made. What has become of the copy shows in the copy's folder only: there such lines are
// looked at together with the folder's own.

// awayKey is the key that a line of another folder has among those of the copy's. No message has it.
func awayKey(line store.Elsewhere) store.Key {
	return store.Key(fmt.Sprintf("away %d %s", line.Folder, line.Key))
}

// awayLines are the lines of copies that are away from them, as the folder's own are.
func awayLines(away []store.Away) []store.Entry {
	lines := make([]store.Entry, len(away))
	for i, a := range away {
		lines[i] = store.Entry{Key: awayKey(a.Line), UIDValidity: a.UIDValidity, UID: a.UID, Fingerprint: a.Fingerprint, Size: a.Size}
	}
	return lines
}

// awayByKey are copies by the keys that their lines have here.
func awayByKey(away []store.Away) map[store.Key]store.Away {
	byKey := make(map[store.Key]store.Away, len(away))
	for _, a := range away {
		byKey[awayKey(a.Line)] = a
	}
	return byKey
}

// voidAway are the copies of other folders' lines whose UIDs are of another UIDVALIDITY.
func (f *Folder) voidAway(validity uint32) (void []store.Away) {
	for _, a := range f.Ledger.Away {
		if a.UIDValidity != validity {
			void = append(void, a)
		}
	}
	return void
}

// keepAway makes durable where copies of other folders' lines are since the folder was numbered anew. Those that aren't there are known no more, unless
// they are in doubt: that is cleared first.
func (cs *Copies) keepAway(ctx context.Context, lines []store.Entry) error {
	batch, now := store.Batch{Account: cs.folder.Account, Folder: cs.folder.Row.ID}, map[store.Key]*store.Entry{}
	for i := range lines {
		now[lines[i].Key] = &lines[i]
	}
	for i := range cs.folder.Ledger.Away {
		a := &cs.folder.Ledger.Away[i]
		e := now[awayKey(a.Line)]
		if e == nil {
			continue
		}
		if _, doubtful := cs.doubts[e.Key]; !doubtful {
			a.UIDValidity, a.UID = e.UIDValidity, e.UID
			batch.Away = append(batch.Away, *a)
		}
	}
	cs.folder.Ledger.Away = slices.DeleteFunc(cs.folder.Ledger.Away, func(a store.Away) bool { return a.UID == 0 })
	if len(batch.Away) == 0 {
		return nil
	}
	return cs.folder.Store.Commit(ctx, batch)
}

// RekeyedAway keeps what is known of the place of a copy that is away for another key of its line.
func (f *Folder) RekeyedAway(batch *store.Batch, was *store.Entry, now store.Key) {
	if was.UID == 0 {
		batch.Moved = append(batch.Moved, store.Moved{Elsewhere: store.Elsewhere{Folder: f.Row.ID, Key: was.Key}, To: now})
	}
}

// rewrittenAway is notOthers for copies that are away from their lines. Of one whose original is not to be had nothing is known: it counts as
// the copy, as nothing could be copied again.
func (f *Folder) rewrittenAway(ctx context.Context, doubtful map[store.Key][]byte, same map[store.Key]bool) error {
	lines := map[store.FolderID][]store.Away{}
	for _, a := range f.Ledger.Away {
		if _, ok := doubtful[awayKey(a.Line)]; ok {
			lines[a.Line.Folder] = append(lines[a.Line.Folder], a)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	rows, err := f.Store.Folders(ctx, f.Account)
	if err != nil {
		return err
	}
	for i := range rows {
		if err := f.rewrittenIn(ctx, rows[i].Old, lines[rows[i].ID], doubtful, same); err != nil {
			return err
		}
	}
	return f.OpenAgain(ctx)
}

// rewrittenIn is rewrittenAway for those whose lines are one folder's.
func (f *Folder) rewrittenIn(ctx context.Context, old string, lines []store.Away, doubtful map[store.Key][]byte, same map[store.Key]bool) error {
	if len(lines) == 0 {
		return nil
	}
	originals := map[store.Key][]byte{}
	opened, err := f.Old.Open(ctx, old, session.OpenWith{})
	if err == nil {
		err = f.originalsIn(ctx, opened, lines, originals)
	}
	if err != nil && link.ClassOf(err) != link.Refused {
		return err
	}
	for _, a := range lines {
		key := awayKey(a.Line)
		header, there := originals[a.Line.Key]
		if !there || message.SameHeader(header, doubtful[key]) {
			same[key] = true
		}
	}
	return nil
}

// originalsIn reads the headers of the lines' messages in another folder, which is open.
func (f *Folder) originalsIn(ctx context.Context, opened *session.SourceFolder, lines []store.Away, originals map[store.Key][]byte) error {
	var set imap.UIDSet
	for _, a := range lines {
		if uid, ok := opened.Keys.UID(a.Line.Key); ok {
			set.AddNum(uid)
		}
	}
	if len(set) == 0 {
		return nil
	}
	return headersOf(ctx, f.Old, set, func(m upstream.Message, header []byte) error {
		originals[opened.Keys.Key(m.UID)] = header
		return nil
	})
}

// AwayLost are the changes after which messages are copied again whose copies the new server has lost, where their lines are. rows are the account's
// folders. Of all mail, what is forgotten is found when it is looked through from its beginning.
func AwayLost(account store.AccountID, rows []store.Folder, lost []store.Away) (batches []store.Batch) {
	now := time.Now()
	for i := range rows {
		row := &rows[i]
		if row.State == store.FolderDeleted || row.State == store.FolderSkipped {
			continue
		}
		b := store.Batch{Account: account, Folder: row.ID}
		for _, a := range lost {
			if a.Line.Folder != row.ID {
				continue
			}
			b.Forget, b.Drop = append(b.Forget, a.Line.Key), append(b.Drop, a.Line.Key)
			if !row.AllMail {
				b.Quarantine = append(b.Quarantine, store.Quarantined{Key: a.Line.Key, Reason: reason.Of(reason.CopyLost), Since: now, Last: now, Again: true})
			}
		}
		if len(b.Forget) > 0 {
			batches = append(batches, b)
		}
	}
	return batches
}
