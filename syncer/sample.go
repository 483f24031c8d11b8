package syncer

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// sample is a look at some of the new folder's messages that is taken in the round trip in which
// its numbers are asked for: at the newest copies, whose UIDs a server that was put back
// to a backup gives to others first, and at what has come since the checkpoint.
type sample struct {
	validity uint32                    // UIDVALIDITY that the copies' UIDs are of
	from     imap.UID                  // whatever has this UID or a higher one has not been looked at before
	copies   map[imap.UID]*store.Entry // by UID
	doubtful map[store.Key][]byte      // by line: the header of another message that has its UID
	absent   map[imap.UID]bool         // copies that were not told of
	fresh    []candidate               // messages from from on
	sel      *upstream.Selected
	call     headersCall
}

// newSample prepares a look. It returns nil where there is nothing to compare with, as in a
// folder that is pulled for the first time: of that everything is looked at.
func newSample(cp store.Checkpoint, entries []store.Entry) *sample {
	if !looked(cp) {
		return nil
	}
	g := &sample{validity: cp.NewUIDValidity, from: cp.NewUIDNext, copies: map[imap.UID]*store.Entry{}, doubtful: map[store.Key][]byte{}, absent: map[imap.UID]bool{}}
	if g.validity == 0 { // a checkpoint of an earlier version, or the server numbers in another way each time
		for i := range entries {
			if e := &entries[i]; e.UID != 0 {
				g.validity = e.UIDValidity
			}
		}
		for i := range entries {
			if e := &entries[i]; e.UIDValidity == g.validity {
				g.from = max(g.from, e.UID+1)
			}
		}
	}
	if g.validity == 0 {
		return nil
	}
	g.from = max(g.from, 1)
	g.choose(entries)
	return g
}

// looked tells whether the new folder has been looked at as it was when a checkpoint was taken: also
// if that proves nothing of the old side any more (see reset).
func looked(cp store.Checkpoint) bool { return !cp.Checked.IsZero() || cp.NewUIDValidity != 0 }

// choose takes the newest of the copies.
func (g *sample) choose(entries []store.Entry) {
	var lines []*store.Entry
	for i := range entries {
		if e := &entries[i]; e.UID != 0 && e.UIDValidity == g.validity {
			lines = append(lines, e)
		}
	}
	slices.SortFunc(lines, func(a, b *store.Entry) int { return int(int64(b.UID) - int64(a.UID)) })
	for _, e := range lines[:min(len(lines), overlap)] {
		g.copies[e.UID], g.absent[e.UID] = e, true
	}
}

// send asks. After it, status may be waited for, and then wait.
func (g *sample) send(ctx context.Context, s newSession, name string) (err error) {
	var set imap.UIDSet
	for uid := range g.copies {
		set.AddNum(uid)
	}
	if g.from > 0 {
		set.AddRange(g.from, math.MaxUint32) // "*" would be the last message even if it is below that
	}
	g.call, err = s.SendHeaders(ctx, name, set, g.take)
	return err
}

func (g *sample) take(m upstream.Message, header []byte) error {
	if e := g.copies[m.UID]; e != nil {
		if delete(g.absent, m.UID); !isCopy(e, m, header) {
			g.doubtful[e.Key] = doubt(e, m, header)
		}
		return nil
	}
	if g.from > 0 && m.UID >= g.from {
		g.fresh = append(g.fresh, candidateOf(m, header))
	}
	return nil
}

func (g *sample) wait(ctx context.Context) (err error) {
	g.sel, err = g.call.Wait(ctx)
	return err
}

// elsewhere says of a copy that isn't where it was that there is one like it under a new UID;
// "" if there is none.
func (g *sample) elsewhere() string {
	for uid := range g.absent {
		e := g.copies[uid]
		for _, c := range g.fresh {
			if c.Fingerprint == e.Fingerprint && c.Size == int64(e.Size) {
				return fmt.Sprintf("the copy with the UID %d has the UID %d", uid, c.UID)
			}
		}
	}
	return ""
}

// lookAtNewAgain learns where the new folder's next message will be, and takes a sample in
// the same round trip.
func (p *pull) lookAtNewAgain(ctx context.Context) error {
	entries, err := p.newestEntries(ctx)
	if err != nil {
		return err
	}
	g := newSample(p.folder.Checkpoint, entries)
	if g == nil {
		return p.lookAtNew(ctx)
	}
	status, err := p.new.SendStatus(ctx, p.folder.New)
	if err != nil {
		return p.lookPlainly(ctx, err)
	}
	if err := g.send(ctx, p.new, p.folder.New); err != nil {
		return p.lookPlainly(ctx, err)
	}
	st, told, err := status.Wait(ctx)
	sampleErr := g.wait(ctx)
	switch {
	case err != nil && !refusal(err):
		return err
	case sampleErr != nil && !refusal(sampleErr):
		return sampleErr
	case err != nil || !told || sampleErr != nil:
		return p.lookAtNew(ctx)
	}
	p.target, p.sample = st, g
	return nil
}

// lookPlainly is lookAtNew after something could not be asked for together with it.
func (p *pull) lookPlainly(ctx context.Context, err error) error {
	if !refusal(err) {
		return err
	}
	return p.lookAtNew(ctx)
}

// newestEntries are the newest lines of the folder's ledger, or all of them.
func (p *pull) newestEntries(ctx context.Context) ([]store.Entry, error) {
	cp := p.folder.Checkpoint
	if cp.UIDNext == 0 || cp.NewUIDValidity == 0 { // of a POP3 server, or of an earlier version
		l, err := p.store.Ledger(ctx, p.account, p.folder.ID)
		return l.Entries, err
	}
	l, err := p.store.LedgerFrom(ctx, p.account, p.folder.ID, imapKey(cp.UIDValidity, tailFrom(cp)))
	return l.Entries, err
}

// refusal tells whether an error is a server's answer, after which the session goes on.
func refusal(err error) bool {
	return upstream.Answered(err) || upstream.ClassOf(err) == upstream.Refused
}
