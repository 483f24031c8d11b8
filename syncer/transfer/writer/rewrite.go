package writer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/pause"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/adopt"
	"postferry/syncer/transfer/job"
	"postferry/upstream/link"
)

// repairLargest is the size up to which a message that was streamed is fetched
// again to be repaired, which needs all of it in memory. Octets.
const repairLargest = 32 << 20

// momentsMost is how many times a pull waits for a moment before it sends a message once
// more: a refusal that nothing explains may be the server's own trouble, gone soon. Cyrus
// 3.6 says "System I/O error" at times when a new person's first folders get mail at once.
const momentsMost = 3

// settleRefused decides about one message that the new server refused standing alone.
func (w *Writer) settleRefused(ctx context.Context, m *sending, why error) error {
	if m.Stream == nil && m.unexplained(why) {
		return w.onceMore(ctx, m, why)
	}
	if again, err := w.mend(ctx, m, why); again {
		return err
	}
	w.refusals.giveUp(m, why)
	return nil
}

// unexplained tells whether a refusal says nothing of what is wrong with the message, so
// that it is worth sending it once more as it is.
func (m *sending) unexplained(why error) bool {
	e, ok := errors.AsType[*link.Error](why)
	return ok && e.Class == link.Refused && e.Code == "" && !m.twice && m.repaired == nil && m.Intent.Size > 0 &&
		!message.ContainsAny(strings.ToLower(e.Text), "nul", "newline", "header", "flag", "keyword")
}

// onceMore sends a refused message again as it is, after a moment.
func (w *Writer) onceMore(ctx context.Context, m *sending, why error) error {
	m.twice = true
	w.Log.Info().Str("key", message.KeyText(m.Key)).Str("cause", why.Error()).Msg("message refused without a reason, trying it once more")
	if w.refusals.moments++; w.refusals.moments <= momentsMost {
		if err := pause.For(ctx, w.Quiet/6); err != nil {
			w.Ledger.release(m)
			return err
		}
	}
	return w.resend(ctx, m)
}

// resend sends a message for which an intent may have to be written anew.
func (w *Writer) resend(ctx context.Context, m *sending) error {
	w.Ledger.intend(m)
	if err := w.Ledger.Commit(ctx); err != nil {
		w.Ledger.release(m)
		return err
	}
	return w.send(ctx, eventsOf(m), true)
}

// mend tries a refused message again, repaired. It returns false if there is
// nothing more to try. The intent is written anew before, with what the
// repaired copy is recognised by: the refusal is proof that there is no other.
func (w *Writer) mend(ctx context.Context, m *sending, why error) (bool, error) {
	if m.repaired != nil && !m.lighter && len(m.flags()) == 0 || hopeless(why) {
		return false, nil
	}
	if m.Stream != nil || w.repaired.mayBeThere() && !m.aside {
		return w.putOff(m, why), nil
	}
	fixed, ok := m.redate(serverWords(why))
	if !ok {
		fixed, ok = message.RepairMessage(m.Body, m.flags(), serverWords(why))
	}
	if !ok {
		return false, nil
	}
	m.lighter = len(fixed.Body) == len(m.Body) && (fixed.Dated || len(fixed.Flags) < len(m.flags()))
	m.kept = fixed.Flags // of m.flags(), which m.repaired has a say in
	if m.repaired == nil {
		m.refusal = why
		m.repaired = &store.Repaired{Key: m.Key, What: fixed.Reason(),
			Fingerprint: m.Intent.Fingerprint, Size: m.Intent.Size, When: time.Now()}
	} else {
		m.repaired.What = reason.All(m.repaired.What, fixed.Reason())
	}
	m.Intent.Flags = message.WithoutFlags(m.Msg.Flags, message.WithoutFlags(m.keep, m.kept))
	if more := int64(len(fixed.Body)) - int64(len(m.Body)); more > 0 && w.Memory.TryAcquire(more) {
		m.Held += more
	}
	m.Body = fixed.Body
	size := int64(len(m.Body))
	m.Intent.Fingerprint, m.Intent.Size = message.Fingerprint(message.Header(m.Body), size), recovery.ClampSize(size)
	if adopted, err := w.repaired.adoptRepaired(ctx, m); adopted || err != nil {
		return true, err
	}
	w.Ledger.Pending.Repaired = append(w.Ledger.Pending.Repaired, *m.repaired)
	w.Log.Info().Str("key", message.KeyText(m.Key)).Stringer("repair", m.repaired.What).Str("cause", why.Error()).Msg("message refused, trying it repaired")
	return true, w.resend(ctx, m)
}

