package transfer

import (
	"context"
	"sync"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream"
)

// adoption holds what messages of the old server may be recognised as: lines of
// the ledger whose keys a changed UIDVALIDITY made void, and messages of the
// new folder that nobody has entered in the ledger yet. The former go first:
// they include what the user has deleted since.
type adoption struct {
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

// takeFresh finds messages on the new server that are proved to be the copies. The writer
// may look for others meanwhile.
func (a *adoption) takeFresh(ctx context.Context, want []message.Wanted, ev message.CopyEvidence) ([]message.Candidate, error) {
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

// takeRepaired finds a repaired copy: that has the size with which it was sent.
func (a *adoption) takeRepaired(want message.Wanted) message.Candidate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fromNew.TakeExact([]message.Wanted{want})[0]
}

// prepareAdoption gathers them. There is nothing to adopt in a folder that
// has been pulled to its end before: what came to the new server since, came
// by itself. Only keys that aren't stable may change at any time; see recovery's CheckIDs.
func (p *Pull) prepareAdoption(ctx context.Context) error {
	p.adopt = nil
	changed := !p.Selected.Traits.StableKeys && len(p.Known.Stale) > 0 && p.Known.Count() < int(p.Selected.Messages)
	if !p.First() && !changed && len(p.recovery.Numbers.Beyond)+len(p.recovery.Numbers.Below) == 0 || p.Selected.Messages == 0 {
		return nil
	}
	found := append(p.recovery.Numbers.Beyond, p.recovery.Numbers.Below...)
	if p.First() && p.Target.Messages > 0 {
		var err error
		if found, err = p.recovery.Copies.Newcomers(ctx, 1); err != nil {
			return err
		}
		p.Known = session.NewKnown(p.Ledger, p.Selected.Keys)
	}
	stale := p.StaleCandidates()
	if !p.First() && !changed { // what the ledger has of former keys was looked at then
		stale = nil
	}
	if len(found) == 0 && len(stale) == 0 {
		return nil
	}
	p.Log.Info().Int("new", len(found)).Int("ledger", len(stale)).Msg("looking for messages that are already there")
	p.adopt = &adoption{
		stale:      p.Known.Stale[:len(stale)],
		fromLedger: message.NewCandidates(stale), fromNew: message.NewCandidates(found),
		newValidity: p.Target.UIDValidity, exactly: !p.Slack(), leftFor: map[store.Elsewhere]bool{},
	}
	return nil
}

// recognise enters in the ledger those of missing that are already on the new
// server, and returns the others: by lines of the ledger, or by what no line stands for.
func (r *reader) recognise(ctx context.Context, missing []upstream.Message, byLines bool) ([]upstream.Message, error) {
	if r.adopt == nil || len(missing) == 0 || byLines && len(r.adopt.stale) == 0 {
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
		fresh, err = r.adopt.takeFresh(ctx, want, ev)
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
			was := r.adopt.stale[ledger[i].UID-1]
			r.SetUID(&entry, was.UIDValidity, was.UID)
			entry.Flags = message.BaseFlags(was.Flags, r.Touched[was.Key], m.Flags)
			batch.Forget = append(batch.Forget, was.Key)
			if mended, ok := r.RepairOf(was.Key); ok {
				mended.Key = entry.Key
				batch.Repaired = append(batch.Repaired, mended)
				entry.Fingerprint, entry.Size = was.Fingerprint, was.Size
			}
			batch.Drop = append(batch.Drop, was.Key) // an intent to change its flags, if there is one
		case fresh[i].UID != 0:
			r.SetUID(&entry, r.adopt.newValidity, fresh[i].UID)
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
	r.Done.adopted.Add(uint64(len(batch.Proofs)))
	octets := uint64(0)
	for i := range batch.Proofs {
		octets += uint64(batch.Proofs[i].Size)
	}
	r.dealt(uint64(len(batch.Proofs)), octets)
	r.Tell()
	return rest, nil
}

// returned enters in the ledger those of missing that were copied back from the new server, and returns the others.
func (r *reader) returned(ctx context.Context, missing []upstream.Message) ([]upstream.Message, error) {
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
	r.Done.adopted.Add(uint64(found))
	r.dealt(uint64(found), 0)
	r.Tell()
	return rest, nil
}

// moved enters in the ledger those of missing that are known under other keys, and returns the others.
func (r *reader) moved(ctx context.Context, missing []upstream.Message) ([]upstream.Message, error) {
	if r.moves == nil || len(missing) == 0 {
		return missing, nil
	}
	rest, err := r.moves.Enter(ctx, missing)
	if err != nil {
		return nil, err
	}
	if r.moves.Rekeyed {
		r.rekeyed, r.base.HighestModSeq = true, 0
	}
	r.entered(len(missing) - len(rest))
	return rest, nil
}

// entered counts messages that lines of the ledger stand for.
func (r *reader) entered(n int) {
	if n > 0 {
		r.Done.adopted.Add(uint64(n))
		r.dealt(uint64(n), 0)
		r.Tell()
	}
}

// stillThere drops from what was found those lines of the ledger that another folder has taken
// meanwhile for messages that were moved.
func (r *reader) stillThere(ctx context.Context, found []message.Candidate) error {
	var keys []store.Key
	for _, c := range found {
		if c.UID != 0 {
			keys = append(keys, r.adopt.stale[c.UID-1].Key)
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
		if c.UID != 0 && !there[r.adopt.stale[c.UID-1].Key] {
			found[i] = message.Candidate{}
		}
	}
	return err
}

// onAdoption is the evidence for messages that are missing.
func (r *reader) onAdoption(want []message.Wanted, missing []upstream.Message, more []recovery.Identity) message.CopyEvidence {
	return message.CopyEvidence{
		Old: func(ctx context.Context, places []int) (map[int]message.Content, error) {
			return r.OldContents(ctx, places, func(i int) (imap.UID, bool) { return missing[i].UID, true })
		},
		Fresh: r.askNew,
		Marked: func(i int, c message.Candidate) bool {
			return c.Size-r.recovery.Copies.Marks[c.UID] == want[i].Size-more[i].Marks
		},
		Date: func(i int) message.DateMark { return more[i].Date },
	}
}

// fromLedger finds lines of the ledger with void keys that stand for messages. One with
// another size has to be proved by its copy; where its user has removed that, it counts if
// all others of that kind were proved: then the old server counts in another way now.
func (r *reader) fromLedger(ctx context.Context, want []message.Wanted, ev message.CopyEvidence) ([]message.Candidate, error) {
	a := r.adopt
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
func (a *adoption) count(p *message.Pairing) {
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
