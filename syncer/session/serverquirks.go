package session

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
)

// AlteredBodies is what is known of a new server's changes to messages. Safe for concurrent use.
type AlteredBodies struct{ all atomic.Bool }

func (c *AlteredBodies) Learn() { c.all.Store(true) }

// Own tells whether the server stores messages in its own way.
func (c *AlteredBodies) Own() bool { return c.all.Load() }

// LostFlags are what a new server loses of messages although it took them:
// Exchange loses \Flagged on APPEND. What is known of one account's messages
// holds for all. Safe for concurrent use.
type LostFlags struct {
	mu    sync.Mutex
	flags []imap.Flag
	kept  []imap.Flag // system flags that were seen to arrive
}

// Keeps notes that flags arrive. Of keywords that says nothing of other folders.
func (l *LostFlags) Keeps(flags []imap.Flag) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range flags {
		if message.ContainsFlag(message.SystemFlags, f) && !message.ContainsFlag(l.kept, f) {
			l.kept = append(l.kept, f)
		}
	}
}

func (l *LostFlags) Unknown(flags []imap.Flag) []imap.Flag {
	l.mu.Lock()
	defer l.mu.Unlock()
	return message.WithoutFlags(message.WithoutFlags(flags, l.flags), l.kept)
}

func (l *LostFlags) Add(flags []imap.Flag) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flags = message.NormaliseFlags(append(slices.Clone(l.flags), flags...))
}

func (l *LostFlags) All() []imap.Flag {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flags
}

// A body of another length than the server has listed for its message may be cut off, or
// another message's. It is asked for once more, by itself: if it has the same length again,
// it is the list that is wrong (Exchange's sizes are estimates).
const (
	// LengthsTried is how many such messages of a server must turn out to be wrongly listed
	// before no more are asked for twice.
	LengthsTried = 3
	// lengthsRare is the share (one of so many) up to which wrong lists are the exception.
	lengthsRare = 10
)

// ListedSizes is what is known of a server's list of sizes. Safe for concurrent use.
type ListedSizes struct {
	mu           sync.Mutex
	right, wrong int
}

// Agrees notes a message that has the listed size, and contradicts one that has another one
// whenever it is asked for.
func (l *ListedSizes) Agrees() { l.note(&l.right) }

func (l *ListedSizes) Contradicts() { l.note(&l.wrong) }

func (l *ListedSizes) note(n *int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*n++
}

// WrongOften tells whether the server's sizes are none that messages have.
func (l *ListedSizes) WrongOften() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wrong >= LengthsTried && l.wrong*lengthsRare > l.right
}
