package reader

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

const (
	// groupOctets bounds the messages that are brought before newer ones. Octets.
	groupOctets = 4 << 20
	// A command asks for what should take so long, so that a pull that is asked to stop, or
	// for something else, soon can. As long as that isn't known, one for a visit asks for so
	// many messages at first.
	portionStep = 500 * time.Millisecond
	firstAsked  = 4
	leastAsked  = 64 << 10 // octets
	// latest is how much longer than that it may take before the connection is given up for it.
	latest = 2 * time.Second
)

// errSlow: the old server turned out to be too slow for the folder to come in its order
// while somebody waits.
var errSlow = errors.New("too slow to bring all while a client waits")

// ErrFarBehind says that what was asked for takes longer than a client that searches should wait.
var ErrFarBehind = errors.New("too much is under way for a client that searches the folder")

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

// interrupted returns why something else is to come first, if it is.
func (b *bringing) interrupted() error {
	switch {
	case b.f.hurry.undisturbed:
		return nil
	case b.tooSlow():
		return errSlow
	case b.f.Searches.Any():
		return errSearched
	}
	return nil
}

// tooSlow is newestFirst as soon as messages have come. What is nearly done goes on.
func (b *bringing) tooSlow() bool {
	if !b.f.Visit || b.f.hurry.decided {
		return false
	}
	left := b.f.LeftToBring() + len(b.missing)
	needs, known := b.f.seen.Needs(left, 0)
	if limited := b.f.RateLimits.Needs(left); limited > 0 {
		needs, known = max(needs, limited), true
	}
	return known && left > job.VisitShown && needs > max(time.Until(b.f.Visiting.Due), b.f.Visiting.Spare)
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
	return r.bodies.bring(ctx, late)
}

// bringPostponed brings what was put off.
func (r *Reader) bringPostponed(ctx context.Context) error {
	late := r.postponed
	r.postponed = nil
	return r.bodies.bring(ctx, late)
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

// most is how many messages and octets a command should ask for.
func (b *bringing) most() (messages int, octets uint64) {
	messages, octets, known := b.f.seen.Within(portionStep)
	if !known {
		messages, octets, known = b.f.Pair.Old.End.Pool.Pace.Within(portionStep)
	}
	switch {
	case known:
	case b.f.Visit && !b.f.hurry.shown:
		messages, octets = b.f.step, uint64(b.f.step)*leastAsked
		b.f.step = min(4*b.f.step, 2*session.TellingMessages)
	default:
		messages, octets = len(b.missing), bodyOctets
	}
	messages = min(messages, b.f.RateLimits.Within(portionStep))
	return max(messages, firstAsked), min(max(octets, leastAsked), bodyOctets)
}

// stopsLate returns why a pull should stop, if it would do so by itself only after a while, as
// much is still to come of what was asked for.
func (b *bringing) stopsLate() error {
	why := b.f.Yielded()
	if !errors.Is(why, session.ErrYield) {
		if why = nil; !b.f.hurry.undisturbed && b.f.Searches.Any() {
			why = ErrFarBehind
		}
	}
	if needs, known := b.f.seen.Needs(len(b.wanted), 0); why == nil || !known || needs <= latest {
		return nil
	}
	return why
}

// sortByUID brings messages into the order of their arrival.
func sortByUID(msgs []upstream.Message) []upstream.Message {
	slices.SortFunc(msgs, func(a, b upstream.Message) int { return int(int64(a.UID) - int64(b.UID)) })
	return msgs
}

// tellPace lets others know what has been seen since.
func (f *fetcher) tellPace() {
	news := session.Arrivals{Messages: f.seen.Messages - f.told.Messages, Octets: f.seen.Octets - f.told.Octets, Took: f.seen.Took - f.told.Took}
	f.told = f.seen
	f.Pair.Old.End.Pool.Pace.Add(news)
}
