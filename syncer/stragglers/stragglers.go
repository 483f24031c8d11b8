package stragglers

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/schedule"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

const (
	// lateLook is how often it is looked at which accounts have to be watched.
	lateLook = 30 * time.Second
	// lateIdle is how long one wait for late mail lasts before it is begun anew. RFC 2177 lets a server hang up after half
	// an hour of silence, but there are some that tell nothing by themselves, and what there is once they are asked.
	lateIdle = 2 * time.Minute
	// lateRest is how long an account is not watched that could not be.
	lateRest = 5 * time.Minute
	// inbox is what every server calls it (RFC 9051 section 5.1).
	inbox = "INBOX"
)

// Store is what it asks of the state.
type Store interface {
	AccountByID(ctx context.Context, id store.AccountID) (store.Account, error)
	Moves(ctx context.Context) ([]store.Move, error)
	Overview(ctx context.Context, domain string) ([]store.Overview, error)
}

// Turns is what it asks of the schedule of passes.
type Turns interface {
	// GoesOn tells whether passes over a domain's accounts are still begun by themselves.
	GoesOn(ctx context.Context, domain string) bool
	// Give gives an account a turn.
	Give(ctx context.Context, t schedule.Turn)
	// GiveIdle gives accounts turns if nothing is under way, and tells whether it has.
	GiveIdle(ctx context.Context, all []schedule.Turn) bool
}

// With is what it works with.
type With struct {
	Cfg      *config.Config
	Store    Store
	Turns    Turns
	Endpoint func(s config.Server, old bool) session.Endpoint
	Dial     session.DialFunc[session.Source]
	Log      zerolog.Logger
}

// Watch watches. One goroutine looks at who has to be watched; each watched account has one of its own.
type Watch struct {
	With
	asked chan struct{} // somebody wants it to be looked now who has to be watched

	mu      sync.Mutex
	watched map[store.AccountID]*watching
	resting map[store.AccountID]time.Time // until when they are not watched
	jobs    sync.WaitGroup

	polled store.AccountID // the last one that got a turn
}

// New makes one that watches nobody yet.
func New(with With) *Watch {
	return &Watch{With: with, asked: make(chan struct{}, 1), watched: map[store.AccountID]*watching{}, resting: map[store.AccountID]time.Time{}}
}

// watching is an account that is watched.
type watching struct {
	server string
	cancel context.CancelFunc
	ended  chan struct{}
}

// Run watches until ctx ends.
func (s *Watch) Run(ctx context.Context) {
	tick := time.NewTicker(lateLook)
	defer tick.Stop()
	defer s.jobs.Wait()
	for {
		s.look(ctx)
		select {
		case <-tick.C:
		case <-s.asked:
		case <-ctx.Done():
			return
		}
	}
}

// LookNow has it found out at once who has to be watched: the MX of a domain has moved, or back.
func (s *Watch) LookNow() {
	select {
	case s.asked <- struct{}{}:
	default: // it will be anyway
	}
}

// candidate is an account that late mail may come to.
type candidate struct {
	id     store.AccountID
	domain *config.Domain
}

// look finds out who has to be watched.
func (s *Watch) look(ctx context.Context) {
	all, err := s.candidates(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Error().Err(err).Msg("it could not be read whose late mail has to be watched for")
		}
		return
	}
	rest := s.choose(ctx, all)
	s.poll(ctx, rest)
}

