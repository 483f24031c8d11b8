package syncer

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
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
	s.idling.Add(1)
	defer s.idling.Add(-1)
	was, tick, over := count(), time.NewTicker(time.Second), time.After(maxWait)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if count() != was && !s.silent.Load() {
				return true, nil
			}
		case <-over:
			return count() != was, nil
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

// lookPause is longer than it takes until it is looked at again who has to be watched.
const lookPause = 30 * time.Second

// end stops the engine and closes the state, before the time of the test ends.
func (r *rig) end() {
	r.stop()
	r.stop = func() {}
	r.store.Close()
}

// moveMX notes that the MX of the domain has moved.
func (r *rig) moveMX() {
	r.t.Helper()
	if err := r.store.NoteNames(r.t.Context(), "example.com", store.NamesSeen{When: time.Now(), MX: time.Now().Add(-time.Hour)}); err != nil {
		r.t.Fatal(err)
	}
}

// TestStragglersComeAtOnce: after the MX has moved late mail is at the new server within moments, be its
// account watched or one of those that are looked at in turn; before, it waits for the next pass.
func TestStragglersComeAtOnce(t *testing.T) {
	for name, connections := range map[string]int{"watched": 5, "in turn": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := lateRig(t, connections)
				r.moveMX()
				r.start(true)
				for i := range 3 {
					time.Sleep(2 * lookPause)
					r.pair.old.deliverDated("INBOX", fmt.Sprintf("Message-ID: <late%d>\r\n\r\nx\r\n", i), time.Now())
					time.Sleep(2 * lookPause)
					if n := len(r.pair.new.bodies("INBOX")); n != i+1 {
						t.Fatalf("%d of %d late messages are there", n, i+1)
					}
				}
				s, err := r.store.Summary(t.Context(), r.account.ID)
				if err != nil || s.Late.Messages != 3 {
					t.Errorf("%+v, %v", s.Late, err)
				}
				r.end()
			})
		})
	}
}

// TestWatchedOnceTheMXMoves: when it is told that the MX has moved, late mail is watched for at once.
func TestWatchedOnceTheMXMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := lateRig(t, 5)
		r.start(true)
		time.Sleep(lookPause / 2)
		r.moveMX()
		r.engine.MXMoved()
		time.Sleep(lookPause / 10)
		r.pair.old.deliverDated("INBOX", "Message-ID: <late>\r\n\r\nx\r\n", time.Now())
		time.Sleep(lookPause / 10)
		if n := len(r.pair.new.bodies("INBOX")); n != 1 {
			t.Errorf("%d late messages are there", n)
		}
		r.end()
	})
}

// TestServerThatTellsNothing: an old server agrees to IDLE and then tells nothing until that is ended. Late mail is there all the same
// within minutes, however long it is until the next pass.
func TestServerThatTellsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := lateRig(t, 5)
		r.pair.old.silent.Store(true)
		r.moveMX()
		r.start(true)
		time.Sleep(2 * lookPause)
		r.pair.old.deliverDated("INBOX", "Message-ID: <late>\r\n\r\nx\r\n", time.Now())
		time.Sleep(3 * time.Minute)
		if n := len(r.pair.new.bodies("INBOX")); n != 1 {
			t.Errorf("%d late messages are there", n)
		}
		r.end()
	})
}

// TestNobodyIsWatchedBefore: as long as the MX has not moved, and once an account is stopped or
// finished, nobody waits at the old server.
func TestNobodyIsWatchedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := lateRig(t, 5)
		r.start(true)
		watched := func(when string, want int64) {
			t.Helper()
			time.Sleep(2 * lookPause)
			if n := r.pair.old.idling.Load(); n != want {
				t.Errorf("%s: %d sessions wait for late mail", when, n)
			}
		}
		watched("although the MX has not moved", 0)
		r.moveMX()
		watched("once it has", 1)
		ids := []store.AccountID{r.account.ID}
		if _, err := r.engine.Stop(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
		watched("after it was stopped", 0)
		if _, err := r.engine.Begin(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
		watched("after it was begun again", 1)
		if _, _, err := r.store.Finish(t.Context(), ids, store.Report{Domain: "example.com"}); err != nil {
			t.Fatal(err)
		}
		if err := r.engine.Finished(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
		if n := r.pair.old.idling.Load(); n != 0 {
			t.Error("it is still watched after it was finished")
		}
		r.end()
	})
}
