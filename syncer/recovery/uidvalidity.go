package recovery

import (
	"context"
	"math"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// The ledger knows a copy by its UID on the new server. When that numbers a
// folder anew (another UIDVALIDITY, RFC 9051 section 2.3.1.1), those UIDs are void.
// The copies are then found again by their fingerprints, each at most once,
// before a flag is changed or a message counts as unknown to the ledger.
//
// A server whose UIDs don't last (UIDNOTSTICKY, RFC 4315 section 2; no UIDVALIDITY at
// all, RFC 3501 section 7.1) numbers a folder anew whenever it is opened. There
// the ledger has no UIDs, and copies are looked for each time they are needed.

// Fleeting tells whether an open folder's UIDs are good only while it is open.
func Fleeting(sel *upstream.Selected) bool { return sel.NotSticky || sel.UIDValidity == 0 }

// void tells whether a copy has to be looked for in the folder as it is open
// now. One that was looked for in vain has UID 0 and the UIDVALIDITY of then: it is
// not looked for again, as another message like it must not be taken for it.
func void(e *store.Entry, sel *upstream.Selected) bool {
	if e.UID == 0 {
		return e.UIDValidity == 0
	}
	return Fleeting(sel) || e.UIDValidity != sel.UIDValidity
}

// Copies are the messages of the new folder that the ledger's lines stand for, and those that none does.
type Copies struct {
	folder *Folder
	others otherFolders
	Marks  map[imap.UID]int64  // octets of messages in the new folder that are other tools' marks
	doubts map[store.Key]doubt // lines whose copies are gone since the folder was numbered anew; see doubt.go
}

// SetUID is what the ledger keeps of a UID in the new folder.
func (f *Folder) SetUID(e *store.Entry, uidValidity uint32, uid imap.UID) {
	e.UIDValidity, e.UID = uidValidity, uid
	if f.Fleeting {
		e.UIDValidity, e.UID = 0, 0
	}
}

// Follow looks for the copies if the new server has numbered the folder anew:
// before anything is appended, so that what comes then is not taken for what its
// user has removed before.
func (cs *Copies) Follow(ctx context.Context) error {
	moved := func(e store.Entry) bool { return e.UID != 0 && e.UIDValidity != cs.folder.Target.UIDValidity }
	if slices.ContainsFunc(cs.folder.Ledger.Entries, moved) || len(cs.folder.voidAway(cs.folder.Target.UIDValidity)) > 0 {
		if _, err := cs.Newcomers(ctx, 1); err != nil {
			return err
		}
		cs.folder.Known = session.NewKnown(cs.folder.Ledger, cs.folder.Selected.Keys)
	}
	return cs.clearDoubts(ctx)
}

// stock lists the new folder, as it is open now, from a UID on: it returns
// what no line of the ledger stands for. Lines whose UIDs are void are put right first; doubting tells of
// those whose copies may have been lost.
func (cs *Copies) stock(ctx context.Context, sel *upstream.Selected, from imap.UID, doubting bool) ([]message.Candidate, error) {
	var lost []*store.Entry
	for i := range cs.folder.Ledger.Entries {
		if e := &cs.folder.Ledger.Entries[i]; void(e, sel) {
			lost = append(lost, e)
		}
	}
	own, away := len(lost), []store.Entry(nil)
	if doubting && !Fleeting(sel) {
		away = awayLines(cs.folder.voidAway(sel.UIDValidity))
	}
	for i := range away {
		lost = append(lost, &away[i])
	}
	if len(lost) > 0 || Fleeting(sel) || sel.UIDValidity != cs.folder.Target.UIDValidity {
		from = 1
	}
	if sel.UIDValidity != cs.folder.Target.UIDValidity { // numbered anew since the last look: so is the next message
		cs.folder.Target.UIDValidity, cs.folder.Target.UIDNext = sel.UIDValidity, max(sel.UIDNext, 1)
	}
	cs.folder.Fleeting = Fleeting(sel)
	found, err := cs.unknown(ctx, sel, from)
	if err != nil || len(lost) == 0 {
		return found, err
	}
	cs.folder.Log.Info().Int("ledger", len(lost)).Int("messages", len(found)).Msg("the new server has numbered the folder anew: looking for the copies")
	were := numbersOf(lost)
	rest, err := cs.renumber(ctx, sel, lost, found, since(cs.folder.Ledger.Intents, sel.UIDValidity))
	if err != nil {
		return nil, err
	}
	cs.doubts = nil
	if doubting && !cs.accepted() {
		cs.doubts = doubtful(lost, were)
	}
	if err := cs.keepNumbers(ctx, lost[:own]); err != nil {
		return nil, err
	}
	return rest, cs.keepAway(ctx, away)
}

// unknown lists the new folder's messages from a UID on whose UIDs the ledger
// does not have.
func (cs *Copies) unknown(ctx context.Context, sel *upstream.Selected, from imap.UID) ([]message.Candidate, error) {
	taken := map[imap.UID]struct{}{}
	if !Fleeting(sel) {
		taken = session.NewUIDs(cs.folder.Ledger, sel.UIDValidity)
	}
	all, err := searchFrom(ctx, cs.folder.New, sel, from)
	if err != nil {
		return nil, err
	}
	return cs.Strangers(ctx, all, from, taken)
}

// Strangers are those of the open new folder's messages from a UID on whose UIDs are not
// taken. all may have one below it: "*" is always a message (RFC 9051 section 6.4.8).
func (cs *Copies) Strangers(ctx context.Context, all imap.UIDSet, from imap.UID, taken map[imap.UID]struct{}) (found []message.Candidate, err error) {
	var fresh imap.UIDSet
	for _, r := range all {
		for uid := max(r.Start, from); uid <= r.Stop; uid++ {
			if _, ok := taken[uid]; !ok {
				fresh.AddNum(uid)
			}
		}
	}
	for _, set := range session.Chunks(fresh, session.ListWindow) {
		err := headersOf(ctx, cs.folder.New, set, func(m upstream.Message, header []byte) error {
			found = append(found, message.CandidateOf(m, header))
			cs.mark(m.UID, header)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// mark notes how many octets of a message of the new folder are other tools' marks.
func (cs *Copies) mark(uid imap.UID, header []byte) {
	if n := message.MarkOctets(header); n > 0 {
		if cs.Marks == nil {
			cs.Marks = map[imap.UID]int64{}
		}
		cs.Marks[uid] = n
	}
}

// since is the UID from which on messages may be copies that intents are about, which
// were begun when the folder was numbered as it is now: no copy from before is there.
func since(intents []store.Intent, uidValidity uint32) imap.UID {
	first := imap.UID(math.MaxUint32)
	for _, in := range intents {
		if in.UIDValidity == uidValidity && in.UIDNext > 0 {
			first = min(first, in.UIDNext)
		}
	}
	return first
}

// renumber gives lines of the ledger the UIDs below before of the messages they stand
// for, or none, and returns the other messages.
func (cs *Copies) renumber(ctx context.Context, sel *upstream.Selected, lost []*store.Entry, found []message.Candidate, before imap.UID) ([]message.Candidate, error) {
	want, keys := make([]message.Wanted, len(lost)), make([]store.Key, len(lost))
	for i, e := range lost {
		want[i], keys[i] = message.Wanted{Fingerprint: e.Fingerprint, Size: int64(e.Size)}, e.Key
	}
	taken := make(map[imap.UID]struct{}, len(lost))
	old := slices.DeleteFunc(slices.Clone(found), func(c message.Candidate) bool { return c.UID >= before })
	copies, err := message.NewCandidates(old).TakeProved(ctx, want, cs.folder.byKeys(want, keys))
	if err != nil {
		return nil, err
	}
	for i, c := range copies {
		lost[i].UIDValidity, lost[i].UID = sel.UIDValidity, c.UID
		taken[c.UID] = struct{}{}
	}
	return slices.DeleteFunc(found, func(c message.Candidate) bool {
		_, ok := taken[c.UID]
		return ok
	}), nil
}

// keepNumbers makes the UIDs of ledger lines durable. Those whose flags an
// interrupted pull was about to change are left out: their intents would go with it,
// and they are written when the flags have been changed.
func (cs *Copies) keepNumbers(ctx context.Context, entries []*store.Entry) error {
	for part := range slices.Chunk(entries, session.ListWindow) {
		batch := store.Batch{Account: cs.folder.Account, Folder: cs.folder.Row.ID}
		for _, e := range part {
			if _, touched := cs.folder.Touched[e.Key]; touched {
				continue
			}
			kept := *e
			cs.folder.SetUID(&kept, e.UIDValidity, e.UID)
			batch.Proofs = append(batch.Proofs, kept)
		}
		batch.Quarantine = cs.tell(batch.Proofs)
		if err := cs.folder.Store.Commit(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// locate puts right where the copies of changed messages are in the new
// folder, as it is selected now.
func (cs *Copies) locate(ctx context.Context, sel *upstream.Selected, changed []flagged) error {
	astray := func(c flagged) bool { return void(&c.entry, sel) }
	if !slices.ContainsFunc(changed, astray) {
		return nil
	}
	cs.relocate(changed)
	if !slices.ContainsFunc(changed, astray) {
		return nil
	}
	// With what this pull has copied, so that nothing of it is taken for another.
	if err := cs.folder.ReadLedger(ctx); err != nil {
		return err
	}
	if _, err := cs.stock(ctx, sel, 1, false); err != nil {
		return err
	}
	cs.relocate(changed)
	return nil
}

// relocate takes over where the ledger in memory has the copies.
func (cs *Copies) relocate(changed []flagged) {
	for i := range changed {
		e := &changed[i].entry
		if now, ok := message.FindEntry(cs.folder.Ledger.Entries, e.Key); ok {
			e.UIDValidity, e.UID = now.UIDValidity, now.UID
		}
	}
}