// hopeless tells whether no repair can help.
func hopeless(why error) bool {
	e, ok := errors.AsType[*link.Error](why)
	return ok && (e.Class == link.Later || e.Code == imap.ResponseCodeTooBig || e.Code == "APPENDLIMIT")
}

// serverWords are what the server said.
func serverWords(why error) string {
	if e, ok := errors.AsType[*link.Error](why); ok {
		return e.Text
	}
	return ""
}

// putOff keeps a message for mendLarge: a large one, as its body went by, or one of which
// a repaired copy may be there already. The checkpoint doesn't pass it until then.
func (w *Writer) putOff(m *sending, why error) bool {
	if int64(m.Intent.Size) > min(repairLargest, w.Limit/4) {
		return false
	}
	w.Ledger.release(m)
	m.refusal, m.aside = why, true
	w.Ledger.Pending.Drop = append(w.Ledger.Pending.Drop, m.Key)
	w.large = append(w.large, m)
	return true
}

// mendLarge fetches the large messages that were refused and tries them
// repaired. The reader has ended, so the old session is free.
func (w *Writer) mendLarge(ctx context.Context) error {
	for len(w.large) > 0 {
		if err := w.Yielded(); err != nil {
			return err // the checkpoint lies before them: the next pull comes by again
		}
		m := w.large[0]
		if err := w.mendOne(ctx, m); err != nil {
			return err
		}
		if err := w.drain(ctx); err != nil {
			return err
		}
		w.large = w.large[1:]
	}
	w.catchUp()
	return nil
}

func (w *Writer) mendOne(ctx context.Context, m *sending) error {
	why := m.refusal
	m.Stream = nil
	if err := w.repaired.fetchAgain(ctx, m); err != nil {
		w.Ledger.release(m)
		return err
	}
	if m.Body != nil {
		return w.settleRefused(ctx, m, why)
	}
	w.refusals.giveUp(m, why)
	return nil
}

