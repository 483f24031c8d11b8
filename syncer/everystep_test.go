package syncer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/session"
)

// moment is when something goes wrong: before ("+") or after ("-") the nth time that a
// step is taken by the old server, the new one or the store.
type moment struct {
	side, step string
	nth        int
}

func (m moment) String() string { return fmt.Sprintf("%s%s %d", m.side, m.step, m.nth) }

// steps counts what is done, and lets something go wrong at one moment.
type steps struct {
	mu     sync.Mutex
	taken  map[moment]int // by side and step; nth is 0
	all    int
	at     moment // with nothing but a number: after so many steps of any kind
	more   int    // how many times more the step goes wrong after that
	struck chan struct{}
	strike func() error // at the moment
	after  error        // of each step since; nil: they go on
	over   bool
}

func newSteps(at moment, strike func() error) *steps {
	return &steps{taken: map[moment]int{}, at: at, struck: make(chan struct{}), strike: strike}
}

// of is the fault function of one side.
func (s *steps) of(side string) func(string) error {
	return func(step string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.over:
			return nil
		case s.hit() && s.after != nil:
			return s.after
		}
		s.all++
		s.taken[moment{side: side, step: step}]++
		now := moment{side, step, s.taken[moment{side: side, step: step}]}
		switch {
		case s.at == now || s.at == moment{nth: s.all}:
			close(s.struck)
		case s.hit() && s.more > 0 && s.at.side == side && s.at.step == step:
			s.more--
		default:
			return nil
		}
		return s.strike()
	}
}

// hit tells whether the moment has come.
func (s *steps) hit() bool {
	select {
	case <-s.struck:
		return true
	default:
		return false
	}
}

// end lets everything go on undisturbed.
func (s *steps) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

// moments are all that came, in order.
func (s *steps) moments() (all []moment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for m, n := range s.taken {
		for nth := range n {
			all = append(all, moment{m.side, m.step, nth + 1})
		}
	}
	slices.SortFunc(all, func(a, b moment) int {
		return cmp.Or(strings.Compare(a.side, b.side), strings.Compare(a.step, b.step), a.nth-b.nth)
	})
	return all
}

// recordMoments are the moments of passes as they are in each of three runs: a step more or less comes of how fast the
// servers answer, but not more than that.
func recordMoments(t *testing.T, passes func(*steps)) (all []moment) {
	t.Helper()
	most := 0
	for i := range 3 {
		s := newSteps(moment{}, nil)
		passes(s)
		now := s.moments()
		if most = max(most, len(now)); i == 0 {
			all = now
		} else {
			all = slices.DeleteFunc(all, func(m moment) bool { return !slices.Contains(now, m) })
		}
	}
	if len(all) == 0 || len(all) < most*4/5 {
		t.Errorf("three runs have %d moments in common, one has %d", len(all), most)
	}
	return all
}

// untilStruck makes runs until a fault comes where it is to come, and a second one where there is to be one.
func untilStruck(t *testing.T, run func() bool) {
	t.Helper()
	for range 5 {
		if run() {
			return
		}
	}
	t.Error("nothing struck in five runs")
}

// attach lets both servers and the store of a rig that hasn't started take their steps here.
func (s *steps) attach(r *rig) {
	r.pair.old.fail(s.of("old "))
	r.pair.new.fail(s.of("new "))
	counted := &faultyStore{Store: r.store, unproved: newUnproved()}
	counted.set(s.of("store "))
	r.store = counted
}

// outermost leaves the first and the last of each step's moments.
func outermost(all []moment) (some []moment) {
	for i, m := range all {
		if i == 0 || i+1 == len(all) || m.nth == 1 || all[i+1].nth == 1 {
			some = append(some, m)
		}
	}
	return some
}

// TestCutAtEveryStep loses the connection twice at each step that a server takes in some
// passes, when it is taken for the first time and when it is taken for the last time,
// before and after it took effect. Nothing may be lost or doubled.
func TestCutAtEveryStep(t *testing.T) {
	for kind, first := range map[string]imap.UID{"": 0, " listed": session.ListWindow} {
		for _, at := range outermost(recordMoments(t, func(s *steps) { cutRun(t, s, first) })) {
			if at.side == "store " {
				continue
			}
			t.Run(at.String()+kind, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					untilStruck(t, func() bool {
						cut := newSteps(at, func() error { return lostError(at.step) })
						cut.more = 1
						return cutRun(t, cut, first)
					})
				})
			})
		}
	}
}

// cutRun makes some passes, the last of which must be complete.
func cutRun(t *testing.T, s *steps, first imap.UID) (struck bool) {
	t.Helper()
	r := everyStepRig(t, first)
	s.attach(r)
	r.start(false)
	r.sync()
	r.pair.old.setFlags("INBOX", mail(1), imap.FlagSeen)
	for range 3 {
		r.rested()
		r.sync()
	}
	s.end()
	r.rested()
	r.everythingOnce("INBOX", "Work")
	if got := r.pair.new.flags("INBOX", mail(1)); !slices.Contains(got, imap.FlagSeen) {
		r.t.Errorf("flags: %v", got)
	}
	r.stop()
	return s.hit()
}

// rested lets both servers be connected to again at once.
func (r *rig) rested() {
	r.engine.pools.endpoint(r.cfg.Domains[0].Old, true).Pool.Note(nil)
	r.engine.pools.endpoint(r.cfg.Domains[0].New, false).Pool.Note(nil)
}

// everyStepRig has a small mailbox to be copied, over one connection with each server, so
// that the steps are the same each time.
func everyStepRig(t *testing.T, first imap.UID) *rig {
	t.Helper()
	r := newRigIn(t, inMemory(t))
	r.silent = true
	r.cfg.Sync.OldConnections, r.cfg.Sync.NewConnections = 1, 1
	r.pair.old.folders["INBOX"].next += first
	for i := range 12 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.pair.old.add("Work")
	r.pair.old.deliver("Work", mail(1000))
	return r
}

// everythingOnce makes a pass, which has nothing to do, and compares the servers.
func (r *rig) everythingOnce(folders ...string) {
	r.t.Helper()
	if res := r.sync(); !res.Pass.Complete || res.Problem != nil || res.Pass.Copied != 0 {
		r.t.Errorf("the last pass: %+v, problem %+v", res.Pass, res.Problem)
	}
	for _, name := range folders {
		if old, new := sorted(r.pair.old.bodies(name)), sorted(r.pair.new.bodies(name)); !slices.Equal(old, new) {
			r.t.Errorf("%s: old %d messages, new %d", name, len(old), len(new))
		}
	}
}
