package board

import (
	"context"
	"sync"
	"time"

	"postferry/cause"
	"postferry/report"
	"postferry/store"
)

const (
	// boardAge is how old a board gets before it is read anew, as long as
	// somebody looks; boardStale is the oldest that anybody is shown.
	boardAge   = 300 * time.Millisecond
	boardStale = 2 * time.Second
	// boardShare bounds how much of the time goes into reading a board: one that
	// took a second is good for so many seconds.
	boardShare = 4
	// boardWatched is how long after the last look a board is kept up to date.
	boardWatched = 3 * time.Second
	boardTick    = 100 * time.Millisecond
)

// Board is what is known of a domain's accounts at a moment. It is shared by
// all who look, and never changed.
type Board struct {
	taken  time.Time
	Rows   []store.Overview // in the order of their IDs, without passwords
	live   map[store.AccountID]*report.Live
	Totals Totals
	Causes []cause.Cause // what keeps accounts from being copied

	sort   sync.Once
	sorted []int // see byLogin
}

// Boards keeps each domain's newest board, so that a thousand who look cost as
// much as one. While somebody looks, run reads the next board before the one
// that is shown is too old: then nobody waits for it.
type Boards struct {
	read func(ctx context.Context, domain string) (*Board, error)

	mu       sync.Mutex
	byDomain map[string]*boardSlot
}

// boardSlot is a domain's place. The fields but the first belong to boards.mu.
type boardSlot struct {
	place   chan struct{} // holds a token while the board is read
	newest  *Board        // nil if there is none that counts
	begun   time.Time     // when reading the newest began
	took    time.Duration // how long it took
	asked   time.Time     // when somebody looked last
	changes int           // made so far
	chart   chart
	meter   meter
}

// Source is where boards are read from.
type Source struct {
	Store overviewer
	Ferry liveFerry
	// Counted are the messages that the newest check of a domain counted, by account.
	Counted func(domain string) map[store.AccountID]uint64
}

// New keeps boards of a source.
func New(s Source) *Boards {
	return newBoards((&boardReader{s.Store, s.Ferry, s.Counted}).read)
}

func newBoards(read func(context.Context, string) (*Board, error)) *Boards {
	return &Boards{read: read, byDomain: map[string]*boardSlot{}}
}

// slot is a domain's place; the caller holds mu.
func (b *Boards) slot(domain string) *boardSlot {
	s := b.byDomain[domain]
	if s == nil {
		s = &boardSlot{place: make(chan struct{}, 1)}
		b.byDomain[domain] = s
	}
	return s
}

// look is the newest board, if that is not too old.
func (b *Boards) look(domain string) (*boardSlot, *Board) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, now := b.slot(domain), time.Now()
	s.asked = now
	if s.newest == nil || now.Sub(s.begun) > max(boardStale, 2*boardShare*s.took) {
		return s, nil
	}
	return s, s.newest
}

