package syncer

import (
	"context"
	"sync"
	"time"

	"postferry/store"
	"postferry/syncer/session"
)

// actor is how others reach an account's goroutine.
type actor struct {
	events chan func()
	gone   chan struct{} // closed when it has ended
}

// runner runs jobs on an account's pairs of sessions, for its goroutine.
type runner struct {
	actor
	pairSet
	ctx     context.Context // ends the account
	work    context.Context // ends the jobs
	cut     context.CancelFunc
	jobs    sync.WaitGroup
	halting *time.Timer // until the jobs of a stopped account are cut; nil if none is
	// The credentials that jobs begin with.
	oldCreds, newCreds store.Credentials
}

// pairSet are the pairs of an account.
type pairSet struct {
	front       *session.Pair   // visits
	backs       []*session.Pair // passes: the first always, the others while the servers have room
	busy        map[*session.Pair]bool
	connections int // how many the configuration allows; 0 for as many as there are
	listening   session.Listening
	heldOld     session.Held // sessions
	heldNew     session.Held
}
