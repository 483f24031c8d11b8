package reader

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

// groupOctets bounds the messages that are brought before newer ones. Octets.
const groupOctets = 4 << 20

// newestFirst tells whether the newest messages are to come first, because all can't be
// there in time as far as is known.
func (r *Reader) newestFirst() bool {
	left := r.LeftToBring()
	octets := uint64(0)
	if n := r.Selected.Messages; n > 0 {
		octets = uint64(float64(r.Octets) / float64(n) * float64(left))
	}
	inTime, _ := r.Visiting.InTime(r.Pair, r.RateLimits, left, octets)
	return r.Visit && left > job.VisitShown && !inTime
}

// newest brings the newest messages of those from a UID on, and of those that have been
// put off, and lets the visitor in: the one that has come while the folder was pulled, or
// the one for whom it is.
func (r *Reader) newest(ctx context.Context, from imap.UID, came *job.ClientSearch) error {
	r.decided, r.undisturbed = true, true
	defer func() { r.undisturbed = false }()
	if r.Newest != nil {
		if err := r.Newest(); err != nil {
			return err
		}
	}
	told, err := r.newestListed(ctx, from)
	if err != nil {
		return err
	}
	window := r.Visiting.Window
	first := min(job.VisitShown, window)
	if needs, known := r.bodies.seen.Needs(window, octetsOf(told)); known && needs < portionStep {
		first = window
	}
	told = told[max(len(told)-window, 0):]
	if err := r.newestOf(ctx, &told, first); err != nil {
		return err
	}
	if err := r.out.Hand(ctx, job.Shown{Search: came}); err != nil {
		return err
	}
	r.shown = true
	return r.newestOf(ctx, &told, window-first)
}

// newestListed lists messages from the newest one down, until there are enough.
func (r *Reader) newestListed(ctx context.Context, from imap.UID) (told []upstream.Message, err error) {
	width := imap.UID(r.Visiting.Window)
	for to, count := r.Selected.UIDNext, 0; to > from && 2*count < r.Visiting.Window; width *= 4 {
		low := from // below it nothing is missing, or it comes later
		if to-from > width {
			low = to - width
		}
		part, n, err := r.listMissing(ctx, low, to-1)
		if errors.Is(err, errDense) {
			break // what is listed more often than it can be there comes with the others
		}
		if err != nil {
			return nil, err
		}
		told, to, count = append(part, told...), low, count+n
	}
	return told, nil
}

// newestOf brings the n newest of messages and of those that were put off, and takes them out.
func (r *Reader) newestOf(ctx context.Context, told *[]upstream.Message, n int) error {
	var late, part []upstream.Message
	*told, part = cutTail(*told, n)
	r.postponed, late = cutTail(r.postponed, n-len(part))
	for _, group := range groups(part) {
		if err := r.deal(ctx, group); err != nil {
			return err
		}
	}
	return r.bring(ctx, late)
}

// bringPostponed brings what was put off.
func (r *Reader) bringPostponed(ctx context.Context) error {
	late := r.postponed
	r.postponed = nil
	return r.bring(ctx, late)
}

// cutTail parts the last n messages from those before.
func cutTail(msgs []upstream.Message, n int) (before, tail []upstream.Message) {
	at := len(msgs) - min(max(n, 0), len(msgs))
	return msgs[:at:at], msgs[at:]
}

// groups parts messages so that newer ones don't wait for many octets of older ones. The
// group of the newest comes first; within one their order stays.
func groups(msgs []upstream.Message) (parts [][]upstream.Message) {
	for len(msgs) > 0 {
		n, octets := 0, int64(0)
		for n < len(msgs) && (n == 0 || octets+msgs[len(msgs)-1-n].Size <= groupOctets) {
			octets += msgs[len(msgs)-1-n].Size
			n++
		}
		var part []upstream.Message
		msgs, part = cutTail(msgs, n)
		parts = append(parts, part)
	}
	return parts
}

func octetsOf(msgs []upstream.Message) (octets uint64) {
	for _, m := range msgs {
		octets += uint64(max(m.Size, 0))
	}
	return octets
}
