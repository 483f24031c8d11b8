package transfer

import (
	"context"
	"errors"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// single asks for one message that did not come with the others, or must not be
// asked for with them. If it still does not come and is still listed, it goes to
// quarantine.
func (r *reader) single(ctx context.Context, m upstream.Message) error {
	k := r.Selected.Keys.Key(m.UID)
	if _, guilty := r.oldTroubles.suspect(k); guilty {
		return r.hand(ctx, quarantined{brokeAt(k, reason.OldBreaks,
			"the connection broke while it was sent")})
	}
	came, err := r.fetchAlone(ctx, m)
	switch {
	case err == nil && came:
		r.unavailable = 0
		return nil
	case err != nil && !recovery.AboutMessages(err) && !errors.Is(err, errLengths):
		return err
	case err != nil && session.AboutOne(err):
		if r.unavailable++; r.unavailable > unavailableMost {
			return err // it is the server
		}
	case err == nil:
		listed := false
		set := imap.UIDSet{imap.UIDRange{Start: m.UID, Stop: m.UID}}
		if err := r.Old.ListFlags(ctx, set, func(l upstream.Message) error {
			listed = listed || l.UID == m.UID
			return nil
		}); err != nil {
			return err
		}
		if !listed {
			return nil // deleted meanwhile
		}
	}
	return r.hand(ctx, quarantined{r.noBody(m, err)})
}

// aloneMost is how many times a message is asked for by itself if it comes with another
// length each time.
const aloneMost = 3

// fetchAlone asks for one message and tells whether it came.
func (r *reader) fetchAlone(ctx context.Context, m upstream.Message) (came bool, err error) {
	for range aloneMost {
		var odd bool
		if came, odd, err = r.fetchOne(ctx, m); err != nil || !odd {
			return came, err
		}
	}
	return false, errLengths
}

// fetchOne is one try. odd tells that the body had another length than listed, and was not taken.
func (r *reader) fetchOne(ctx context.Context, m upstream.Message) (came, odd bool, err error) {
	var ours error // of take
	err = r.Old.Bodies(ctx, imap.UIDSetNum(m.UID), func(uid imap.UID, size int64, body io.Reader) error {
		if uid != m.UID || came || odd {
			return nil
		}
		if odd = !r.lengths.settles(m, size); odd {
			return nil
		}
		came = true
		ours = r.take(ctx, m, size, body)
		return ours
	})
	if link.ClassOf(err) == link.Lost && ctx.Err() == nil && err != ours {
		k := r.Selected.Keys.Key(m.UID)
		if alone, _ := r.oldTroubles.suspect(k); alone {
			r.oldTroubles.brokeAlone(k)
		} else {
			r.oldTroubles.broke(k)
		}
	}
	return came, odd, err
}

// errLengths: the old server delivers a message with another length each time.
var errLengths = errors.New("it comes with another length each time")

func (j *Job) noBody(m upstream.Message, err error) *store.Quarantined {
	code, cause := reason.NotDelivered, "listed, but no body came"
	if err != nil {
		cause = err.Error()
	}
	switch {
	case errors.Is(err, errLengths):
		code = reason.DiffersOld
	case errors.Is(err, link.ErrEndless):
		code = reason.EndlessOld
	}
	q := newQuarantined(j.Selected.Keys.Key(m.UID), reason.Of(code), cause)
	if session.AboutOne(err) {
		q.Reason, q.Again = reason.Of(reason.NotNowOld), true
	}
	return q
}
