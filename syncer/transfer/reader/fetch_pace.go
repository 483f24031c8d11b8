package reader

import (
	"errors"
	"slices"
	"time"

	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

const (
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

// errSearched: a client searches for messages that may not have come yet.
var errSearched = errors.New("a client searches the folder")
