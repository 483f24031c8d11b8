package reader

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
	"postferry/upstream/link"
)

const (
	// tellingOctets is about what a server says of a message's id and labels. All of a folder are asked for only
	// where as much is to be saved.
	tellingOctets = 200
	// Messages that are copied and others that are brought take turns in their order as long as there are few
	// turns: each takes some round trips. Beyond turnsMost of them at a time one brings bringLeast messages at least.
	turnsMost  = 4
	bringLeast = 50
	// So much is copied with one command, so that a pull that is asked to stop soon can.
	copyMost   = 200
	copyOctets = 32 << 20
)

// turn are messages that follow one another in the old folder, about.
type turn struct {
	copies []job.CopyFrom
	copied int   // messages of copies
	octets int64 // likewise
	bring  []upstream.Message
}

// add has a message be copied. The folders that are copied from take turns as well, as long as those are few.
func (t *turn) add(f found) {
	at := len(t.copies) - 1
	if at < 0 || t.copies[at].Name != f.name {
		if at = len(t.copies); at >= turnsMost {
			at = slices.IndexFunc(t.copies, func(c job.CopyFrom) bool { return c.Name == f.name })
		}
		if at < 0 || at == len(t.copies) {
			t.copies = append(t.copies, job.CopyFrom{Name: f.name})
			at = len(t.copies) - 1
		}
	}
	t.copies[at].Messages = append(t.copies[at].Messages, f.copy)
	t.copied, t.octets = t.copied+1, t.octets+f.copy.Msg.Size
}

// bring brings messages, or has them copied on the new server where it has them in other folders already. What is not
// dealt with when something else is to come first is put off.
func (r *Reader) bring(ctx context.Context, missing []upstream.Message) error {
	if !r.copiesLabelled() || len(missing) == 0 {
		return r.bodies.bring(ctx, missing)
	}
	elsewhere, err := r.elsewhere(ctx, missing)
	if err != nil {
		return err
	}
	last := r.ahead.last
	turns := turnsOf(missing, elsewhere)
	for i, t := range turns {
		r.ahead.last = last && i+1 == len(turns)
		if err = r.take(ctx, t, elsewhere); err == nil {
			continue
		}
		for _, later := range turns[i+1:] {
			r.putOff(later)
		}
		return err
	}
	return nil
}

// take deals with the messages of one turn.
func (r *Reader) take(ctx context.Context, t turn, elsewhere map[imap.UID]found) error {
	if t.copied > 0 {
		if err := r.Yielded(); err != nil {
			return err
		}
		left, err := r.out.Copy(ctx, t.copies)
		if err != nil {
			return err
		}
		for _, m := range left {
			r.Labelled.Move(elsewhere[m.UID].id, r.place(m.UID))
		}
		t.bring = sortByUID(append(left, t.bring...))
	}
	return r.bodies.bring(ctx, t.bring)
}

// putOff has the messages of a turn come later.
func (r *Reader) putOff(t turn) {
	for _, from := range t.copies {
		for _, c := range from.Messages {
			t.bring = append(t.bring, c.Msg)
		}
	}
	r.postponed = sortByUID(append(r.postponed, t.bring...))
}

// copiesLabelled tells whether messages may be copied from folder to folder on the new server.
func (r *Reader) copiesLabelled() bool {
	return r.Labelled.Any() && r.Archive == nil && r.New.UIDPlus() && !r.Fleeting && r.Selected.Traits.StableUIDs &&
		!recovery.Fleeting(&r.Selected.Selected) && !r.CopyTrouble.Off()
}

// place is where a message of this folder is.
func (r *Reader) place(uid imap.UID) job.Place {
	return job.Place{Folder: r.Row.ID, UIDValidity: r.Selected.UIDValidity, UID: uid}
}

// found is a message that has been copied from another folder.
type found struct {
	id   uint64
	name string // of the folder where the copy is
	copy job.CopyOf
}

