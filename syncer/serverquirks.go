package syncer

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/emersion/go-imap/v2"
)

// changes is what is known of a new server's changes to messages. Safe for concurrent use.
type changes struct{ all atomic.Bool }

func (c *changes) learn() { c.all.Store(true) }

// own tells whether the server stores messages in its own way.
func (c *changes) own() bool { return c.all.Load() }

// losses are what a new server loses of messages although it took them:
// Exchange loses \Flagged on APPEND. What is known of one account's messages
// holds for all. Safe for concurrent use.
type losses struct {
	mu    sync.Mutex
	flags []imap.Flag
	kept  []imap.Flag // system flags that were seen to arrive
}

// keeps notes that flags arrive. Of keywords that says nothing of other folders.
func (l *losses) keeps(flags []imap.Flag) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range flags {
		if containsFlag(systemFlags, f) && !containsFlag(l.kept, f) {
			l.kept = append(l.kept, f)
		}
	}
}

func (l *losses) unknown(flags []imap.Flag) []imap.Flag {
	l.mu.Lock()
	defer l.mu.Unlock()
	return without(without(flags, l.flags), l.kept)
}

func (l *losses) add(flags []imap.Flag) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flags = normalise(append(slices.Clone(l.flags), flags...))
}

func (l *losses) all() []imap.Flag {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flags
}

// A body of another length than the server has listed for its message may be cut off, or
// another message's. It is asked for once more, by itself: if it has the same length again,
// it is the list that is wrong (Exchange's sizes are estimates).
const (
	// lengthsTried is how many such messages of a server must turn out to be wrongly listed
	// before no more are asked for twice.
	lengthsTried = 3
	// lengthsRare is the share (one of so many) up to which wrong lists are the exception.
	lengthsRare = 10
)

// lengths is what is known of a server's list of sizes. Safe for concurrent use.
type lengths struct {
	mu           sync.Mutex
	right, wrong int
}

// agrees notes a message that has the listed size, and contradicts one that has another one
// whenever it is asked for.
func (l *lengths) agrees() { l.note(&l.right) }

func (l *lengths) contradicts() { l.note(&l.wrong) }

func (l *lengths) note(n *int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*n++
}

// wrongOften tells whether the server's sizes are none that messages have.
func (l *lengths) wrongOften() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wrong >= lengthsTried && l.wrong*lengthsRare > l.right
}
