package syncer

import (
	"slices"
	"sync/atomic"
	"testing"
)

// removedRig has copied four messages to a new server without UIDPLUS, whose
// user removed the second of them before the copies were looked for. At the step
// before which that happened the connection is cut; if dead, with everything else
// until the engine is started again.
func removedRig(t *testing.T, step string, dead bool) (*rig, *unproved) {
	t.Helper()
	r := newRig(t)
	r.pair.new.uidplus = false
	for i := range 4 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	st := &faultyStore{Store: r.store, fault: noFault, unproved: newUnproved()}
	r.store = st
	var appended, struck atomic.Bool
	fault := func(at string) error {
		switch {
		case struck.Load() && dead:
			return lostError(at)
		case at == "+APPEND":
			appended.Store(true)
		case at == step && appended.Load() && !struck.Swap(true):
			inbox := r.pair.new.folders["INBOX"] // the caller holds the lock
			st.unproved.while(func() map[string]int {
				inbox.messages = slices.Delete(inbox.messages, 1, 2)
				return map[string]int{mail(1): 1}
			})
			return lostError(at)
		}
		return nil
	}
	r.pair.new.fail(fault)
	if dead {
		st.set(func(at string) error {
			if struck.Load() {
				return lostError(at)
			}
			return nil
		})
	}
	r.start(false)
	copied := r.sync().Pass.Copied
	if !struck.Load() {
		t.Fatalf("there was no step %s after an APPEND", step)
	}
	r.stop()
	st.set(noFault)
	r.pair.new.fail(noFault)
	r.start(false)
	res := r.sync()
	if res.Problem != nil || !res.Pass.Complete {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	if copied += res.Pass.Copied; copied != 4 {
		t.Errorf("%d messages are said to be copied", copied)
	}
	return r, st.unproved
}

// TestRemovedBeforeProof: what the new server has taken is not copied again, although
// it was removed before it was found there, and the search for it was cut off.
func TestRemovedBeforeProof(t *testing.T) {
	for _, step := range []string{"+STATUS", "+EXAMINE", "+SEARCH", "+HEADERS"} {
		for name, dead := range map[string]bool{" cut": false, " crash": true} {
			t.Run(step+name, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					r, u := removedRig(t, step, dead)
					got := r.pair.new.bodies("INBOX")
					slices.Sort(got)
					if want := []string{mail(0), mail(2), mail(3)}; !slices.Equal(got, want) {
						t.Errorf("there are %q, want %q", got, want)
					}
					if len(u.again) > 0 {
						t.Errorf("the model would let messages come back: %v", u.again)
					}
				})
			})
		}
	}
}

// TestRemovedBeforeAnswer: what was removed before the new server had answered that it
// has it is told from what never arrived by its neighbours. It stays removed.
func TestRemovedBeforeAnswer(t *testing.T) {
	for name, dead := range map[string]bool{"cut": false, "crash": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r, u := removedRig(t, "-APPEND", dead)
				got := r.pair.new.bodies("INBOX")
				slices.Sort(got)
				if want := []string{mail(0), mail(2), mail(3)}; !slices.Equal(got, want) {
					t.Errorf("there are %q, want %q", got, want)
				}
				if len(u.again) > 0 {
					t.Errorf("the model lets come back: %v", u.again)
				}
			})
		})
	}
}
