package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
)

// A new server that is put back to a backup and numbers its folders anew as well shows no number that went
// back. What it has lost are the newest copies of a folder; but its user may have removed just those. So
// what is missing behind the last copy that is found counts as removed, as its user's word must stand,
// and is told at the same time, in the quarantine, from which a person may have it copied again.

// numberOf is where a copy was before the folder was numbered anew.
type numberOf struct {
	validity uint32
	uid      imap.UID
}

// doubt is a line of which nobody knows what became of its copy.
type doubt struct {
	store.Entry
	was numberOf
}

func numbersOf(lost []*store.Entry) []numberOf {
	were := make([]numberOf, len(lost))
	for i, e := range lost {
		were[i] = numberOf{e.UIDValidity, e.UID}
	}
	return were
}

// doubtful are those of the lines that were looked for whose copies may have been lost by the server: they had
// higher UIDs than all that were found.
func doubtful(lost []*store.Entry, were []numberOf) map[store.Key]doubt {
	last, found := map[uint32]imap.UID{}, map[store.Key]doubt{}
	for i, e := range lost {
		if e.UID != 0 {
			last[were[i].validity] = max(last[were[i].validity], were[i].uid)
		}
	}
	for i, e := range lost {
		if e.UID == 0 && were[i].uid > last[were[i].validity] {
			found[e.Key] = doubt{*e, were[i]}
		}
	}
	return found
}

// accepted tells whether there is nothing to doubt: UIDs don't last, or a person has accepted the mailbox as it is.
func (cs *Copies) accepted() bool {
	cp := cs.folder.Row.Checkpoint
	return cs.folder.Fleeting || !cp.Checked.IsZero() && cp.NewUIDValidity == 0
}

// tell puts those of the lines into the quarantine as well that are doubtful.
func (cs *Copies) tell(lines []store.Entry) (told []store.Quarantined) {
	for _, e := range lines {
		if d, ok := cs.doubts[e.Key]; ok {
			told = append(told, d.told(e.Key))
		}
	}
	return told
}

// told is what the quarantine of a line says.
func (d doubt) told(line store.Key) store.Quarantined {
	now := time.Now()
	cause := fmt.Sprintf("its UID was %d (UIDVALIDITY %d)", d.was.uid, d.was.validity)
	return store.Quarantined{Key: line, Reason: reason.Of(reason.LostOrRemoved), Cause: cause, Attempts: 1, Since: now, Last: now}
}

// clearDoubts looks for what is doubtful in the other folders: what is there was moved by its user.
func (cs *Copies) clearDoubts(ctx context.Context) error {
	if len(cs.doubts) == 0 {
		return nil
	}
	keys := slices.Sorted(maps.Keys(cs.doubts))
	lost := make([]store.Intent, len(keys))
	for i, key := range keys {
		e := cs.doubts[key]
		lost[i] = store.Intent{Key: key, Fingerprint: e.Fingerprint, Size: e.Size}
	}
	found, err := cs.others.find(ctx, lost, newestFrom)
	if err != nil {
		return err
	}
	batch, elsewhere := store.Batch{Account: cs.folder.Account, Folder: cs.folder.Row.ID}, []store.Batch(nil)
	away, told := awayByKey(cs.folder.Ledger.Away), 0
	for i, key := range keys {
		a, isAway := away[key]
		switch {
		case isAway:
			a.UID = 0
			batch.Away = append(batch.Away, a)
			if !found[i] {
				elsewhere = append(elsewhere, store.Batch{Account: cs.folder.Account, Folder: a.Line.Folder, Quarantine: []store.Quarantined{cs.doubts[key].told(a.Line.Key)}})
			}
		case found[i]:
			batch.Release = append(batch.Release, key)
		}
		if !found[i] {
			told++
		}
	}
	cs.doubts = nil
	if told > 0 {
		cs.folder.Log.Warn().Int("messages", told).Msg("the newest copies are gone since the new server has numbered this folder anew: their user has removed them, or the server was put back to a backup; they are in quarantine until a person knows")
	}
	if err := cs.folder.Store.CommitAll(ctx, append(elsewhere, batch)); err != nil {
		return err
	}
	if err := cs.folder.ReadLedger(ctx); err != nil {
		return err
	}
	cs.folder.Begin()
	return nil
}
