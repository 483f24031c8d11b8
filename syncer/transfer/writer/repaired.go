package writer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/adopt"
	"postferry/syncer/transfer/job"
	"postferry/upstream/link"
)

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
	lines, err := r.job.Recovery.Alike.Lines(ctx, map[store.Fingerprint]bool{want.Fingerprint: true}, true, true)
	if err != nil {
		return false, err
	}
	astray, err := r.job.Recovery.Alike.Astray(ctx, lines)
	return len(astray) > 0, err
}