// Of returns a domain's board. A domain of "" is all of them.
func (b *Boards) Of(ctx context.Context, domain string) (*Board, error) {
	s, x := b.look(domain)
	if x != nil {
		return x, nil
	}
	select {
	case s.place <- struct{}{}:
		defer func() { <-s.place }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if _, x = b.look(domain); x != nil { // somebody else has read it meanwhile
		return x, nil
	}
	return b.refresh(ctx, domain, s)
}

// refresh reads a domain's board; the caller has the slot's place. What was
// changed meanwhile is not on it, so it is not kept then.
func (b *Boards) refresh(ctx context.Context, domain string, s *boardSlot) (*Board, error) {
	b.mu.Lock()
	changes := s.changes
	b.mu.Unlock()
	start := time.Now()
	x, err := b.read(ctx, domain)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	x.Totals.measure(&s.meter, start)
	if s.changes == changes {
		s.newest, s.begun, s.took = x, start, time.Since(start)
	}
	s.chart.add(start, x.Totals.MessagesPerSecond)
	return x, nil
}

// Changed makes the next look at a domain read it anew.
func (b *Boards) Changed(domain string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range []string{domain, ""} {
		s := b.slot(name)
		s.changes++
		s.newest = nil
	}
}

// Fresh is a board that has all changes made before the call.
func (b *Boards) Fresh(ctx context.Context, domain string) (*Board, error) {
	b.Changed(domain)
	return b.Of(ctx, domain)
}

// Run keeps boards up to date that somebody looks at, until ctx ends.
func (b *Boards) Run(ctx context.Context) {
	tick := time.NewTicker(boardTick)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			for domain, s := range b.due(now) {
				select {
				case s.place <- struct{}{}:
					_, _ = b.refresh(ctx, domain, s) // who looks next is told what is wrong
					<-s.place
				default: // it is being read
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// due are the boards that should be read anew.
func (b *Boards) due(now time.Time) map[string]*boardSlot {
	b.mu.Lock()
	defer b.mu.Unlock()
	due := map[string]*boardSlot{}
	for domain, s := range b.byDomain {
		if s.newest != nil && now.Sub(s.asked) < boardWatched && now.Sub(s.begun) > max(boardAge, boardShare*s.took) {
			due[domain] = s
		}
	}
	return due
}

// boardReader reads boards from store and engine.
type boardReader struct {
	store   overviewer
	ferry   liveFerry
	counted func(domain string) map[store.AccountID]uint64 // messages, by the newest check
}

// overviewer sums accounts up.
type overviewer interface {
	Overview(ctx context.Context, domain string) ([]store.Overview, error)
}

// liveFerry knows what is going on.
type liveFerry interface {
	Live(ctx context.Context) ([]report.Live, error)
}

// read reads a board from store and engine.
func (a *boardReader) read(ctx context.Context, domain string) (*Board, error) {
	rows, err := a.store.Overview(ctx, domain)
	if err != nil {
		return nil, err
	}
	all, err := a.ferry.Live(ctx)
	if err != nil {
		return nil, err
	}
	b := &Board{taken: time.Now(), Rows: rows, live: make(map[store.AccountID]*report.Live, len(all)), Causes: causesOf(rows)}
	for i := range all {
		b.live[all[i].Account] = &all[i]
	}
	expected := expectation{counted: a.counted(domain)}
	for i := range rows {
		l := b.LiveOf(rows[i].ID)
		b.Totals.add(&rows[i], l)
		b.Totals.Messages += expected.of(&rows[i], l)
	}
	expected.complete(&b.Totals)
	return b, nil
}

// LiveOf is what goes on with an account; nil if nothing does.
func (b *Board) LiveOf(id store.AccountID) *report.Live { return b.live[id] }

// Totals sums accounts up. Every account is in exactly one of the states from
// Waiting to Finished.
type Totals struct {
	Accounts int `json:"accounts"`

	Waiting  int `json:"waiting"`  // not begun
	Queued   int `json:"queued"`   // begun, their turn has not come
	Running  int `json:"running"`  // being worked on right now
	Failed   int `json:"failed"`   // a person has to do something
	Retrying int `json:"retrying"` // something is wrong that may pass by itself
	Complete int `json:"complete"` // the last pass left nothing behind
	Stopped  int `json:"stopped"`  // by a person
	Finished int `json:"finished"` // for good

	Inboxes int `json:"inboxes"` // accounts whose INBOX is at the new server

	Messages    uint64 `json:"messages"`  // on the old server, as it has told or a check counted
	Estimated   bool   `json:"estimated"` // some of these are reckoned from what other accounts have
	Copied      uint64 `json:"copied"`
	Quarantined uint64 `json:"quarantined"`
	Octets      uint64 `json:"octets"` // of what was copied

	MessagesPerSecond float64 `json:"messages_per_second"`
	OctetsPerSecond   float64 `json:"octets_per_second"`
	// RemainingSeconds is nil while it can't be known.
	RemainingSeconds *int64 `json:"remaining_seconds"`
}

func (t *Totals) add(o *store.Overview, l *report.Live) {
	t.Accounts++
	switch report.StateOf(o, l) {
	case report.StateWaiting:
		t.Waiting++
	case report.StateQueued:
		t.Queued++
	case report.StateRunning:
		t.Running++
	case report.StateFailed:
		t.Failed++
	case report.StateRetrying:
		t.Retrying++
	case report.StateComplete:
		t.Complete++
	case report.StateStopped:
		t.Stopped++
	case report.StateFinished:
		t.Finished++
	}
	if o.Summary.InboxReady() {
		t.Inboxes++
	}
	if o.Alias != 0 {
		return // its mail is another account's
	}
	v := report.ProgressOf(o, l)
	t.Messages += max(v.Messages, v.Copied+v.Quarantined) // what the old server has no more makes up for nobody else's
	t.Copied += v.Copied
	t.Quarantined += v.Quarantined
	t.Octets += v.Octets
	t.MessagesPerSecond += v.MessagesPerSecond
	t.OctetsPerSecond += v.OctetsPerSecond
}
