package transfer

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

// place is what the ledger keeps of a UID in the new folder.
func (p *Pull) place(e *store.Entry, uidValidity uint32, uid imap.UID) {
	e.UIDValidity, e.UID = uidValidity, uid
	if p.Fleeting {
		e.UIDValidity, e.UID = 0, 0
	}
}

// followNumbers looks for the copies if the new server has numbered the folder anew:
// before anything is appended, so that what comes then is not taken for what its
// user has removed before.
func (p *Pull) followNumbers(ctx context.Context) error {
	moved := func(e store.Entry) bool { return e.UID != 0 && e.UIDValidity != p.Target.UIDValidity }
	if !slices.ContainsFunc(p.ledger.Entries, moved) {
		return nil
	}
	if _, err := p.newcomers(ctx, 1); err != nil {
		return err
	}
	p.known = session.NewKnown(p.ledger, p.Selected.Keys)
	return nil
}

// stock lists the new folder, as it is open now, from a UID on: it returns
// what no line of the ledger stands for. Lines whose UIDs are void are put right first.
func (p *Pull) stock(ctx context.Context, sel *upstream.Selected, from imap.UID) ([]message.Candidate, error) {
	var lost []*store.Entry
	for i := range p.ledger.Entries {
		if e := &p.ledger.Entries[i]; void(e, sel) {
			lost = append(lost, e)
		}
	}
	if len(lost) > 0 || Fleeting(sel) || sel.UIDValidity != p.Target.UIDValidity {
		from = 1
	}
	if sel.UIDValidity != p.Target.UIDValidity { // numbered anew since the last look: so is the next message
		p.Target.UIDValidity, p.Target.UIDNext = sel.UIDValidity, max(sel.UIDNext, 1)
	}
	p.Fleeting = Fleeting(sel)
	found, err := p.unknown(ctx, sel, from)
	if err != nil || len(lost) == 0 {
		return found, err
	}
	p.Log.Info().Int("ledger", len(lost)).Int("messages", len(found)).Msg("the new server has numbered the folder anew: looking for the copies")
	rest, err := p.renumber(ctx, sel, lost, found, since(p.ledger.Intents, sel.UIDValidity))
	if err != nil {
		return nil, err
	}
	return rest, p.keepNumbers(ctx, lost)
}

// unknown lists the new folder's messages from a UID on whose UIDs the ledger
// does not have.
func (p *Pull) unknown(ctx context.Context, sel *upstream.Selected, from imap.UID) ([]message.Candidate, error) {
	taken := map[imap.UID]struct{}{}
	if !Fleeting(sel) {
		taken = session.NewUIDs(p.ledger, sel.UIDValidity)
	}
	all, err := p.new.Search(ctx, "UID "+(imap.UIDSet{imap.UIDRange{Start: from, Stop: 0}}).String())
	if err != nil {
		return nil, err
	}
	return p.strangers(ctx, all, from, taken)
}

// strangers are those of the open new folder's messages from a UID on whose UIDs are not
// taken. all may have one below it: "*" is always a message (RFC 9051 section 6.4.8).
func (p *Pull) strangers(ctx context.Context, all imap.UIDSet, from imap.UID, taken map[imap.UID]struct{}) (found []message.Candidate, err error) {
	var fresh imap.UIDSet
	for _, r := range all {
		for uid := max(r.Start, from); uid <= r.Stop; uid++ {
			if _, ok := taken[uid]; !ok {
				fresh.AddNum(uid)
			}
		}
	}
	for _, set := range session.Chunks(fresh, session.ListWindow) {
		err := p.new.Headers(ctx, set, func(m upstream.Message, header []byte) error {
			found = append(found, message.CandidateOf(m, header))
			p.mark(m.UID, header)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// mark notes how many octets of a message of the new folder are other tools' marks.
func (p *Pull) mark(uid imap.UID, header []byte) {
	if n := message.MarkOctets(header); n > 0 {
		if p.marks == nil {
			p.marks = map[imap.UID]int64{}
		}
		p.marks[uid] = n
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
func (p *Pull) renumber(ctx context.Context, sel *upstream.Selected, lost []*store.Entry, found []message.Candidate, before imap.UID) ([]message.Candidate, error) {
	want, keys := make([]message.Wanted, len(lost)), make([]store.Key, len(lost))
	for i, e := range lost {
		want[i], keys[i] = message.Wanted{Fingerprint: e.Fingerprint, Size: int64(e.Size)}, e.Key
	}
	taken := make(map[imap.UID]struct{}, len(lost))
	old := slices.DeleteFunc(slices.Clone(found), func(c message.Candidate) bool { return c.UID >= before })
	copies, err := message.NewCandidates(old).TakeProved(ctx, want, p.byKeys(want, keys))
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
func (p *Pull) keepNumbers(ctx context.Context, entries []*store.Entry) error {
	for part := range slices.Chunk(entries, session.ListWindow) {
		batch := store.Batch{Account: p.Account, Folder: p.Folder.ID}
		for _, e := range part {
			if _, touched := p.touched[e.Key]; touched {
				continue
			}
			kept := *e
			p.place(&kept, e.UIDValidity, e.UID)
			batch.Proofs = append(batch.Proofs, kept)
		}
		if err := p.Store.Commit(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// locate puts right where the copies of changed messages are in the new
// folder, as it is selected now.
func (p *Pull) locate(ctx context.Context, sel *upstream.Selected, changed []flagged) error {
	astray := func(c flagged) bool { return void(&c.entry, sel) }
	if !slices.ContainsFunc(changed, astray) {
		return nil
	}
	p.relocate(changed)
	if !slices.ContainsFunc(changed, astray) {
		return nil
	}
	// With what this pull has copied, so that nothing of it is taken for another.
	if err := p.readLedger(ctx); err != nil {
		return err
	}
	if _, err := p.stock(ctx, sel, 1); err != nil {
		return err
	}
	p.relocate(changed)
	return nil
}

// relocate takes over where the ledger in memory has the copies.
func (p *Pull) relocate(changed []flagged) {
	for i := range changed {
		e := &changed[i].entry
		if now, ok := message.FindEntry(p.ledger.Entries, e.Key); ok {
			e.UIDValidity, e.UID = now.UIDValidity, now.UID
		}
	}
}
