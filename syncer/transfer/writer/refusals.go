package writer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream/link"
)

// A refusal that says nothing of the message may be about the server: one that refuses all
// messages of a folder in the same words is in trouble. So a message goes to quarantine for
// good only once the new server has taken another one after it refused this one. Otherwise it
// waits there to be tried again by itself; and if the folder has nothing else, and for
// less than troubleLasts, it is not even put there.
const (
	// partsMost is how many batches in a row may be refused and halved without a message
	// being taken before nothing more is tried: with fewer bad messages than that, some part
	// of a batch has none.
	partsMost = 16
	// heldMost is the same for messages that were refused standing alone.
	heldMost = 20
	// heldFew is how many there may be at the end of a pull that wait in quarantine, to be
	// tried again by themselves, although nothing was taken after them.
	heldFew = 4
	// repairLargest is the size up to which a message that was streamed is fetched
	// again to be repaired, which needs all of it in memory. Octets.
	repairLargest = 32 << 20
)

// refusals is what a writer knows of what the new server refuses and takes.
type refusals struct {
	job      *job.Job
	tally    *job.Tally
	ledger   *Ledger
	accepted uint64        // messages that it has taken
	parts    int           // refused batches in a row
	onTrial  []heldRefusal // of which it is not known whether they are to blame
	// unavailable counts messages in a row that the new server can't take at the moment.
	unavailable int
	moments     int        // how often it waited before a message was sent once more
	large       []*sending // refused messages to be fetched again, which checkpoints wait for
}

// heldRefusal is a message that was refused, as long as it isn't known whether it is to blame.
type heldRefusal struct {
	quarantined *store.Quarantined
	why         error
	since       uint64 // messages that had been taken when it was refused first
}

// refusesAllError: the new server refuses all messages of a folder.
type refusesAllError struct{ why error }

func (e *refusesAllError) Error() string {
	return fmt.Sprintf("the new server refuses every message of the folder: %v", e.why)
}

func (e *refusesAllError) Unwrap() error { return e.why }

func (e *refusesAllError) Describe(p *store.Problem) {
	p.Kind, p.Summary = store.MessagesRefused, e.Summary()
}

// Summary is the sentence for the person at the screen.
func (e *refusesAllError) Summary() reason.Reason {
	if u, ok := errors.AsType[*link.Error](e.why); ok {
		return reason.Of(reason.TroubleRefusesAll, u.Host(), u.Text)
	}
	return reason.Of(reason.TroubleRefusesAll)
}

// hold keeps a message from quarantine until it is known that it is to blame: at once if the
// refusal speaks of the message, or if it has been there before.
func (r *refusals) hold(m *sending, q *store.Quarantined, why error) {
	uid, known := r.job.Known.Keys.UID(q.Key)
	if _, tried := r.job.Known.Again[uid]; known && tried || explained(why) || m.Intent.Size == 0 {
		r.ledger.quarantine(q)
		return
	}
	r.ledger.Pending.Drop = append(r.ledger.Pending.Drop, q.Key)
	r.onTrial = append(r.onTrial, heldRefusal{quarantined: q, why: why, since: m.since})
}

// explained tells whether a refusal says what is wrong with the message.
func explained(why error) bool {
	e, ok := errors.AsType[*link.Error](why)
	if !ok || e.Class != link.Refused {
		return false
	}
	return e.Code == imap.ResponseCodeTooBig || e.Code == "APPENDLIMIT" ||
		message.ContainsAny(strings.ToLower(e.Text), message.WordsOnMessages...)
}

// settleHeld sends those messages to quarantine after whose refusal others were taken. If
// too many are left, the server is in trouble.
func (r *refusals) settleHeld() error {
	left := r.onTrial[:0]
	for _, h := range r.onTrial {
		if r.accepted > h.since {
			r.ledger.quarantine(h.quarantined)
		} else {
			left = append(left, h)
		}
	}
	r.onTrial = left
	if len(r.onTrial) < heldMost || !r.sameWords() {
		return nil
	}
	why := &refusesAllError{r.onTrial[len(r.onTrial)-1].why}
	switch {
	case r.refusesAll(): // they are copied another time
		r.onTrial = nil
		return why
	case r.job.Lasting:
		r.tryLater()
		return nil
	}
	r.tryLater()
	return why
}

// refusesAll tells whether all that is known of the folder is that the new server refuses its
// messages, and that not for long.
func (r *refusals) refusesAll() bool {
	return r.accepted == 0 && !r.job.Lasting && len(r.job.Known.Entries)+r.job.Known.Before+int(r.tally.Done.Adopted.Load()) == 0
}

// tryLater puts the messages of which nothing more is known into quarantine, to be tried again.
func (r *refusals) tryLater() {
	for _, h := range r.onTrial {
		h.quarantined.Again = true
		r.ledger.quarantine(h.quarantined)
	}
	r.onTrial = nil
}

// sameWords tells whether all that is held was refused in the same words.
func (r *refusals) sameWords() bool {
	for _, h := range r.onTrial {
		if wordsOf(h.why) != wordsOf(r.onTrial[0].why) {
			return false
		}
	}
	return true
}

// wordsOf are the words of a refusal without what may be of one message: numbers and names.
func wordsOf(why error) string {
	e, ok := errors.AsType[*link.Error](why)
	if !ok {
		return why.Error()
	}
	words := strings.FieldsFunc(e.Text, func(r rune) bool { return r == ' ' || r == '\t' })
	kept := words[:0]
	for _, word := range words {
		if !strings.ContainsAny(word, "0123456789<>@\"'") {
			kept = append(kept, word)
		}
	}
	return string(e.Code) + " " + strings.Join(kept, " ")
}

// judge decides at the end of a pull about messages after whose refusal nothing was
// taken: with several in the same words it is the server's trouble, a few wait in quarantine
// and are tried again.
func (r *refusals) judge() error {
	if err := r.settleHeld(); err != nil {
		return err
	}
	if n := len(r.onTrial); n > heldFew && r.sameWords() && r.refusesAll() {
		why := r.onTrial[n-1].why
		r.onTrial = nil
		return &refusesAllError{why}
	}
	r.tryLater()
	return nil
}

// open tells whether it is still to be decided about refused messages.
func (r *refusals) open() bool { return len(r.large)+len(r.onTrial) > 0 }

// putOff keeps a message for mendLarge: a large one, as its body went by, or one of which
// a repaired copy may be there already. The checkpoint doesn't pass it until then.
func (r *refusals) putOff(m *sending, why error) bool {
	if int64(m.Intent.Size) > min(repairLargest, r.ledger.resources.Limit/4) {
		return false
	}
	r.ledger.release(m)
	m.refusal, m.aside = why, true
	r.ledger.Pending.Drop = append(r.ledger.Pending.Drop, m.Key)
	r.large = append(r.large, m)
	return true
}

// stops tells whether a refusal is about more than the message: then the
// error to stop with.
func (r *refusals) stops(why error) error {
	if session.AboutOne(why) && r.unavailable < job.UnavailableMost && r.parts < partsMost {
		return nil
	}
	e, ok := errors.AsType[*link.Error](why)
	if !ok || e.Class != link.Refused {
		return why
	}
	switch e.Code {
	case imap.ResponseCodeTryCreate, imap.ResponseCodeNonExistent:
		return fmt.Errorf("%w: %w", recovery.ErrNewGone, why)
	}
	if r.parts >= partsMost && r.refusesAll() {
		return &refusesAllError{why}
	}
	return nil
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
