package stragglers

import (
	"context"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/schedule"
)

// fakeTurns notes the turns that are given.
type fakeTurns struct{ given []store.AccountID }

func (f *fakeTurns) GoesOn(context.Context, string) bool { return true }

func (f *fakeTurns) Give(_ context.Context, t schedule.Turn) { f.given = append(f.given, t.ID) }

func (f *fakeTurns) GiveIdle(ctx context.Context, all []schedule.Turn) bool {
	for _, t := range all {
		f.Give(ctx, t)
	}
	return true
}

// noStore knows no account: watching one ends at once.
type noStore struct{ Store }

func (noStore) AccountByID(context.Context, store.AccountID) (store.Account, error) {
	return store.Account{}, store.ErrNotFound
}

// TestWatchBudget: no more accounts are watched at an old server than may be, the same ones as long
// as nothing changes; the others get turns, each in its turn.
func TestWatchBudget(t *testing.T) {
	t.Parallel()
	cfg, turns := config.Default(), &fakeTurns{}
	cfg.Watch.Connections, cfg.Sync.OldConnections = 2, 3
	cfg.Domains = []config.Domain{{Name: "example.com", Old: config.Server{Host: "old.example", Port: 143}}}
	s := New(With{Cfg: &cfg, Store: noStore{}, Turns: turns, Log: zerolog.Nop()})
	defer s.jobs.Wait()
	d := &cfg.Domains[0]
	var all []candidate
	for id := range store.AccountID(6) {
		all = append(all, candidate{1000 + id, d})
	}
	s.watched[1001] = &watching{server: d.Old.Address(), cancel: func() {}, ended: make(chan struct{})}
	s.watched[1003] = &watching{server: d.Old.Address(), cancel: func() {}, ended: make(chan struct{})}
	rest := s.choose(t.Context(), all)
	var ids []store.AccountID
	for _, c := range rest {
		ids = append(ids, c.id)
	}
	if !slices.Equal(ids, []store.AccountID{1000, 1002, 1004, 1005}) {
		t.Errorf("the others are %v", ids)
	}
	for _, want := range [][]store.AccountID{{1000, 1002, 1004}, {1005, 1000, 1002}, {1004, 1005, 1000}} {
		turns.given = nil
		if s.poll(t.Context(), rest); !slices.Equal(turns.given, want) {
			t.Errorf("turns of %v, want %v", turns.given, want)
		}
	}
}