// elsewhere are those of messages that have been copied from other folders, as far as that is known.
func (r *Reader) elsewhere(ctx context.Context, missing []upstream.Message) (map[imap.UID]found, error) {
	told := make(map[imap.UID]upstream.Labelled, len(missing))
	for _, part := range session.Chunks(session.SetOfMessages(missing), session.ListWindow) {
		err := r.Old.Labels(ctx, part, func(l upstream.Labelled) error {
			told[l.UID] = l
			return nil
		})
		if link.ClassOf(err) == link.Refused {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	rows, err := r.Store.Folders(ctx, r.Account)
	if err != nil {
		return nil, err
	}
	if err := r.lookAtLabelled(ctx, missing, told, rows); err != nil {
		return nil, err
	}
	at, ids := map[store.FolderID]map[store.Key]upstream.Message{}, map[imap.UID]uint64{}
	for _, m := range missing {
		id := told[m.UID].ID
		r.Labelled.Note(id, r.place(m.UID))
		if place, ok := r.Labelled.Of(id); ok && place.Folder != r.Row.ID {
			if at[place.Folder] == nil {
				at[place.Folder] = map[store.Key]upstream.Message{}
			}
			at[place.Folder][place.Key()], ids[m.UID] = m, id
		}
	}
	return r.linesOf(ctx, rows, at, ids)
}

// linesOf are the lines of other folders' ledgers that stand for the same messages as some of this one.
func (r *Reader) linesOf(ctx context.Context, rows []store.Folder, at map[store.FolderID]map[store.Key]upstream.Message, ids map[imap.UID]uint64) (map[imap.UID]found, error) {
	all := map[imap.UID]found{}
	var msgs []upstream.Message
	for _, row := range rows {
		same := at[row.ID]
		if len(same) == 0 || !r.mayCopyFrom(&row) {
			continue
		}
		keys := make([]store.Key, 0, len(same))
		for key := range same {
			keys = append(keys, key)
		}
		lines, err := r.Store.Entries(ctx, r.Account, row.ID, keys)
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			m := same[line.Key]
			if line.UID == 0 || line.UIDValidity == 0 || int64(line.Size) != m.Size || m.Date.IsZero() {
				continue
			}
			all[m.UID] = found{ids[m.UID], row.New, job.CopyOf{Msg: m, Key: r.Selected.Keys.Key(m.UID), Line: line}}
			msgs = append(msgs, m)
		}
	}
	return all, r.sameHeaders(ctx, msgs, all)
}

// sameHeaders leaves those whose headers say that they are what the lines stand for. An id alone is the server's word.
func (r *Reader) sameHeaders(ctx context.Context, msgs []upstream.Message, all map[imap.UID]found) error {
	if len(msgs) == 0 {
		return nil
	}
	want, err := r.OldFingerprints(ctx, sortByUID(msgs))
	if err != nil {
		return err
	}
	for i, m := range msgs {
		if line := all[m.UID].copy.Line; want[i].Fingerprint != line.Fingerprint || want[i].Size != int64(line.Size) {
			delete(all, m.UID)
		}
	}
	return nil
}

// mayCopyFrom tells whether the copies of another folder can be copied.
func (r *Reader) mayCopyFrom(row *store.Folder) bool {
	return row.ID != r.Row.ID && row.New != r.Row.New && row.State == store.FolderPresent && !row.AllMail && row.Order.Moving == ""
}

// lookAtLabelled learns the ids of other folders' messages that were copied before anybody noted them, as in an earlier run
// of the program, where messages have those folders' labels.
func (r *Reader) lookAtLabelled(ctx context.Context, missing []upstream.Message, told map[imap.UID]upstream.Labelled, rows []store.Folder) error {
	if r.First() && len(r.Known.Entries)+r.Known.Before == 0 && !r.copies.Adopts() {
		r.Labelled.LookAt(r.Row.ID) // they come by here
	}
	saved := map[string]uint64{}
	for _, m := range missing {
		l := told[m.UID]
		if _, known := r.Labelled.Of(l.ID); known {
			continue
		}
		for _, label := range l.Labels {
			if name, ok := r.Labelled.Folder(label); ok {
				saved[name] += uint64(max(m.Size, 0))
			}
		}
	}
	left := false
	for i := range rows {
		row := &rows[i]
		if n := saved[row.Old]; n == 0 || n < row.Copied*tellingOctets || row.Copied == 0 || !r.mayCopyFrom(row) || !r.Labelled.LookAt(row.ID) {
			continue
		}
		left = true
		if err := r.noteAll(ctx, row); err != nil {
			return err
		}
	}
	if left {
		return r.OpenAgain(ctx)
	}
	return nil
}

// noteAll notes the messages of another folder.
func (r *Reader) noteAll(ctx context.Context, row *store.Folder) error {
	f, err := r.Old.Open(ctx, row.Old, session.OpenWith{})
	if link.ClassOf(err) == link.Refused {
		return nil
	}
	if err != nil {
		return err
	}
	err = r.Old.Labels(ctx, imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}, func(l upstream.Labelled) error {
		r.Labelled.Note(l.ID, job.Place{Folder: row.ID, UIDValidity: f.UIDValidity, UID: l.UID})
		return nil
	})
	if link.ClassOf(err) == link.Refused {
		return nil
	}
	return err
}

// turnsOf parts messages into those that are copied and those that are brought.
func turnsOf(missing []upstream.Message, elsewhere map[imap.UID]found) []turn {
	turns := []turn{{}}
	for _, m := range missing {
		t := &turns[len(turns)-1]
		f, ok := elsewhere[m.UID]
		if !ok {
			t.bring = append(t.bring, m)
			continue
		}
		turnOver := len(t.bring) > 0 && (len(turns) < turnsMost || len(t.bring) >= bringLeast)
		if turnOver || t.copied >= copyMost || t.copied > 0 && t.octets+m.Size > copyOctets {
			turns = append(turns, turn{})
			t = &turns[len(turns)-1]
		}
		t.add(f)
	}
	return turns
}
