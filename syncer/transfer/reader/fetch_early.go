package reader

import (
	"context"
	"errors"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/session"
	"postferry/upstream"
)

// ErrNotEmpty says that the new folder, which was empty just before, is not any more.
var ErrNotEmpty = errors.New("messages were asked for that the new folder may have by now")

// bringEarly takes the messages that were asked for when the folder was opened. How much is
// still to come nobody knows: if it isn't wanted any more, the connection is hung up.
func (r *Reader) bringEarly(ctx context.Context) error {
	call := r.Selected.Early
	if call == nil {
		return nil
	}
	all := r.Selected.AllEarly()
	r.Selected.Early = nil
	if r.copies.Adopts() || r.Known.Count() > 0 { // it did not look so before it was opened
		r.Pair.Old.HangUp()
		return ErrNotEmpty
	}
	if all {
		if err := r.ahead.openMore(ctx); err != nil {
			return err
		}
	}
	var ours error // not the old server's
	at := imap.UID(0)
	var came, octets uint64
	lines, told, err := call.Wait(ctx, func(m upstream.Message, size int64, body io.Reader) error {
		if r.Known.Has(m.UID) {
			return nil
		}
		if ours = r.Yielded(); ours != nil {
			r.Pair.Old.HangUp()
			return ours
		}
		if r.bodies.lengths.doubts(m, size) {
			return nil // it is asked for again, by its UID
		}
		at = m.UID
		if ours = r.takeEarly(ctx, m, size, body); ours == nil {
			at = 0
		}
		if came, octets = came+1, octets+uint64(size); ours == nil && all && r.soonOver(came, octets) {
			ours = r.ahead.open(ctx)
		}
		return ours
	})
	if errors.Is(ours, session.ErrYield) {
		return ours
	}
	if mayBlame(ctx, err, ours) {
		r.blameEarly(at)
	}
	if r.Selected.ListedAhead = lines; !told || !all || len(lines) < int(r.Selected.Messages) {
		r.Selected.Listed, r.Selected.ListedAhead = nil, nil
	}
	if err != nil {
		return err
	}
	return r.FindUIDNext(ctx)
}

// soonOver tells whether of the messages asked for early, of which so many have come, no
// more are left, about, than may be asked for ahead.
func (r *Reader) soonOver(came, octets uint64) bool {
	left := max(uint64(r.Selected.Messages), came) - came
	return left*(octets/came) <= portionsAhead*bodyOctets
}

// blameEarly is blame for messages of which there is no list: if none was on its way, the
// next attempt has to tell.
func (r *Reader) blameEarly(at imap.UID) {
	if r.bodies.blind = at == 0; !r.bodies.blind {
		r.bodies.oldTroubles.Broke(r.Selected.Keys.Key(at))
	}
}

func (r *Reader) takeEarly(ctx context.Context, m upstream.Message, size int64, body io.Reader) error {
	r.Known.Hand(m.UID)
	r.Sizes.Add(m.Size)
	if err := r.announceKeywords(ctx, []upstream.Message{m}); err != nil {
		return err
	}
	return r.bodies.take(ctx, m, size, body)
}
