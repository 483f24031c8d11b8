package recovery

import (
	"context"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// A copy that its user has moved into another folder of the new server is still the copy of the message that it was made
// for, and of no other one that is the same. So before a message that has come to a folder of the new server is taken for the
// copy of a newcomer, the lines of the account's ledger are looked at whose copies are the same: one whose message is gone from the
// old server stands for the newcomer, which was moved there as well; and of what has come, one message is left alone for
// each line whose copy isn't where it was made.

// AlikeLine is a line of the account's ledger whose copy has the fingerprint that somebody asked for.
type AlikeLine struct {
	store.Entry
	row      store.Folder
	repaired *store.Repaired // nil if it was copied as it is
}

// AlikeCopies are what is there that looks like copies of several messages.
type AlikeCopies struct {
	folder *Folder
	listed map[store.FolderID][]message.Candidate // what is in folders whose UIDs don't last, or are others now
}

// Lines are the lines with fingerprints, in the order of folders, of this folder's ledger, those of the account's other
// folders, or both.
func (a *AlikeCopies) Lines(ctx context.Context, prints map[store.Fingerprint]bool, own, others bool) (lines []AlikeLine, err error) {
	rows, err := a.folder.Store.Folders(ctx, a.folder.Account)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if is := row.ID == a.folder.Row.ID; is && !own || !is && !others {
			continue
		}
		l, err := a.folder.Store.Ledger(ctx, a.folder.Account, row.ID)
		if err != nil {
			return nil, err
		}
		for _, e := range l.Entries {
			if !prints[e.Fingerprint] {
				continue
			}
			line := AlikeLine{Entry: e, row: row}
			if r, ok := message.FindRepaired(l.Repaired, e.Key); ok {
				line.repaired = &r
			}
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// Enter is Moves.Enter for lines of other folders that are like newcomers, whether or not anything shows that those
// folders have lost messages: nobody may have looked at them for a while.
func (a *AlikeCopies) Enter(ctx context.Context, missing []upstream.Message, lines []AlikeLine, taking *sync.Mutex) ([]upstream.Message, error) {
	if !a.folder.Selected.Traits.StableUIDs || Fleeting(&a.folder.Selected.Selected) || a.folder.Selected.Early != nil {
		return missing, nil
	}
	mv := &Moves{Folder: a.folder, taking: taking, loaded: true, sizes: map[int64]struct{}{}, repaired: map[store.Elsewhere]store.Repaired{}}
	for _, l := range lines {
		if l.row.ID == a.folder.Row.ID {
			continue
		}
		if !slices.ContainsFunc(mv.sources, func(s Thin) bool { return s.ID == l.row.ID }) {
			mv.sources = append(mv.sources, Thin{ID: l.row.ID, Old: l.row.Old, Listed: true, Validity: l.row.Checkpoint.UIDValidity, Next: l.row.Checkpoint.UIDNext, AllMail: l.row.AllMail})
		}
		ledger := store.Ledger{Entries: []store.Entry{l.Entry}}
		if l.repaired != nil {
			ledger.Repaired = []store.Repaired{*l.repaired}
		}
		mv.add(l.row.ID, ledger)
	}
	if len(mv.lines) == 0 {
		return missing, nil
	}
	slices.SortStableFunc(mv.lines, compareMoved)
	return mv.Enter(ctx, missing)
}

// StillThere leaves out lines that are in the ledger no more: others have taken them for messages that were moved.
func (a *AlikeCopies) StillThere(ctx context.Context, lines []AlikeLine) (there []AlikeLine, err error) {
	for _, l := range lines {
		e, err := a.folder.Store.Entries(ctx, a.folder.Account, l.row.ID, []store.Key{l.Key})
		if err != nil {
			return nil, err
		}
		if len(e) > 0 {
			there = append(there, l)
		}
	}
	return there, nil
}

// Astray are those of lines, in the order of folders, whose copies are not where they were made, as far as that can be told
// by a look at soughtFolders of them. Nothing else may be asked of the new server meanwhile.
func (a *AlikeCopies) Astray(ctx context.Context, lines []AlikeLine) (astray []AlikeLine, err error) {
	for looked := 0; len(lines) > 0 && looked < soughtFolders; looked++ {
		row := lines[0].row
		n := slices.IndexFunc(lines, func(l AlikeLine) bool { return l.row.ID != row.ID })
		if n < 0 {
			n = len(lines)
		}
		there, err := a.inPlace(ctx, row.New, lines[:n])
		if err != nil {
			return nil, err
		}
		for _, l := range lines[:n] {
			if !there[l.Key] {
				astray = append(astray, l)
			}
		}
		lines = lines[n:]
	}
	return astray, nil
}

// inPlace tells which lines' copies are under their UIDs in a folder of the new server. If it does not open they are gone. Where
// UIDs don't last, or are others now, there are as many of them as messages that are the same.
func (a *AlikeCopies) inPlace(ctx context.Context, name string, lines []AlikeLine) (there map[store.Key]bool, err error) {
	there, lines = map[store.Key]bool{}, slices.DeleteFunc(slices.Clone(lines), func(l AlikeLine) bool { return l.UID == 0 && l.UIDValidity != 0 })
	if len(lines) == 0 {
		return there, nil
	}
	sel, err := a.folder.New.Examine(ctx, name)
	if link.ClassOf(err) == link.Refused {
		return there, nil
	}
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(lines, func(l AlikeLine) bool { return void(&l.Entry, sel) }) {
		return there, a.among(ctx, sel, lines, there)
	}
	placed, set := map[imap.UID]store.Entry{}, imap.UIDSet{}
	for _, l := range lines {
		placed[l.UID] = l.Entry
		set.AddNum(l.UID)
	}
	err = headersOf(ctx, a.folder.New, set, func(m upstream.Message, header []byte) error {
		if e, ok := placed[m.UID]; ok && message.IsCopy(&e, m, header) {
			there[e.Key] = true
		}
		return nil
	})
	return there, err
}

// among marks as many of the lines of an open folder as there are messages in it that are the same, or have become somewhat larger
// or smaller on the way.
func (a *AlikeCopies) among(ctx context.Context, sel *upstream.Selected, lines []AlikeLine, there map[store.Key]bool) error {
	all, err := a.list(ctx, lines[0].row.ID, sel)
	if err != nil {
		return err
	}
	copies, prints := make([]message.Wanted, len(lines)), map[store.Fingerprint]bool{}
	for i := range lines {
		copies[i], prints[lines[i].Fingerprint] = lines[i].Copy(), true
	}
	same := slices.DeleteFunc(slices.Clone(all), func(c message.Candidate) bool { return !prints[c.Fingerprint] })
	for i, c := range message.NewCandidates(same).TakeAll(copies) {
		there[lines[i].Key] = c.UID != 0
	}
	return nil
}

// list are the messages of an open folder. It is listed once in a pull, whatever is asked of it.
func (a *AlikeCopies) list(ctx context.Context, id store.FolderID, sel *upstream.Selected) ([]message.Candidate, error) {
	if all, listed := a.listed[id]; listed {
		return all, nil
	}
	uids, err := searchFrom(ctx, a.folder.New, sel, 1)
	if err != nil {
		return nil, err
	}
	var all []message.Candidate
	for _, set := range session.Chunks(uids, session.ListWindow) {
		err := headersOf(ctx, a.folder.New, set, func(m upstream.Message, header []byte) error {
			all = append(all, message.CandidateOf(m, header))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if a.listed == nil {
		a.listed = map[store.FolderID][]message.Candidate{}
	}
	a.listed[id] = all
	return all, nil
}

// At is where the line is.
func (l *AlikeLine) At() store.Elsewhere { return store.Elsewhere{Folder: l.row.ID, Key: l.Key} }

// Copy is what its copy is recognised by.
func (l *AlikeLine) Copy() message.Wanted {
	return message.Wanted{Fingerprint: l.Fingerprint, Size: int64(l.Size)}
}
