package adopt

import (
	"context"
	"sync"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

// Adoption holds what messages of the old server may be recognised as: lines of
// the ledger whose keys a changed UIDVALIDITY made void, and messages of the
// new folder that nobody has entered in the ledger yet. The former go first:
// they include what the user has deleted since.
type Adoption struct {
	stale       []store.Entry
	fromLedger  *message.Candidates // UID is the index in stale, plus one
	newValidity uint32

	exactly bool // lines of the ledger are taken only for messages of exactly their size

	mu      sync.Mutex // reader and writer look for copies
	fromNew *message.Candidates
	leftFor map[store.Elsewhere]bool // lines of the ledger for whose copies messages have been left alone
	abroad  []recovery.AlikeLine     // lines of other folders that are like what is there, once somebody has read them
	read    bool                     // somebody has

	// Of lines of the ledger with other sizes than messages have now: how many turned out to
	// be theirs, and how many not.
	theirs, others int
}

// New is made of lines of the ledger with void keys, as what they may be recognised by as well, and of messages that were
// found on the new server, whose UIDVALIDITY that is.
func New(stale []store.Entry, lines, found []message.Candidate, newValidity uint32, exactly bool) *Adoption {
	return &Adoption{
		stale: stale, fromLedger: message.NewCandidates(lines), fromNew: message.NewCandidates(found),
		newValidity: newValidity, exactly: exactly, leftFor: map[store.Elsewhere]bool{},
	}
}

// Lines tells whether there are lines of the ledger with void keys; none of nil.
func (a *Adoption) Lines() bool { return a != nil && len(a.stale) > 0 }

// takeFresh finds messages on the new server that are proved to be the copies. The writer
// may look for others meanwhile.
func (a *Adoption) takeFresh(ctx context.Context, want []message.Wanted, ev message.CopyEvidence) ([]message.Candidate, error) {
	read := ev.Fresh
	ev.Fresh = func(ctx context.Context, uids []imap.UID) (map[imap.UID]message.Content, error) {
		a.mu.Unlock() // the writer may need it before it comes to this
		defer a.mu.Lock()
		return read(ctx, uids)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fromNew.TakeProved(ctx, want, ev)
}

// TakeRepaired finds a repaired copy: that has the size with which it was sent.
func (a *Adoption) TakeRepaired(want message.Wanted) message.Candidate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fromNew.TakeExact([]message.Wanted{want})[0]
}

// Recogniser enters in the ledger those of the messages that are missing which are there already.
type Recogniser struct {
	*job.Work
	out      *job.Handover
	adoption *Adoption       // nil when nothing can be adopted
	moves    *recovery.Moves // nil for none
	NewKeys  bool            // lines of this folder have got other keys
}

// NewRecogniser makes one of what is to be adopted, and of what was moved; nil for nothing.
func NewRecogniser(w *job.Work, out *job.Handover, a *Adoption, moves *recovery.Moves) *Recogniser {
	return &Recogniser{Work: w, out: out, adoption: a, moves: moves}
}

// Adopts tells whether anything may be adopted.
func (r *Recogniser) Adopts() bool { return r.adoption != nil }

// Recognise enters in the ledger those of missing that are already on the new
// server, and returns the others: by lines of the ledger, or by what no line stands for.
func (r *Recogniser) Recognise(ctx context.Context, missing []upstream.Message, byLines bool) ([]upstream.Message, error) {
	if r.adoption == nil || len(missing) == 0 || byLines && len(r.adoption.stale) == 0 {
		return missing, nil
	}
	want, more, err := r.OldIdentities(ctx, missing)
	if err != nil {
		return nil, err
	}
	if !byLines {
		if rest, err := r.seeToAlike(ctx, missing, want); err != nil || len(rest) < len(missing) {
			return r.orRecognise(ctx, rest, err)
		}
	}
	batch := store.Batch{Account: r.Account, Folder: r.Row.ID}
	var rest []upstream.Message
	ev := r.onAdoption(want, missing, more)
	ledger, fresh := make([]message.Candidate, len(want)), make([]message.Candidate, len(want))
	if byLines {
		ledger, err = r.fromLedger(ctx, want, ev)
	} else {
		fresh, err = r.adoption.takeFresh(ctx, want, ev)
	}
	if err != nil {
		return nil, err
	}
	r.Taking.Lock()
	defer r.Taking.Unlock()
	if err := r.stillThere(ctx, ledger); err != nil {
		return nil, err
	}
	for i, m := range missing {
		entry := store.Entry{
			Key: r.Selected.Keys.Key(m.UID), Flags: m.Flags,
			Fingerprint: want[i].Fingerprint, Size: recovery.ClampSize(want[i].Size),
		}
		switch {
		case ledger[i].UID != 0:
			was := r.adoption.stale[ledger[i].UID-1]
			r.SetUID(&entry, was.UIDValidity, was.UID)
			entry.Flags = message.BaseFlags(was.Flags, r.Touched[was.Key], m.Flags)
			r.RekeyedAway(&batch, &was, entry.Key)
			batch.Forget = append(batch.Forget, was.Key)
			if mended, ok := r.RepairOf(was.Key); ok {
				mended.Key = entry.Key
				batch.Repaired = append(batch.Repaired, mended)
				entry.Fingerprint, entry.Size = was.Fingerprint, was.Size
			}
			batch.Drop = append(batch.Drop, was.Key) // an intent to change its flags, if there is one
		case fresh[i].UID != 0:
			r.SetUID(&entry, r.adoption.newValidity, fresh[i].UID)
		default:
			rest = append(rest, m)
			continue
		}
		batch.Proofs = append(batch.Proofs, entry)
		r.Known.Hand(m.UID)
	}
	if len(batch.Proofs) == 0 {
		return rest, nil
	}
	if err := r.Store.Commit(ctx, batch); err != nil {
		return nil, err
	}
	r.Done.Adopted.Add(uint64(len(batch.Proofs)))
	octets := uint64(0)
	for i := range batch.Proofs {
		octets += uint64(batch.Proofs[i].Size)
	}
	r.Dealt(uint64(len(batch.Proofs)), octets)
	r.Tell()
	return rest, nil
}

// CopiedBack enters in the ledger those of missing that were copied back from the new server, and returns the others.
func (r *Recogniser) CopiedBack(ctx context.Context, missing []upstream.Message) ([]upstream.Message, error) {
	if r.Returned == nil || len(missing) == 0 {
		return missing, nil
	}
	want, _, err := r.OldIdentities(ctx, missing)
	if err != nil {
		return nil, err
	}
	rest, found, err := r.Returned.Enter(ctx, r.Selected.Keys, missing, want)
	if err != nil || found == 0 {
		return rest, err
	}
	r.Done.Adopted.Add(uint64(found))
	r.Dealt(uint64(found), 0)
	r.Tell()
	return rest, nil
}

// Moved enters in the ledger those of missing that are known under other keys, and returns the others.
func (r *Recogniser) Moved(ctx context.Context, missing []upstream.Message) ([]upstream.Message, error) {
	if r.moves == nil || len(missing) == 0 {
		return missing, nil
	}
	rest, err := r.moves.Enter(ctx, missing)
	if err != nil {
		return nil, err
	}
	if r.moves.Rekeyed {
		r.NewKeys = true
	}
	waits := r.moves.Waiting
	r.moves.Waiting = nil
	for _, uid := range waits {
		if r.Known.Hand(uid); r.Waiting == 0 || uid < r.Waiting {
			r.Waiting = uid
		}
	}
	r.entered(len(missing) - len(rest) - len(waits))
	return rest, nil
}

// entered counts messages that lines of the ledger stand for.
func (r *Recogniser) entered(n int) {
	if n > 0 {
		r.Done.Adopted.Add(uint64(n))
		r.Dealt(uint64(n), 0)
		r.Tell()
	}
}

// stillThere drops from what was found those lines of the ledger that another folder has taken
// meanwhile for messages that were moved.
func (r *Recogniser) stillThere(ctx context.Context, found []message.Candidate) error {
	var keys []store.Key
	for _, c := range found {
		if c.UID != 0 {
			keys = append(keys, r.adoption.stale[c.UID-1].Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	entries, err := r.Store.Entries(ctx, r.Account, r.Row.ID, keys)
	there := make(map[store.Key]bool, len(entries))
	for _, e := range entries {
		there[e.Key] = true
	}
	for i, c := range found {
		if c.UID != 0 && !there[r.adoption.stale[c.UID-1].Key] {
			found[i] = message.Candidate{}
		}
	}
	return err
}

// onAdoption is the evidence for messages that are missing.
func (r *Recogniser) onAdoption(want []message.Wanted, missing []upstream.Message, more []recovery.Identity) message.CopyEvidence {
	return message.CopyEvidence{
		Old: func(ctx context.Context, places []int) (map[int]message.Content, error) {
			return r.OldContents(ctx, places, func(i int) (imap.UID, bool) { return missing[i].UID, true })
		},
		Fresh: r.askNew,
		Marked: func(i int, c message.Candidate) bool {
			return c.Size-r.Recovery.Copies.Marks[c.UID] == want[i].Size-more[i].Marks
		},
		Date: func(i int) message.DateMark { return more[i].Date },
	}
}

// fromLedger finds lines of the ledger with void keys that stand for messages. One with
// another size has to be proved by its copy; where its user has removed that, it counts if
// all others of that kind were proved: then the old server counts in another way now.
func (r *Recogniser) fromLedger(ctx context.Context, want []message.Wanted, ev message.CopyEvidence) ([]message.Candidate, error) {
	a := r.adoption
	if a.exactly {
		return a.fromLedger.TakeExact(want), nil
	}
	read := ev.Fresh
	ev.Marked = nil
	ev.Fresh = func(ctx context.Context, lines []imap.UID) (map[imap.UID]message.Content, error) {
		line := map[imap.UID]imap.UID{} // by the copy's UID
		var copies []imap.UID
		for _, l := range lines {
			if was := a.stale[l-1]; was.UID != 0 && was.UIDValidity == a.newValidity && !r.Fleeting {
				line[was.UID] = l
				copies = append(copies, was.UID)
			}
		}
		found := map[imap.UID]message.Content{}
		if len(copies) == 0 {
			return found, nil
		}
		there, err := read(ctx, copies)
		for uid, c := range there {
			found[line[uid]] = c
		}
		return found, err
	}
	p := &message.Pairing{Candidates: a.fromLedger, CopyEvidence: ev, Want: want, Found: a.fromLedger.TakeExact(want)}
	if err := p.Gather(ctx); err != nil {
		return nil, err
	}
	a.count(p)
	p.Unread = func(i int, c message.Candidate, _ bool) bool {
		return a.theirs > 0 && a.others == 0 && message.WithinSlack(want[i], c)
	}
	p.Assign()
	return p.Found, nil
}

// count counts what the copies of lines say.
func (a *Adoption) count(p *message.Pairing) {
	for _, i := range message.Unfound(p.Want, p.Found) {
		for _, at := range p.Alike(i) {
			old, haveOld := p.Olds[i]
			copied, haveNew := p.News[p.Sorted[at].UID]
			switch {
			case !haveOld || !haveNew:
			case old.Says(copied):
				a.theirs++
			default:
				a.others++
			}
		}
	}
}

// askNew lets the writer read messages of the new folder.
func (r *Recogniser) askNew(ctx context.Context, uids []imap.UID) (map[imap.UID]message.Content, error) {
	var found map[imap.UID]message.Content
	err := r.out.OnNew(ctx, func(ctx context.Context) (err error) {
		found, err = r.ReadNew(ctx, uids)
		return err
	})
	if err != nil {
		return nil, err // the writer may still be at it
	}
	return found, nil
}
