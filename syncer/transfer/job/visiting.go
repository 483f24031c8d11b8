package job

import (
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/session"
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
)

// Visiting is what a pull that somebody waits for has to bear in mind.
type Visiting struct {
	Due    time.Time     // when all should be there, or else the newest messages come first
	Spare  time.Duration // what is waited for the last ones rather than changing that
	Window int           // how many are the newest ones
	Next   imap.UID      // UIDNEXT, if they are to come first as far as is known; else 0
}

// InTime tells whether so many messages, of so many octets as far as is known, should be there when they are
// due, and whether that is known or only hoped for.
func (v *Visiting) InTime(pair *session.Pair, limits *session.RateLimits, left int, octets uint64) (inTime, known bool) {
	needs, known := pair.Old.End.Pool.Pace.Needs(left, octets)
	if !known {
		needs = time.Duration(left) * time.Second / assumedRate
	}
	needs = max(needs, limits.Needs(left))
	return needs <= time.Until(v.Due), known
}