// candidates are the accounts of domains whose MX has moved, by ID.
func (s *Watch) candidates(ctx context.Context) (all []candidate, err error) {
	moves, err := s.Store.Moves(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range moves {
		d, known := s.Cfg.DomainNamed(m.Domain)
		if m.Names.MX.IsZero() || !known || !s.Turns.GoesOn(ctx, m.Domain) {
			continue
		}
		accounts, err := s.Store.Overview(ctx, m.Domain)
		if err != nil {
			return nil, err
		}
		for i := range accounts {
			if o := &accounts[i]; o.State == store.Active && o.Alias == 0 && o.Summary.Passes > 0 && (o.Problem == nil || o.Problem.Advice != store.NeedsFix) {
				all = append(all, candidate{o.ID, d})
			}
		}
	}
	return all, nil
}

// choose watches as many as may be, those first that are watched already, and returns the others.
func (s *Watch) choose(ctx context.Context, all []candidate) (rest []candidate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted, taken, now := map[store.AccountID]bool{}, map[string]int{}, time.Now()
	for _, c := range all {
		if w := s.watched[c.id]; w != nil && w.server == c.domain.Old.Address() {
			wanted[c.id] = true
			taken[w.server]++
		}
	}
	for id, w := range s.watched {
		if !wanted[id] {
			w.cancel()
		}
	}
	for _, c := range all {
		server := c.domain.Old.Address()
		switch {
		case wanted[c.id]:
		case s.watched[c.id] != nil, s.resting[c.id].After(now), !session.TraitsOf(c.domain.Old).Watch, taken[server] >= s.Cfg.Watch.Connections:
			rest = append(rest, c)
		default:
			taken[server]++
			s.begin(ctx, c)
		}
	}
	return rest
}

// begin watches an account. The caller holds the lock.
func (s *Watch) begin(ctx context.Context, c candidate) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watching{server: c.domain.Old.Address(), cancel: cancel, ended: make(chan struct{})}
	s.watched[c.id] = w
	s.jobs.Go(func() {
		defer cancel()
		s.watch(ctx, c)
		s.mu.Lock()
		delete(s.watched, c.id)
		if ctx.Err() == nil {
			s.resting[c.id] = time.Now().Add(lateRest)
		}
		s.mu.Unlock()
		close(w.ended)
	})
}

// Stop watches accounts no longer, and returns those that were.
func (s *Watch) Stop(ids []store.AccountID) (ending []*watching) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if w := s.watched[id]; w != nil {
			w.cancel()
			ending = append(ending, w)
		}
	}
	return ending
}

// Leave watches accounts no longer, and returns when nothing of them is at the old server.
func (s *Watch) Leave(ctx context.Context, ids []store.AccountID) {
	for _, w := range s.Stop(ids) {
		select {
		case <-w.ended:
		case <-ctx.Done():
			return
		}
	}
}

// watch waits at the old server for what comes to an account, until ctx ends or that can't be done.
func (s *Watch) watch(ctx context.Context, c candidate) {
	row, err := s.Store.AccountByID(ctx, c.id)
	if err != nil || row.State != store.Active {
		return
	}
	log := s.Log.With().Str("account", row.Login).Logger()
	end := s.Endpoint(c.domain.Old, true)
	source, err := s.Dial(ctx, end.Server, row.Old, link.Options{
		Stall: s.Cfg.Sync.Stall, ReadOnly: true, Role: end.Role(), Log: log, Progress: end.Pool.Alive, Quirks: &end.Pool.Quirks,
	})
	if err != nil {
		s.hurry(ctx, c) // the pass tells what is wrong
		return
	}
	defer source.Close()
	w, tells := session.WatchingOf(source)
	if !tells {
		return
	}
	if _, err = source.Open(ctx, inbox, session.OpenWith{}); err == nil {
		_, err = w.Notify(ctx)
	}
	for err == nil && ctx.Err() == nil {
		s.hurry(ctx, c) // also for what came before it was watched
		err = s.await(ctx, w)
	}
	if err != nil && ctx.Err() == nil {
		log.Debug().Err(err).Msg("watching for late mail was interrupted")
	}
}

// await waits until there is something new.
func (s *Watch) await(ctx context.Context, w session.Watching) error {
	for ctx.Err() == nil {
		changed, err := w.Idle(ctx, lateIdle)
		if err != nil || changed {
			return err
		}
	}
	return ctx.Err()
}

// hurry gives an account a turn at once.
func (s *Watch) hurry(ctx context.Context, c candidate) {
	s.Turns.Give(ctx, schedule.Turn{ID: c.id, Domain: c.domain.Name, Class: schedule.Connected, Due: time.Now(), Asked: true})
}

// poll gives some of those accounts a turn that nobody watches, in turn, as long as the engine has nothing
// else to do.
func (s *Watch) poll(ctx context.Context, rest []candidate) {
	if len(rest) == 0 {
		return
	}
	first := 0
	for first < len(rest) && rest[first].id <= s.polled {
		first++
	}
	var next []schedule.Turn
	for i := range min(len(rest), s.Cfg.Sync.OldConnections) {
		c := rest[(first+i)%len(rest)]
		next = append(next, schedule.Turn{ID: c.id, Domain: c.domain.Name, Class: schedule.Rest, Due: time.Now()})
	}
	if len(next) > 0 && s.Turns.GiveIdle(ctx, next) {
		s.polled = next[len(next)-1].ID
	}
}
