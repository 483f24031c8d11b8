package admin

import (
	"context"
	"sync"
	"time"

	"postferry/store"
)

const (
	// boardAge is how old what lists and streams show may be.
	boardAge = 300 * time.Millisecond
	// boardShare bounds how much of the time goes into reading a board: one that
	// took a second is good for so many seconds.
	boardShare = 4
)

// board is what is known of a domain's accounts at a moment. It is shared by
// all who look, and never changed.
type board struct {
	taken  time.Time
	rows   []store.Overview // in the order of their IDs, without passwords
	live   map[store.AccountID]Live
	totals totals

	sort   sync.Once
	sorted []int // see byLogin
}

// boards keeps each domain's newest board, so that a thousand who look cost as
// much as one.
type boards struct {
	read func(ctx context.Context, domain string) (*board, error)

	mu       sync.Mutex
	byDomain map[string]*boardSlot
}

// boardSlot is held by whoever reads a domain's board.
type boardSlot struct {
	place  chan struct{} // holds one token
	newest *board
	good   time.Time // until when the newest will do
	chart  chart
}

func newBoards(read func(context.Context, string) (*board, error)) *boards {
	return &boards{read: read, byDomain: map[string]*boardSlot{}}
}

func (b *boards) slot(domain string) *boardSlot {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byDomain[domain]
	if s == nil {
		s = &boardSlot{place: make(chan struct{}, 1)}
		b.byDomain[domain] = s
	}
	return s
}

// of returns a domain's board. A domain of "" is all of them.
func (b *boards) of(ctx context.Context, domain string) (*board, error) {
	s := b.slot(domain)
	select {
	case s.place <- struct{}{}:
		defer func() { <-s.place }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.newest != nil && time.Now().Before(s.good) {
		return s.newest, nil
	}
	start := time.Now()
	x, err := b.read(ctx, domain)
	if err != nil {
		return nil, err
	}
	took := time.Since(start)
	s.newest, s.good = x, start.Add(took+max(boardAge, boardShare*took))
	s.chart.add(start, x.totals.MessagesPerSecond)
	return x, nil
}

// changed makes the next look at a domain read it anew.
func (b *boards) changed(ctx context.Context, domain string) {
	for _, name := range []string{domain, ""} {
		s := b.slot(name)
		select {
		case s.place <- struct{}{}:
			s.newest = nil
			<-s.place
		case <-ctx.Done():
		}
	}
}

// readBoard reads a board from store and engine.
func (a *app) readBoard(ctx context.Context, domain string) (*board, error) {
	rows, err := a.store.Overview(ctx, domain)
	if err != nil {
		return nil, err
	}
	all, err := a.ferry.Live(ctx)
	if err != nil {
		return nil, err
	}
	b := &board{taken: a.now(), rows: rows, live: make(map[store.AccountID]Live, len(all))}
	for _, l := range all {
		b.live[l.Account] = l
	}
	for i := range rows {
		b.totals.add(&rows[i], b.liveOf(rows[i].ID))
	}
	return b, nil
}

// liveOf is what goes on with an account; nil if nothing does.
func (b *board) liveOf(id store.AccountID) *Live {
	if l, ok := b.live[id]; ok {
		return &l
	}
	return nil
}

// totals sums accounts up. Every account is in exactly one of the states from
// Waiting to Finished.
type totals struct {
	Accounts int `json:"accounts"`

	Waiting  int `json:"waiting"`  // not begun
	Queued   int `json:"queued"`   // begun, their turn has not come
	Running  int `json:"running"`  // being worked on right now
	Failed   int `json:"failed"`   // a person has to do something
	Retrying int `json:"retrying"` // something is wrong that may pass by itself
	Complete int `json:"complete"` // the last pass left nothing behind
	Stopped  int `json:"stopped"`  // by a person
	Finished int `json:"finished"` // for good

	Messages    uint64 `json:"messages"` // known on the old server
	Copied      uint64 `json:"copied"`
	Quarantined uint64 `json:"quarantined"`
	Octets      uint64 `json:"octets"` // of what was copied

	MessagesPerSecond float64 `json:"messages_per_second"`
	OctetsPerSecond   float64 `json:"octets_per_second"`
	// RemainingSeconds is nil while it can't be known.
	RemainingSeconds *int64 `json:"remaining_seconds"`
}

func (t *totals) add(o *store.Overview, l *Live) {
	t.Accounts++
	switch stateOf(o, l) {
	case stateWaiting:
		t.Waiting++
	case stateQueued:
		t.Queued++
	case stateRunning:
		t.Running++
	case stateFailed:
		t.Failed++
	case stateRetrying:
		t.Retrying++
	case stateComplete:
		t.Complete++
	case stateStopped:
		t.Stopped++
	case stateFinished:
		t.Finished++
	}
	v := viewProgress(o, l)
	t.Messages += v.Messages
	t.Copied += v.Copied
	t.Quarantined += v.Quarantined
	t.Octets += v.Octets
	t.MessagesPerSecond += v.MessagesPerSecond
	t.OctetsPerSecond += v.OctetsPerSecond
}

// accountState is an account's state as pages and API tell it: what the store
// keeps, and what goes on.
type accountState string

const (
	stateWaiting  accountState = "waiting"
	stateQueued   accountState = "queued"
	stateRunning  accountState = "running"
	stateFailed   accountState = "failed"
	stateRetrying accountState = "retrying"
	stateComplete accountState = "complete"
	stateStopped  accountState = "stopped"
	stateFinished accountState = "finished"
)

func accountStates() []accountState {
	return []accountState{stateWaiting, stateQueued, stateRunning, stateFailed, stateRetrying, stateComplete, stateStopped, stateFinished}
}

func stateOf(o *store.Overview, l *Live) accountState {
	switch {
	case o.State == store.Waiting:
		return stateWaiting
	case o.State == store.Stopped:
		return stateStopped
	case o.State == store.Finished:
		return stateFinished
	case l != nil && l.Running:
		return stateRunning
	case o.Problem != nil && o.Problem.Advice == store.NeedsFix:
		return stateFailed
	case o.Problem != nil:
		return stateRetrying
	case o.Summary.Complete:
		return stateComplete
	}
	return stateQueued
}
