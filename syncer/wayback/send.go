package wayback

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

func sortedByUID(found []candidate) []candidate {
	slices.SortFunc(found, func(a, b candidate) int { return int(int64(a.UID) - int64(b.UID)) })
	return found
}

// send appends messages to the old folder, one after the other, and notes how far the folder is.
func (j *Job) send(ctx context.Context, found []candidate) error {
	refused := 0
	for i := range found {
		if err := j.yielded(); err != nil {
			return err
		}
		taken, err := j.sendOne(ctx, &found[i])
		if err != nil {
			return err
		}
		if refused++; taken {
			refused = 0
		}
		if refused == refusedInRow {
			return errRefusing
		}
	}
	j.way.UIDValidity, j.way.Next = j.newSel.UIDValidity, j.newSel.UIDNext
	return j.commit(ctx, store.Batch{})
}

// returnFlags are the flags that go back with a message: those that every server keeps.
func returnFlags(flags []imap.Flag) []imap.Flag {
	return message.NormaliseFlags(slices.DeleteFunc(slices.Clone(flags), func(f imap.Flag) bool {
		return !message.SameFlag(f, imap.FlagSeen) && !message.SameFlag(f, imap.FlagAnswered) && !message.SameFlag(f, imap.FlagFlagged)
	}))
}

// sendOne appends one message; taken tells whether it was not refused.
func (j *Job) sendOne(ctx context.Context, c *candidate) (taken bool, err error) {
	key := store.ReturnKey{UIDValidity: j.newSel.UIDValidity, UID: c.UID}
	was, before := j.returns[key]
	r := store.Return{Folder: j.Folder.ID, UIDValidity: key.UIDValidity, UID: key.UID, State: store.ReturnSent, Fingerprint: c.fingerprint,
		Size: clamp(c.Size), Date: c.Date, Written: time.Now(), Attempts: was.Attempts}
	if before && unproved(&was) {
		r.State = store.ReturnAgain
	}
	if err := j.commit(ctx, store.Batch{Returns: []store.Return{r}}); err != nil {
		return false, err
	}
	result, err := j.append(ctx, c)
	switch {
	case errors.Is(err, errGone):
		return true, j.gaveNothing(ctx, was, before, r)
	case err != nil:
		return false, err // it may be there
	case result.Err == nil:
		return true, j.proved(ctx, c, r, result)
	}
	return false, j.refused(ctx, was, before, r, result.Err)
}

var (
	errGone     = errors.New("the message is gone") // from the new server
	errNoAnswer = errors.New("the old server has not said what became of the message")
)

// append has a message stream from the new server to the old one.
func (j *Job) append(ctx context.Context, c *candidate) (result upstream.AppendResult, err error) {
	came := false
	err = j.new.Bodies(ctx, imap.UIDSetNum(c.UID), func(uid imap.UID, size int64, body io.Reader) error {
		if uid != c.UID || came {
			return nil
		}
		came = true
		var sendErr error
		result, sendErr = j.appendBody(ctx, c, size, body)
		return sendErr
	})
	if err == nil && !came {
		err = errGone
	}
	return result, err
}

func (j *Job) appendBody(ctx context.Context, c *candidate, size int64, body io.Reader) (upstream.AppendResult, error) {
	call, err := j.old.SendAppend(ctx, j.Folder.Old, []upstream.Append{{Flags: returnFlags(c.Flags), Date: c.Date, Size: size, Body: body}})
	if err != nil {
		if link.Answered(err) { // nothing was sent of the message, or it was refused in the middle
			return upstream.AppendResult{Err: err}, nil
		}
		return upstream.AppendResult{}, err
	}
	results, err := call.Wait(ctx)
	switch {
	case err != nil && link.Answered(err):
		return upstream.AppendResult{Err: err}, nil
	case err != nil:
		return upstream.AppendResult{}, err
	case len(results) != 1:
		return upstream.AppendResult{}, errNoAnswer
	}
	if e := results[0].Err; e != nil && !link.Answered(e) && link.ClassOf(e) != link.Refused {
		return upstream.AppendResult{}, e // it is not an answer: nobody knows
	}
	return results[0], nil
}

// proved enters a message in the ledger that the old server has taken.
func (j *Job) proved(ctx context.Context, c *candidate, r store.Return, result upstream.AppendResult) error {
	if result.UID == 0 || result.UIDValidity != j.oldSel.UIDValidity {
		return errNoUIDs // the next pull finds it
	}
	entry := store.Entry{Key: session.IMAPKeys(result.UIDValidity).Key(result.UID), UIDValidity: r.UIDValidity, UID: r.UID,
		Flags: returnFlags(c.Flags), Fingerprint: r.Fingerprint, Size: r.Size}
	batch := store.Batch{Proofs: []store.Entry{entry}}
	if r.State == store.ReturnSent {
		batch.Returned = []store.ReturnKey{r.Key()}
	} else {
		r.State = store.ReturnProved
		batch.Returns = []store.Return{r}
	}
	j.way.Copied++
	j.way.Octets += uint64(r.Size)
	j.way.Last = time.Now()
	j.advance(c.UID)
	j.Copied++
	return j.commit(ctx, batch)
}

// advance notes that a message is dealt with, as are all before it.
func (j *Job) advance(uid imap.UID) {
	if j.way.UIDValidity == j.newSel.UIDValidity {
		j.way.Next = max(j.way.Next, uid+1)
	}
}

// gaveNothing takes back that a message was about to be sent.
func (j *Job) gaveNothing(ctx context.Context, was store.Return, before bool, r store.Return) error {
	if before {
		return j.commit(ctx, store.Batch{Returns: []store.Return{was}})
	}
	return j.commit(ctx, store.Batch{Returned: []store.ReturnKey{r.Key()}})
}

// refused notes that the old server does not take a message. A full mailbox takes none: then nothing is
// said against this one.
func (j *Job) refused(ctx context.Context, was store.Return, before bool, r store.Return, why error) error {
	if e, ok := errors.AsType[*link.Error](why); ok && e.Kind() == store.OverQuota {
		return errors.Join(errFull, j.gaveNothing(ctx, was, before, r))
	}
	r.State, r.Attempts, r.Cause = store.ReturnRefused, r.Attempts+1, refusal(why)
	j.Log.Warn().Uint32("uid", uint32(r.UID)).Str("cause", r.Cause).Msg("the old server refuses a message that was to be copied back")
	return j.commit(ctx, store.Batch{Returns: []store.Return{r}})
}
