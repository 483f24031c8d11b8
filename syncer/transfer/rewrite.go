package transfer

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
	"postferry/upstream/link"
)

// repairLargest is the size up to which a message that was streamed is fetched
// again to be repaired, which needs all of it in memory. Octets.
const repairLargest = 32 << 20

// momentsMost is how many times a pull waits for a moment before it sends a message once
// more: a refusal that nothing explains may be the server's own trouble, gone soon. Cyrus
// 3.6 says "System I/O error" at times when a new person's first folders get mail at once.
const momentsMost = 3

// mending is what a message is marked with that the new server refused.
type mending struct {
	twice    bool            // it has been sent once more as it is
	keep     []imap.Flag     // what the new folder can keep of the flags
	refusal  error           // of the message as it is
	repaired *store.Repaired // set once it is tried repaired
	kept     []imap.Flag     // the repaired copy's flags
	lighter  bool            // only flags were left out so far: there may be more to mend
	aside    bool            // it was put off until nothing else is under way
	redated  bool            // its date was replaced

	refusedBefore bool   // the new server has refused it
	since         uint64 // messages that had been taken when it did so first
	said          error  // its last refusal, if that is about this message alone
}

// settleRefused decides about one message that the new server refused standing alone.
func (w *writer) settleRefused(ctx context.Context, m *outgoing, why error) error {
	if m.stream == nil && m.unexplained(why) {
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
func (m *outgoing) unexplained(why error) bool {
	e, ok := errors.AsType[*link.Error](why)
	return ok && e.Class == link.Refused && e.Code == "" && !m.twice && m.repaired == nil && m.intent.Size > 0 &&
		!message.ContainsAny(strings.ToLower(e.Text), "nul", "newline", "header", "flag", "keyword")
}

// onceMore sends a refused message again as it is, after a moment.
func (w *writer) onceMore(ctx context.Context, m *outgoing, why error) error {
	m.twice = true
	w.Log.Info().Str("key", message.KeyText(m.key)).Str("cause", why.Error()).Msg("message refused without a reason, trying it once more")
	if w.refusals.moments++; w.refusals.moments <= momentsMost {
		if err := pause.For(ctx, w.Quiet/6); err != nil {
			w.ledger.release(m)
			return err
		}
	}
	return w.resend(ctx, m)
}

// resend sends a message for which an intent may have to be written anew.
func (w *writer) resend(ctx context.Context, m *outgoing) error {
	w.ledger.intend(m)
	if err := w.ledger.commit(ctx); err != nil {
		w.ledger.release(m)
		return err
	}
	return w.send(ctx, eventsOf(m), true)
}

// mend tries a refused message again, repaired. It returns false if there is
// nothing more to try. The intent is written anew before, with what the
// repaired copy is recognised by: the refusal is proof that there is no other.
func (w *writer) mend(ctx context.Context, m *outgoing, why error) (bool, error) {
	if m.repaired != nil && !m.lighter && len(m.flags()) == 0 || hopeless(why) {
		return false, nil
	}
	if m.stream != nil || w.repaired.mayBeThere() && !m.aside {
		return w.putOff(m, why), nil
	}
	fixed, ok := m.redate(serverWords(why))
	if !ok {
		fixed, ok = message.RepairMessage(m.body, m.flags(), serverWords(why))
	}
	if !ok {
		return false, nil
	}
	m.lighter = len(fixed.Body) == len(m.body) && (fixed.Dated || len(fixed.Flags) < len(m.flags()))
	m.kept = fixed.Flags // of m.flags(), which m.repaired has a say in
	if m.repaired == nil {
		m.refusal = why
		m.repaired = &store.Repaired{Key: m.key, What: fixed.Reason(),
			Fingerprint: m.intent.Fingerprint, Size: m.intent.Size, When: time.Now()}
	} else {
		m.repaired.What = reason.All(m.repaired.What, fixed.Reason())
	}
	m.intent.Flags = message.WithoutFlags(m.msg.Flags, message.WithoutFlags(m.keep, m.kept))
	if more := int64(len(fixed.Body)) - int64(len(m.body)); more > 0 && w.Memory.TryAcquire(more) {
		m.held += more
	}
	m.body = fixed.Body
	size := int64(len(m.body))
	m.intent.Fingerprint, m.intent.Size = message.Fingerprint(message.Header(m.body), size), recovery.ClampSize(size)
	if adopted, err := w.repaired.adoptRepaired(ctx, m); adopted || err != nil {
		return true, err
	}
	w.ledger.pending.Repaired = append(w.ledger.pending.Repaired, *m.repaired)
	w.Log.Info().Str("key", message.KeyText(m.key)).Stringer("repair", m.repaired.What).Str("cause", why.Error()).Msg("message refused, trying it repaired")
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
func (w *writer) putOff(m *outgoing, why error) bool {
	if int64(m.intent.Size) > min(repairLargest, w.Limit/4) {
		return false
	}
	w.ledger.release(m)
	m.refusal, m.aside = why, true
	w.ledger.pending.Drop = append(w.ledger.pending.Drop, m.key)
	w.large = append(w.large, m)
	return true
}

// mendLarge fetches the large messages that were refused and tries them
// repaired. The reader has ended, so the old session is free.
func (w *writer) mendLarge(ctx context.Context) error {
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

func (w *writer) mendOne(ctx context.Context, m *outgoing) error {
	why := m.refusal
	m.stream = nil
	if err := w.fetchAgain(ctx, m); err != nil {
		w.ledger.release(m)
		return err
	}
	if m.body != nil {
		return w.settleRefused(ctx, m, why)
	}
	w.refusals.giveUp(m, why)
	return nil
}

// fetchAgain brings a message's body, unless the old server does not deliver it.
func (w *writer) fetchAgain(ctx context.Context, m *outgoing) error {
	size := int64(m.intent.Size)
	if err := w.Memory.Acquire(ctx, size); err != nil {
		return err
	}
	m.held = size
	err := w.Old.Bodies(ctx, imap.UIDSetNum(m.msg.UID), func(uid imap.UID, n int64, body io.Reader) error {
		if uid != m.msg.UID || n != size {
			return nil
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(body, b); err != nil {
			return err
		}
		m.body = b
		return nil
	})
	if link.ClassOf(err) == link.Refused {
		return nil
	}
	return err
}

// giveUp puts a message that the new server refuses into quarantine.
func (r *refusals) giveUp(m *outgoing, why error) {
	size := m.intent.Size
	r.ledger.release(m)
	q := newQuarantined(m.key, reason.Of(reason.Refused), serverSays(why))
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
func (l *ledgerWriter) bared(m *outgoing) {
	if m.repaired == nil || len(m.intent.Flags) == len(m.msg.Flags) {
		return
	}
	l.bare[m.key] = m.msg.Flags
}

// flags are what a message is appended with.
func (m *outgoing) flags() []imap.Flag {
	if m.repaired != nil {
		return m.kept
	}
	return m.keep
}

// repairedCopies are copies that an earlier ledger knew of, of messages that had to be repaired.
type repairedCopies struct {
	job    *Job
	tally  *tally
	ledger *ledgerWriter
	adopt  *adoption // nil when nothing can be adopted
	before imap.UID  // what is below it was there before this pull; 0 if that isn't known
}

// mayBeThere tells whether a repaired copy from before the ledger was lost has to be looked
// for: adoption finds those when a folder is pulled for the first time, but a message that
// failed then, and is tried again in a later pull, has missed it.
func (r *repairedCopies) mayBeThere() bool { return !r.job.First() && !r.job.Fleeting }

// adoptRepaired enters a repaired copy that an earlier ledger knew of, instead
// of making another.
func (r *repairedCopies) adoptRepaired(ctx context.Context, m *outgoing) (bool, error) {
	want := message.Wanted{Fingerprint: m.intent.Fingerprint, Size: int64(m.intent.Size)}
	var found message.Candidate
	var err error
	switch {
	case r.adopt != nil && !r.mayBeThere():
		found = r.adopt.takeRepaired(want)
	case r.mayBeThere():
		if found, err = r.findRepaired(ctx, want, m.body); link.ClassOf(err) == link.Refused {
			r.job.Log.Warn().Err(err).Str("key", message.KeyText(m.key)).Msg("the new server can't be asked for a repaired copy, another is made")
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
	r.ledger.pending.Repaired = append(r.ledger.pending.Repaired, *m.repaired)
	r.ledger.pending.Proofs = append(r.ledger.pending.Proofs, r.job.Proof(m.intent, r.job.Target.UIDValidity, found.UID))
	r.tally.Done.adopted.Add(1)
	r.tally.dealt(1, uint64(m.repaired.Size))
	return true, nil
}

// findRepaired looks for a message of the new folder that no line of the ledger stands for,
// among those that were there before this pull. Nothing may be under way.
func (r *repairedCopies) findRepaired(ctx context.Context, want message.Wanted, body []byte) (message.Candidate, error) {
	if r.before <= 1 {
		return message.Candidate{}, nil
	}
	if err := r.ledger.commit(ctx); err != nil { // what has just been found must not be found again
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
	found, err := r.job.recovery.Copies.Strangers(ctx, alike, 1, session.NewUIDs(ledger, sel.UIDValidity))
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