// fetchAgain brings a message's body, unless the old server does not deliver it.
func (r *repairedCopies) fetchAgain(ctx context.Context, m *sending) error {
	size := int64(m.Intent.Size)
	if err := r.ledger.resources.Memory.Acquire(ctx, size); err != nil {
		return err
	}
	m.Held = size
	err := r.job.Old.Bodies(ctx, imap.UIDSetNum(m.Msg.UID), func(uid imap.UID, n int64, body io.Reader) error {
		if uid != m.Msg.UID || n != size {
			return nil
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(body, b); err != nil {
			return err
		}
		m.Body = b
		return nil
	})
	if link.ClassOf(err) == link.Refused {
		return nil
	}
	return err
}

// giveUp puts a message that the new server refuses into quarantine.
func (r *refusals) giveUp(m *sending, why error) {
	size := m.Intent.Size
	r.ledger.release(m)
	q := job.NewQuarantined(m.Key, reason.Of(reason.Refused), serverSays(why))
	if m.twice {
		q.Attempts++
	}
	switch {
	case m.repaired != nil:
		q.Reason = reason.Of(reason.RefusedRepaired, m.repaired.What)
		q.Cause = fmt.Sprintf("as it is: %s; repaired: %s", serverSays(m.refusal), serverSays(why))
		q.Attempts++
	case session.AboutOne(why):
		r.unavailable++
		q.Reason, q.Again = reason.Of(reason.NotNowNew), true
	case size == 0:
		q.Reason = reason.Of(reason.Empty)
	}
	r.hold(m, q, why)
}

func serverSays(why error) string { return strings.TrimSpace(why.Error()) }

// bared notes that a message is on the new server without flags that it was not taken with.
func (l *Ledger) bared(m *sending) {
	if m.repaired == nil || len(m.Intent.Flags) == len(m.Msg.Flags) {
		return
	}
	l.bare[m.Key] = m.Msg.Flags
}

// flags are what a message is appended with.
func (m *sending) flags() []imap.Flag {
	if m.repaired != nil {
		return m.kept
	}
	return m.keep
}

// repairedCopies are copies that an earlier ledger knew of, of messages that had to be repaired.
type repairedCopies struct {
	job    *job.Job
	tally  *job.Tally
	ledger *Ledger
	adopt  *adopt.Adoption // nil when nothing can be adopted
	before imap.UID        // what is below it was there before this pull; 0 if that isn't known
}

// mayBeThere tells whether a repaired copy from before the ledger was lost has to be looked
// for: adoption finds those when a folder is pulled for the first time, but a message that
// failed then, and is tried again in a later pull, has missed it.
func (r *repairedCopies) mayBeThere() bool { return !r.job.First() && !r.job.Fleeting }

// adoptRepaired enters a repaired copy that an earlier ledger knew of, instead
// of making another.
func (r *repairedCopies) adoptRepaired(ctx context.Context, m *sending) (bool, error) {
	want := message.Wanted{Fingerprint: m.Intent.Fingerprint, Size: int64(m.Intent.Size)}
	var found message.Candidate
	var err error
	switch {
	case r.adopt != nil && !r.mayBeThere():
		found = r.adopt.TakeRepaired(want)
	case r.mayBeThere():
		if found, err = r.findRepaired(ctx, want, m.Body); link.ClassOf(err) == link.Refused {
			r.job.Log.Warn().Err(err).Str("key", message.KeyText(m.Key)).Msg("the new server can't be asked for a repaired copy, another is made")
			err = nil
		}
	}
	if found.UID == 0 || err != nil {
		if err != nil {
			r.ledger.release(m)
		}
		return false, err
	}
	r.ledger.release(m)
	r.ledger.bared(m)
	r.ledger.Pending.Repaired = append(r.ledger.Pending.Repaired, *m.repaired)
	r.ledger.Pending.Proofs = append(r.ledger.Pending.Proofs, r.job.Proof(m.Intent, r.job.Target.UIDValidity, found.UID))
	r.tally.Done.Adopted.Add(1)
	r.tally.Dealt(1, uint64(m.repaired.Size))
	return true, nil
}

// findRepaired looks for a message of the new folder that no line of the ledger stands for,
// among those that were there before this pull. Nothing may be under way.
func (r *repairedCopies) findRepaired(ctx context.Context, want message.Wanted, body []byte) (message.Candidate, error) {
	if r.before <= 1 {
		return message.Candidate{}, nil
	}
	if err := r.ledger.Commit(ctx); err != nil { // what has just been found must not be found again
		return message.Candidate{}, err
	}
	ledger, err := r.job.Store.Ledger(ctx, r.job.Account, r.job.Row.ID)
	if err != nil {
		return message.Candidate{}, err
	}
	sel, err := r.job.New.Examine(ctx, r.job.Row.New)
	if err != nil {
		return message.Candidate{}, r.job.Gone(err, recovery.ErrNewGone)
	}
	if sel.UIDValidity != r.job.Target.UIDValidity || recovery.Fleeting(sel) {
		return message.Candidate{}, nil
	}
	alike, err := r.job.New.Search(ctx, fmt.Sprintf("UID 1:%d LARGER %d SMALLER %d", r.before-1, max(want.Size-message.SizeSlack-1, 0), want.Size+message.SizeSlack+1))
	if err != nil {
		return message.Candidate{}, err
	}
	found, err := r.job.Recovery.Copies.Strangers(ctx, alike, 1, session.NewUIDs(ledger, sel.UIDValidity))
	if err != nil || len(found) == 0 {
		return message.Candidate{}, err
	}
	copies, err := message.NewCandidates(found).TakeProved(ctx, []message.Wanted{want}, message.CopyEvidence{
		Old: func(context.Context, []int) (map[int]message.Content, error) {
			c, err := message.ReadContent(bytes.NewReader(body))
			return map[int]message.Content{0: c}, err
		},
		Fresh: r.job.NewContents,
	})
	if err != nil || copies[0].UID == 0 {
		return message.Candidate{}, err
	}
	if others, err := r.ofLine(ctx, want); others || err != nil {
		return message.Candidate{}, err
	}
	return copies[0], nil
}

// ofLine tells whether what has been found of a repaired message may be the copy of a line of the ledger. Nothing may be under
// way.
func (r *repairedCopies) ofLine(ctx context.Context, want message.Wanted) (bool, error) {
	lines, err := r.job.AlikeLines(ctx, map[store.Fingerprint]bool{want.Fingerprint: true}, true, true)
	if err != nil {
		return false, err
	}
	astray, err := r.job.Astray(ctx, lines)
	return len(astray) > 0, err
}
