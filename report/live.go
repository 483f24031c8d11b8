package report

import (
	"time"

	"postferry/store"
)

// Live is what is going on with an account right now.
type Live struct {
	Account store.AccountID
	Login   string
	Running bool
	Folder  string // title of the folder being pulled, if any
	Done    uint64 // messages of the account dealt with (ledger and quarantine)
	Total   uint64 // messages known on the old server so far
	// OctetsDone are those of the messages dealt with, OctetsTotal those of all on
	// the old server. Unless OctetsExact, the latter is reckoned from the
	// messages seen so far; 0 means that nothing is known.
	OctetsDone, OctetsTotal uint64
	OctetsExact             bool
	Copied                  uint64 // messages copied since this pass began
	Bytes                   uint64 // octets copied since this pass began
	Started                 time.Time
	Rate                    Rate
	// Remaining is how long the rest takes if it goes on like this; nil while
	// that can't be known.
	Remaining *time.Duration
}

// OnlyLooks tells whether nothing has been found that is still to be copied: an account that was complete still is.
func (l *Live) OnlyLooks() bool { return l.Done >= l.Total }

// Rate is how fast mail gets dealt with, over the last half minute.
type Rate struct {
	Messages float64 `json:"messages"` // a second
	Octets   float64 `json:"octets"`   // a second
}

// Left is how long so many messages and octets take at a rate: what is the
// slower of the two. It is not known while nothing moves.
func (r Rate) Left(messages, octets uint64) (d time.Duration, known bool) {
	seconds := 0.0
	for _, q := range [...]struct {
		left uint64
		rate float64
	}{{messages, r.Messages}, {octets, r.Octets}} {
		switch {
		case q.left == 0:
		case q.rate <= 0:
			return 0, false
		default:
			seconds = max(seconds, float64(q.left)/q.rate)
		}
	}
	const longest = 10 * 365 * 24 * 3600
	if seconds > longest {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// Folder is a folder of an account: what is stored of it, and how far it is.
type Folder struct {
	store.Folder
	FolderProgress
}

// FolderProgress is how far a folder is; zero if nobody looks after its account now.
type FolderProgress struct {
	Running     bool   // it is being pulled right now
	Done, Total uint64 // messages
	// As in Live.
	OctetsDone, OctetsTotal uint64
	OctetsExact             bool
}

// PassEnded is the end of a pass over an account.
type PassEnded struct {
	Account store.AccountID
	Pass    store.Pass
	// Problem is what kept the pass from being complete; nil if nothing did, or
	// if it only made room for others and goes on.
	Problem *store.Problem
	// Missed says that passes ended of which the subscriber was not told: it must
	// look into the store. The other fields are zero.
	Missed bool
}
