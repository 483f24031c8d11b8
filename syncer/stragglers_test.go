package syncer

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"postferry/store"
)

// Watches: the fakes tell of what comes.
func (s *fakeSession) Watches() bool { return true }

func (s *fakeSession) Notify(context.Context) (bool, error) { return false, nil }

// Idle waits until the opened folder has another number of messages than before.
func (s *fakeSession) Idle(ctx context.Context, maxWait time.Duration) (bool, error) {
	count := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.box.messages)
	}
	was, tick, over := count(), time.NewTicker(time.Millisecond), time.After(maxWait)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if count() != was {
				return true, nil
			}
		case <-over:
			return false, nil
		case <-ctx.Done():
			return false, nil
		}
	}
}

// lateRig is a rig whose engine watches for late mail in so many sessions; sessions counts those
// that are open and waiting.
func lateRig(t *testing.T, connections int) *rig {
	t.Helper()
	r := newRig(t)
	r.cfg.Watch.Connections, r.cfg.Sync.Interval = connections, time.Hour
	r.pair.old.add("INBOX")
	r.start(false)
	r.sync()
	r.stop()
	return r
}

// moveMX notes that the MX of the domain has moved.
func (r *rig) moveMX() {
	r.t.Helper()
	if err := r.store.NoteNames(r.t.Context(), "example.com", store.NamesSeen{When: time.Now(), MX: time.Now().Add(-time.Hour)}); err != nil {
		r.t.Fatal(err)
	}
}

// eventually waits for something that happens soon.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for over := time.After(20 * time.Second); !happened(); {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("%s: it does not happen", what)
		}
	}
}

// TestStragglersComeAtOnce: after the MX has moved late mail is at the new server within moments, be its
// account watched or one of those that are looked at in turn; before, it waits for the next pass.
func TestStragglersComeAtOnce(t *testing.T) {
	for name, connections := range map[string]int{"watched": 5, "in turn": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := lateRig(t, connections)
			r.moveMX()
			r.lateLook = 20 * time.Millisecond
			r.start(true)
			for i := range 3 {
				r.pair.old.deliverDated("INBOX", fmt.Sprintf("Message-ID: <late%d>\r\n\r\nx\r\n", i), time.Now())
				eventually(t, "late mail", func() bool { return len(r.pair.new.bodies("INBOX")) == i+1 })
			}
			eventually(t, "it is counted", func() bool {
				s, err := r.store.Summary(t.Context(), r.account.ID)
				return err == nil && s.Late.Messages == 3
			})
		})
	}
}

// TestNobodyIsWatchedBefore: as long as the MX has not moved, and once an account is stopped or
// finished, nobody waits at the old server.
func TestNobodyIsWatchedBefore(t *testing.T) {
	r := lateRig(t, 5)
	r.lateLook = 5 * time.Millisecond
	r.start(true)
	watched := func() int {
		r.engine.late.mu.Lock()
		defer r.engine.late.mu.Unlock()
		return len(r.engine.late.watched)
	}
	r.engine.late.look(t.Context())
	if watched() != 0 {
		t.Error("somebody is watched although the MX has not moved")
	}
	r.moveMX()
	eventually(t, "it is watched", func() bool { return watched() == 1 })
	ids := []store.AccountID{r.account.ID}
	if _, err := r.engine.Stop(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is not watched any more", func() bool { return watched() == 0 })
	if _, err := r.engine.Begin(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is watched again", func() bool { return watched() == 1 })
	if _, _, err := r.store.Finish(t.Context(), ids, store.Report{Domain: "example.com"}); err != nil {
		t.Fatal(err)
	}
	if err := r.engine.Finished(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	if watched() != 0 {
		t.Error("it is still watched after it was finished")
	}
}

// TestWatchBudget: no more accounts are watched at an old server than may be, the same ones as long
// as nothing changes; the others get turns, each in its turn.
func TestWatchBudget(t *testing.T) {
	r := lateRig(t, 2)
	r.start(false)
	s := newStragglers(r.engine)
	d := &r.cfg.Domains[0]
	var all []candidate
	for id := range store.AccountID(6) {
		all = append(all, candidate{1000 + id, d}) // the store doesn't know them: watching them ends at once
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
	r.cfg.Sync.OldConnections = 3
	turns := func() (ids []store.AccountID) {
		s.poll(t.Context(), rest)
		_ = r.engine.loop.do(t.Context(), func() {
			for id := range r.engine.schedule.ByID {
				ids = append(ids, id)
			}
			for _, id := range ids {
				r.engine.schedule.Drop(id)
			}
		})
		slices.Sort(ids)
		return ids
	}
	if first, second := turns(), turns(); !slices.Equal(first, []store.AccountID{1000, 1002, 1004}) || !slices.Equal(second, []store.AccountID{1000, 1002, 1005}) {
		t.Errorf("turns: %v, then %v", first, second)
	}
}
