package syncer

import (
	"context"
	"sync"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// adoption holds what messages of the old server may be recognised as: lines of
// the ledger whose keys a changed UIDVALIDITY made void, and messages of the
// new folder that nobody has entered in the ledger yet. The former go first:
// they include what the user has deleted since.
type adoption struct {
	stale       []store.Entry
	fromLedger  *candidates // UID is the index in stale, plus one
	newValidity uint32

	exactly bool // lines of the ledger are taken only for messages of exactly their size

	mu      sync.Mutex // reader and writer look for copies
	fromNew *candidates
}

// takeAll finds messages on the new server.
func (a *adoption) takeAll(want []wanted) []candidate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fromNew.takeAll(want)
}

// prepareAdoption gathers them. There is nothing to adopt in a folder that
// has been pulled to its end before: what came to the new server since, came
// by itself. Only POP3's keys may change at any time; see checkIDs.
func (p *pull) prepareAdoption(ctx context.Context) error {
	p.adopt = nil
	changed := p.selected.pop3 && len(p.known.stale) > 0 && p.known.count() < int(p.selected.Messages)
	if !p.first() && !changed && len(p.beyond) == 0 || p.selected.Messages == 0 {
		return nil
	}
	found := p.beyond
	if p.first() && p.target.Messages > 0 {
		var err error
		if found, err = p.newcomers(ctx, 1); err != nil {
			return err
		}
		p.known = newKnown(p.ledger, p.selected.keys)
	}
	stale := p.staleCandidates()
	if !p.first() && !changed { // what the ledger has of former keys was looked at then
		stale = nil
	}
	if len(found) == 0 && len(stale) == 0 {
		return nil
	}
	p.log.Info().Int("new", len(found)).Int("ledger", len(stale)).Msg("looking for messages that are already there")
	p.adopt = &adoption{
		stale:      p.known.stale[:len(stale)],
		fromLedger: newCandidates(stale), fromNew: newCandidates(found),
		newValidity: p.target.UIDValidity, exactly: !p.slack(),
	}
	return nil
}

// staleCandidates are what messages with unknown keys may be recognised as, by
// what the old server had.
func (p *pull) staleCandidates() []candidate {
	stale := make([]candidate, len(p.known.stale))
	for i, e := range p.known.stale {
		stale[i] = candidate{Fingerprint: e.Fingerprint, Size: int64(e.Size), UID: imap.UID(i + 1)}
		if r, ok := p.repairOf(e.Key); ok {
			stale[i].Fingerprint, stale[i].Size = r.Fingerprint, int64(r.Size)
		}
	}
	return stale
}

// recognise enters in the ledger those of missing that are already on the new
// server, and returns the others.
func (p *pull) recognise(ctx context.Context, missing []upstream.Message) ([]upstream.Message, error) {
	if p.adopt == nil || len(missing) == 0 {
		return missing, nil
	}
	want, err := p.oldFingerprints(ctx, missing)
	if err != nil {
		return nil, err
	}
	batch := store.Batch{Account: p.account, Folder: p.folder.ID}
	var rest []upstream.Message
	take := p.adopt.fromLedger.takeAll
	if p.adopt.exactly {
		take = p.adopt.fromLedger.takeExact
	}
	ledger := take(want)
	fresh := p.adopt.takeAll(unmatched(want, ledger))
	p.taking.Lock()
	defer p.taking.Unlock()
	if err := p.stillThere(ctx, ledger); err != nil {
		return nil, err
	}
	for i, m := range missing {
		entry := store.Entry{
			Key: p.selected.keys.key(m.UID), Flags: m.Flags,
			Fingerprint: want[i].Fingerprint, Size: clampSize(want[i].Size),
		}
		switch {
		case ledger[i].UID != 0:
			was := p.adopt.stale[ledger[i].UID-1]
			p.place(&entry, was.UIDValidity, was.UID)
			entry.Flags = baseFlags(was.Flags, p.touched[was.Key], m.Flags)
			batch.Forget = append(batch.Forget, was.Key)
			if r, ok := p.repairOf(was.Key); ok {
				r.Key = entry.Key
				batch.Repaired = append(batch.Repaired, r)
				entry.Fingerprint, entry.Size = was.Fingerprint, was.Size
			}
			batch.Drop = append(batch.Drop, was.Key) // an intent to change its flags, if there is one
		case fresh[i].UID != 0:
			p.place(&entry, p.adopt.newValidity, fresh[i].UID)
		default:
			rest = append(rest, m)
			continue
		}
		batch.Proofs = append(batch.Proofs, entry)
		p.known.hand(m.UID)
	}
	if len(batch.Proofs) == 0 {
		return rest, nil
	}
	if err := p.store.Commit(ctx, batch); err != nil {
		return nil, err
	}
	p.done.adopted.Add(uint64(len(batch.Proofs)))
	octets := uint64(0)
	for i := range batch.Proofs {
		octets += uint64(batch.Proofs[i].Size)
	}
	p.dealt(uint64(len(batch.Proofs)), octets)
	p.tell()
	return rest, nil
}

// stillThere drops from what was found those lines of the ledger that another folder has taken
// meanwhile for messages that were moved.
func (p *pull) stillThere(ctx context.Context, found []candidate) error {
	var keys []store.Key
	for _, c := range found {
		if c.UID != 0 {
			keys = append(keys, p.adopt.stale[c.UID-1].Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	entries, err := p.store.Entries(ctx, p.account, p.folder.ID, keys)
	there := make(map[store.Key]bool, len(entries))
	for _, e := range entries {
		there[e.Key] = true
	}
	for i, c := range found {
		if c.UID != 0 && !there[p.adopt.stale[c.UID-1].Key] {
			found[i] = candidate{}
		}
	}
	return err
}

// oldFingerprints reads what the messages can be recognised by. A message the old
// server gives no header for matches nothing.
func (p *pull) oldFingerprints(ctx context.Context, missing []upstream.Message) ([]wanted, error) {
	at := make(map[imap.UID]int, len(missing))
	want := make([]wanted, len(missing))
	var set imap.UIDSet
	for i, m := range missing {
		at[m.UID] = i
		want[i].Size = -1
		set.AddNum(m.UID)
	}
	err := p.old.Headers(ctx, set, func(m upstream.Message, header []byte) error {
		if i, ok := at[m.UID]; ok {
			want[i] = wanted{Fingerprint: fingerprintOf(header, m.Size), Size: m.Size}
		}
		return nil
	})
	return want, err
}

// unmatched is want without what was found: those look for nothing any more.
func unmatched(want []wanted, found []candidate) []wanted {
	rest := make([]wanted, len(want))
	for i, w := range want {
		if rest[i] = w; found[i].UID != 0 {
			rest[i].Size = -1
		}
	}
	return rest
}

// clampSize fits a size into the ledger's field.
func clampSize(n int64) uint32 {
	return uint32(min(max(n, 0), 1<<32-1))
}
