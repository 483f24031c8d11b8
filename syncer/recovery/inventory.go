package recovery

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// inventory is what all of the new folder shows about the ledger's lines.
type inventory struct {
	sel       *upstream.Selected
	lines     map[imap.UID]*store.Entry // whose copies should be there, by UID
	silent    map[imap.UID]bool         // UIDs of which no header has come
	same      []imap.UID                // of copies that are where they were
	found     int                       // lines whose copies are elsewhere
	last      imap.UID                  // the highest UID that a copy had which is still there
	highest   imap.UID                  // the highest UID there is
	doubtful  map[store.Key][]byte      // by line: the header of the other message that has its UID
	strangers []message.Candidate       // messages that no line stands for where they are
	away      map[store.Key]store.Away  // of the lines those of other folders, whose copies are here
	lost      []lostCopy
}

// lostCopy is a line of the ledger whose copy isn't where it was.
type lostCopy struct {
	store.Entry          // with the UID that the copy has now, 0 if it isn't found
	was         imap.UID // the UID that it had
}

// takeInventory lists all of the new folder; nil if its UIDs are good only while it is open, so that
// they can't have gone back either.
func (n *Numbers) takeInventory(ctx context.Context) (*inventory, error) {
	sel, err := n.folder.New.Examine(ctx, n.folder.Row.New)
	if err != nil {
		return nil, n.folder.Gone(err, ErrNewGone)
	}
	if Fleeting(sel) {
		n.folder.Fleeting = true
		return nil, nil
	}
	if sel.UIDValidity != n.folder.Target.UIDValidity {
		return nil, ErrRecognised // it is numbered anew since the last look
	}
	all, err := searchFrom(ctx, n.folder.New, sel, 1)
	if err != nil {
		return nil, err
	}
	v := &inventory{sel: sel, lines: map[imap.UID]*store.Entry{}, silent: map[imap.UID]bool{}, doubtful: map[store.Key][]byte{}}
	uids, _ := all.Nums()
	if len(uids) < int(sel.Messages) {
		return nil, &session.CountsError{Listed: len(uids), Messages: int(sel.Messages), Side: store.NewSide}
	}
	for _, uid := range uids {
		v.silent[uid], v.highest = true, max(v.highest, uid)
	}
	v.away = awayByKey(n.folder.Ledger.Away)
	for _, e := range awayLines(n.folder.Ledger.Away) {
		if e.UIDValidity == sel.UIDValidity {
			v.lines[e.UID] = &e
		}
	}
	for i := range n.folder.Ledger.Entries {
		if e := &n.folder.Ledger.Entries[i]; e.UID != 0 && e.UIDValidity == sel.UIDValidity {
			v.lines[e.UID] = e
		}
	}
	for _, set := range session.Chunks(all, session.ListWindow) {
		if err := headersOf(ctx, n.folder.New, set, v.take); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// take takes a message of the new folder.
func (v *inventory) take(m upstream.Message, header []byte) error {
	delete(v.silent, m.UID)
	e := v.lines[m.UID]
	if e != nil && message.IsCopy(e, m, header) {
		v.stays(e)
		return nil
	}
	if e != nil {
		v.doubtful[e.Key] = message.HeaderInDoubt(e, m, header)
	}
	v.strangers = append(v.strangers, message.CandidateOf(m, header))
	return nil
}

// stays notes a line whose copy is where it was.
func (v *inventory) stays(e *store.Entry) {
	v.same = append(v.same, e.UID)
	v.last = max(v.last, e.UID)
	delete(v.lines, e.UID)
}

// settle decides about what was doubtful, and finds out which lines have lost their copies. A
// message of which nothing is told but that it is there stays what it was.
func (v *inventory) settle(same map[store.Key]bool) {
	kept := map[imap.UID]bool{}
	for uid, e := range v.lines {
		if same[e.Key] || v.silent[uid] {
			kept[uid] = true
			v.stays(e)
			continue
		}
		v.lost = append(v.lost, lostCopy{Entry: *e, was: uid})
	}
	v.strangers = slices.DeleteFunc(v.strangers, func(c message.Candidate) bool { return kept[c.UID] })
	slices.SortFunc(v.lost, func(a, b lostCopy) int { return cmp.Compare(a.was, b.was) })
}

// search looks for the lost copies among the strangers.
func (n *Numbers) search(ctx context.Context, v *inventory) error {
	want, keys := make([]message.Wanted, len(v.lost)), make([]store.Key, len(v.lost))
	for i, l := range v.lost {
		want[i], keys[i] = message.Wanted{Fingerprint: l.Fingerprint, Size: int64(l.Size)}, l.Key
	}
	copies, err := message.NewCandidates(slices.Clone(v.strangers)).TakeProved(ctx, want, n.folder.byKeys(want, keys))
	if err != nil {
		return err
	}
	taken := map[imap.UID]bool{}
	for i, c := range copies {
		l := &v.lost[i]
		if l.UID = c.UID; c.UID != 0 {
			v.found++
			v.last, taken[c.UID] = max(v.last, l.was), true
		}
	}
	v.strangers = slices.DeleteFunc(v.strangers, func(c message.Candidate) bool { return taken[c.UID] })
	return nil
}

// lostFrom is the UID from which on copies that aren't found are lost, rather than removed by their
// user. What a backup lacks is newer than all that it has.
func (v *inventory) lostFrom() imap.UID {
	if v.found > len(v.lost)-v.found {
		return v.last + 1 // other UIDs were given, perhaps in a backup
	}
	other := imap.UID(math.MaxUint32) // the first UID that another message has now
	for _, l := range v.lost {
		if _, ok := v.doubtful[l.Key]; ok && l.UID == 0 {
			other = min(other, l.was)
		}
	}
	next := v.sel.UIDNext
	if next == 0 {
		next = v.highest + 1
	}
	if other >= next { // the UIDs from UIDNEXT on have not been given again yet
		return next
	}
	last := imap.UID(0)
	for _, uid := range v.same {
		if uid < other {
			last = max(last, uid)
		}
	}
	return last + 1
}
