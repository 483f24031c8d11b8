package transfer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/session"
	"postferry/upstream"
)

const (
	// VisitShown is how many messages somebody who opens a folder sees of it at least: the
	// newest ones. A folder with no more of them missing comes in its order.
	VisitShown = 50
	// assumedRate is how many messages a second an old server is thought to send that
	// nobody has seen at it.
	assumedRate = 1500
	// OrderShare of what a client waits at most is spent on keeping the order of a folder:
	// the newest messages first mean that they have the lowest UIDs on the new server.
	OrderShare = 4
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

// errFarBehind: what was asked for takes longer than a client that searches should wait.
var errFarBehind = errors.New("too much is under way for a client that searches the folder")

// Visiting is what a pull that somebody waits for has to bear in mind.
type Visiting struct {
	Due    time.Time     // when all should be there, or else the newest messages come first
	Spare  time.Duration // what is waited for the last ones rather than changing that
	Window int           // how many are the newest ones
	Next   imap.UID      // UIDNEXT, if they are to come first as far as is known; else 0
}

// newestFirst tells whether the newest messages are to come first, because all can't be
// there in time as far as is known.
func (r *reader) newestFirst() bool {
	left := r.leftToBring()
	inTime, _ := r.InTime(left, r.RateLimits)
	return r.Visit && left > VisitShown && !inTime
}

// leftToBring is how many messages have not been asked for.
func (j *Job) leftToBring() int { return int(j.Selected.Messages) - j.Known.Count() }

// InTime tells whether so many messages of the folder should be there when they are due, and
// whether that is known or only hoped for.
func (j *Job) InTime(left int, limits *session.RateLimits) (inTime, known bool) {
	octets := uint64(0)
	if j.Selected != nil && j.Selected.Messages > 0 {
		octets = uint64(float64(j.Octets) / float64(j.Selected.Messages) * float64(left))
	}
	needs, known := j.Pair.Old.End.Pool.Pace.Needs(left, octets)
	if !known {
		needs = time.Duration(left) * time.Second / assumedRate
	}
	needs = max(needs, limits.Needs(left))
	return needs <= time.Until(j.Visiting.Due), known
}

// interrupted returns why something else is to come first, if it is.
func (b *bringing) interrupted() error {
	switch {
	case b.undisturbed:
		return nil
	case b.tooSlow():
		return errSlow
	case b.Searches.any():
		return errSearched
	}
	return nil
}

// tooSlow is newestFirst as soon as messages have come. What is nearly done goes on.
func (b *bringing) tooSlow() bool {
	if !b.Visit || b.decided {
		return false
	}
	left := b.leftToBring() + len(b.missing)
	needs, known := b.seen.Needs(left, 0)
	if limited := b.RateLimits.Needs(left); limited > 0 {
		needs, known = max(needs, limited), true
	}
	return known && left > VisitShown && needs > max(time.Until(b.Visiting.Due), b.Visiting.Spare)
}

// newest brings the newest messages of those from a UID on, and of those that have been
// put off, and lets the visitor in.
func (r *reader) newest(ctx context.Context, from imap.UID) error {
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
	first := min(VisitShown, window)
	if needs, known := r.seen.Needs(window, octetsOf(told)); known && needs < portionStep {
		first = window
	}
	told = told[max(len(told)-window, 0):]
	if err := r.newestOf(ctx, &told, first); err != nil {
		return err
	}
	if err := r.hand(ctx, shown{}); err != nil {
		return err
	}
	r.shown = true
	return r.newestOf(ctx, &told, window-first)
}

// newestListed lists messages from the newest one down, until there are enough.
func (r *reader) newestListed(ctx context.Context, from imap.UID) (told []upstream.Message, err error) {
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
func (r *reader) newestOf(ctx context.Context, told *[]upstream.Message, n int) error {
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
func (r *reader) bringPostponed(ctx context.Context) error {
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

// most is how many messages and octets a command should ask for.
func (b *bringing) most() (messages int, octets uint64) {
	messages, octets, known := b.seen.Within(portionStep)
	if !known {
		messages, octets, known = b.Pair.Old.End.Pool.Pace.Within(portionStep)
	}
	switch {
	case known:
	case b.Visit && !b.shown:
		messages, octets = b.step, uint64(b.step)*leastAsked
		b.step = min(4*b.step, 2*session.TellingMessages)
	default:
		messages, octets = len(b.missing), bodyOctets
	}
	messages = min(messages, b.RateLimits.Within(portionStep))
	return max(messages, firstAsked), min(max(octets, leastAsked), bodyOctets)
}

// stopsLate returns why a pull should stop, if it would do so by itself only after a while, as
// much is still to come of what was asked for.
func (b *bringing) stopsLate() error {
	why := b.Yielded()
	if !errors.Is(why, session.ErrYield) {
		if why = nil; !b.undisturbed && b.Searches.any() {
			why = errFarBehind
		}
	}
	if needs, known := b.seen.Needs(len(b.wanted), 0); why == nil || !known || needs <= latest {
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
func (r *reader) tellPace() {
	news := session.Arrivals{Messages: r.seen.Messages - r.told.Messages, Octets: r.seen.Octets - r.told.Octets, Took: r.seen.Took - r.told.Took}
	r.told = r.seen
	r.Pair.Old.End.Pool.Pace.Add(news)
}
