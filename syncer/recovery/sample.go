package recovery

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// Sample is a look at some of the new folder's messages that is taken in the round trip in which
// its numbers are asked for: at the newest copies, whose UIDs a server that was put back
// to a backup gives to others first, and at what has come since the checkpoint.
type Sample struct {
	Validity uint32                    // UIDVALIDITY that the copies' UIDs are of
	From     imap.UID                  // whatever has this UID or a higher one has not been looked at before
	Copies   map[imap.UID]*store.Entry // by UID
	Doubtful map[store.Key][]byte      // by line: the header of another message that has its UID
	absent   map[imap.UID]bool         // copies that were not told of
	fresh    []message.Candidate       // messages from from on
	Sel      *upstream.Selected
	Call     session.HeadersCall
}

// NewSample prepares a look. It returns nil where there is nothing to compare with, as in a
// folder that is pulled for the first time: of that everything is looked at. away are copies of other folders' lines.
func NewSample(cp store.Checkpoint, entries []store.Entry, away []store.Away) *Sample {
	if !looked(cp) {
		return nil
	}
	g := &Sample{Validity: cp.NewUIDValidity, From: cp.NewUIDNext, Copies: map[imap.UID]*store.Entry{}, Doubtful: map[store.Key][]byte{}, absent: map[imap.UID]bool{}}
	if g.Validity == 0 { // a checkpoint of an earlier version, or the server numbers in another way each time
		for i := range entries {
			if e := &entries[i]; e.UID != 0 {
				g.Validity = e.UIDValidity
			}
		}
		for i := range entries {
			if e := &entries[i]; e.UIDValidity == g.Validity {
				g.From = max(g.From, e.UID+1)
			}
		}
	}
	if g.Validity == 0 {
		return nil
	}
	g.From = max(g.From, 1)
	g.choose(slices.Concat(entries, awayLines(away)))
	return g
}

// looked tells whether the new folder has been looked at as it was when a checkpoint was taken: also
// if that proves nothing of the old side any more (see reset).
func looked(cp store.Checkpoint) bool { return !cp.Checked.IsZero() || cp.NewUIDValidity != 0 }

// choose takes the newest of the copies.
func (g *Sample) choose(entries []store.Entry) {
	var lines []*store.Entry
	for i := range entries {
		if e := &entries[i]; e.UID != 0 && e.UIDValidity == g.Validity {
			lines = append(lines, e)
		}
	}
	slices.SortFunc(lines, func(a, b *store.Entry) int { return int(int64(b.UID) - int64(a.UID)) })
	for _, e := range lines[:min(len(lines), overlap)] {
		g.Copies[e.UID], g.absent[e.UID] = e, true
	}
}

// Send asks. After it, status may be waited for, and then wait.
func (g *Sample) Send(ctx context.Context, s session.Target, name string) (err error) {
	var set imap.UIDSet
	for uid := range g.Copies {
		set.AddNum(uid)
	}
	if g.From > 0 {
		set.AddRange(g.From, math.MaxUint32) // "*" would be the last message even if it is below that
	}
	g.Call, err = s.SendHeaders(ctx, name, set, g.take)
	return err
}

func (g *Sample) take(m upstream.Message, header []byte) error {
	if e := g.Copies[m.UID]; e != nil {
		if delete(g.absent, m.UID); !message.IsCopy(e, m, header) {
			g.Doubtful[e.Key] = message.HeaderInDoubt(e, m, header)
		}
		return nil
	}
	if g.From > 0 && m.UID >= g.From {
		g.fresh = append(g.fresh, message.CandidateOf(m, header))
	}
	return nil
}

func (g *Sample) Wait(ctx context.Context) (err error) {
	g.Sel, err = g.Call.Wait(ctx)
	return err
}

// elsewhere says of a copy that isn't where it was that there is one like it under a new UID;
// "" if there is none.
func (g *Sample) elsewhere() string {
	for uid := range g.absent {
		e := g.Copies[uid]
		for _, c := range g.fresh {
			if c.Fingerprint == e.Fingerprint && c.Size == int64(e.Size) {
				return fmt.Sprintf("the copy with the UID %d has the UID %d", uid, c.UID)
			}
		}
	}
	return ""
}

// LookAtNewAgain learns where the new folder's next message will be, and takes a sample in
// the same round trip.
func (f *Folder) LookAtNewAgain(ctx context.Context) error {
	l, err := f.newestLines(ctx)
	if err != nil {
		return err
	}
	g := NewSample(f.Row.Checkpoint, l.Entries, l.Away)
	if g == nil {
		return f.LookAtNew(ctx)
	}
	status, err := f.New.SendStatus(ctx, f.Row.New)
	if err != nil {
		return f.lookPlainly(ctx, err)
	}
	if err := g.Send(ctx, f.New, f.Row.New); err != nil {
		return f.lookPlainly(ctx, err)
	}
	st, told, err := status.Wait(ctx)
	sampleErr := g.Wait(ctx)
	switch {
	case err != nil && !Refusal(err):
		return err
	case sampleErr != nil && !Refusal(sampleErr):
		return sampleErr
	case err != nil || !told || sampleErr != nil:
		return f.LookAtNew(ctx)
	}
	f.Target, f.Sample = st, g
	return g.askAgain(ctx, f.New, f.Row.New, st.UIDNext)
}

// askAgain asks once more for what was not told of the messages that have come since the checkpoint: mostly its user has removed it, but
// a copy that the answer lacked would be made a second time.
func (g *Sample) askAgain(ctx context.Context, s session.Target, name string, next imap.UID) error {
	rest := g.untold(next)
	if len(rest) == 0 {
		return nil
	}
	call, err := s.SendHeaders(ctx, name, rest, g.take)
	if err == nil {
		_, err = call.Wait(ctx)
	}
	if err != nil && !Refusal(err) {
		return err
	}
	return nil
}

// untold are the UIDs below UIDNEXT that messages since the checkpoint may have and none was told with.
func (g *Sample) untold(next imap.UID) imap.UIDSet {
	if next <= g.From {
		return nil
	}
	told := make([]imap.UID, 0, len(g.fresh))
	for _, c := range g.fresh {
		told = append(told, c.UID)
	}
	return session.Without(imap.UIDSet{imap.UIDRange{Start: g.From, Stop: next - 1}}, told)
}

// lookPlainly is lookAtNew after something could not be asked for together with it.
func (f *Folder) lookPlainly(ctx context.Context, err error) error {
	if !Refusal(err) {
		return err
	}
	return f.LookAtNew(ctx)
}

// newestLines are the newest lines of the folder's ledger, or all of them.
func (f *Folder) newestLines(ctx context.Context) (store.Ledger, error) {
	cp := f.Row.Checkpoint
	if cp.UIDNext == 0 || cp.NewUIDValidity == 0 { // of a server without stable UIDs, or of an earlier version
		return f.Store.Ledger(ctx, f.Account, f.Row.ID)
	}
	l, err := f.Store.LedgerFrom(ctx, f.Account, f.Row.ID, message.IMAPKey(cp.UIDValidity, TailFrom(cp)))
	return l.Ledger, err
}

// Refusal tells whether an error is a server's answer, after which the session goes on.
func Refusal(err error) bool {
	return link.Answered(err) || link.ClassOf(err) == link.Refused
}
