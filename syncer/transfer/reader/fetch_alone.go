package reader

import (
	"context"
	"errors"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
	"postferry/upstream/link"
)

// single asks for one message that did not come with the others, or must not be
// asked for with them. If it still does not come and is still listed, it goes to
// quarantine.
func (f *fetcher) single(ctx context.Context, m upstream.Message) error {
	k := f.Selected.Keys.Key(m.UID)
	if _, guilty := f.oldTroubles.Suspect(k); guilty {
		return f.out.Hand(ctx, job.Quarantined{Quarantined: job.BrokeAt(k, reason.OldBreaks,
			"the connection broke while it was sent")})
	}
	came, err := f.fetchAlone(ctx, m)
	switch {
	case err == nil && came:
		f.unavailable = 0
		return nil
	case err != nil && !recovery.AboutMessages(err) && !errors.Is(err, errLengths):
		return err
	case err != nil && session.AboutOne(err):
		if f.unavailable++; f.unavailable > job.UnavailableMost {
			return err // it is the server
		}
	case err == nil:
		listed := false
		set := imap.UIDSet{imap.UIDRange{Start: m.UID, Stop: m.UID}}
		if err := f.Old.ListFlags(ctx, set, func(l upstream.Message) error {
			listed = listed || l.UID == m.UID
			return nil
		}); err != nil {
			return err
		}
		if !listed {
			return nil // deleted meanwhile
		}
	}
	return f.out.Hand(ctx, job.Quarantined{Quarantined: f.noBody(m, err)})
}

// aloneMost is how many times a message is asked for by itself if it comes with another
// length each time.
const aloneMost = 3

// fetchAlone asks for one message and tells whether it came.
func (f *fetcher) fetchAlone(ctx context.Context, m upstream.Message) (came bool, err error) {
	for range aloneMost {
		var odd bool
		if came, odd, err = f.fetchOne(ctx, m); err != nil || !odd {
			return came, err
		}
	}
	return false, errLengths
}

// fetchOne is one try. odd tells that the body had another length than listed, and was not taken.
func (f *fetcher) fetchOne(ctx context.Context, m upstream.Message) (came, odd bool, err error) {
	var ours error // of take
	err = f.Old.Bodies(ctx, imap.UIDSetNum(m.UID), func(uid imap.UID, size int64, body io.Reader) error {
		if uid != m.UID || came || odd {
			return nil
		}
		if odd = !f.lengths.settles(m, size); odd {
			return nil
		}
		came = true
		ours = f.take(ctx, m, size, body)
		return ours
	})
	if mayBlame(ctx, err, ours) {
		k := f.Selected.Keys.Key(m.UID)
		if alone, _ := f.oldTroubles.Suspect(k); alone {
			f.oldTroubles.BrokeAlone(k)
		} else {
			f.oldTroubles.Broke(k)
		}
	}
	return came, odd, err
}

// errLengths: the old server delivers a message with another length each time.
var errLengths = errors.New("it comes with another length each time")

func (f *fetcher) noBody(m upstream.Message, err error) *store.Quarantined {
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
	q := job.NewQuarantined(f.Selected.Keys.Key(m.UID), reason.Of(code), cause)
	if session.AboutOne(err) {
		q.Reason, q.Again = reason.Of(reason.NotNowOld), true
	}
	return q
}
