package runs

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// TestRunFollowsPasses: parts end with a complete pass or with what a person has
// to mend, and the run with its last part.
func TestRunFollowsPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTracking(t, 3)
		now := x.later(10)
		x.ferry.EndPass(t, x.ids[0], store.Pass{Started: x.at(now - 5), Ended: x.at(now), Complete: true}, nil) // of no run
		x.later(1)
		id := x.begin(store.FirstRun)
		open := store.Run{Kind: store.FirstRun, By: "root", State: store.RunOpen}
		x.want(id, open)

		x.pass(0, false, nil) // made room for others
		open.Figures = figures(1)
		x.want(id, open)
		x.pass(0, true, nil)
		x.pass(1, false, &store.Problem{Kind: store.Silent, Summary: reason.Said("later"), Advice: store.RetryLater})
		open.Complete, open.Figures = 1, figures(3)
		x.want(id, open)
		x.pass(0, true, nil) // is through already
		x.pass(1, true, nil)
		x.pass(2, false, needsFix())
		x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunDone, Complete: 2, Failed: 1, Figures: figures(5)})
		parts, err := x.store.RunAccounts(t.Context(), id)
		if err != nil || len(parts) != 3 {
			t.Fatalf("%d parts, %v", len(parts), err)
		}
		for i, want := range []store.Outcome{store.OutcomeComplete, store.OutcomeComplete, store.OutcomeFailed} {
			if parts[i].Outcome != want || parts[i].Ended.IsZero() {
				t.Errorf("part %d: %+v, want %s", i, parts[i], want)
			}
		}
		if p := parts[2].Problem; p == nil || p.Kind != store.LoginRefused || parts[1].Problem != nil || parts[1].Passes != 2 {
			t.Errorf("parts: %+v", parts)
		}
	})
}

// TestRunEndsWhereAPersonIsNeeded: what is tried again by itself ends an account's part, too, where it
// doesn't pass before a person has done something: a full mailbox or a missing folder would keep a run
// open for ever. Both while the tracker listens and after a restart.
func TestRunEndsWhereAPersonIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, kind := range []store.ProblemKind{store.OverQuota, store.MissingFolder} {
			x := newTracking(t, 2)
			id := x.begin(store.FirstRun)
			p := &store.Problem{Kind: kind, Advice: store.RetryLater, Since: x.at(1), Retry: x.at(1000)}
			x.pass(0, false, p)
			x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunOpen, Failed: 1, Figures: figures(1)})
			x.stop()
			x.pass(1, false, p)
			x.start()
			x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunDone, Failed: 2, Figures: figures(2)})
		}
	})
}

// TestRunIgnoresEarlierPasses: a pass that ran already when the run was begun says
// nothing about it.
func TestRunIgnoresEarlierPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTracking(t, 1)
		now := x.later(10)
		id := x.begin(store.AgainRun)
		x.ferry.EndPass(t, x.ids[0], store.Pass{Started: x.at(now - 1), Ended: x.at(now + 1), Copied: 7, Complete: true}, nil)
		x.want(id, store.Run{Kind: store.AgainRun, By: "root", State: store.RunOpen})
	})
}

// TestRunSurvivesRestart: passes that ended while nobody listened are counted once.
func TestRunSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTracking(t, 4)
		x.later(1)
		id := x.begin(store.FirstRun)
		x.pass(0, true, nil)
		x.pass(1, false, nil)
		x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunOpen, Complete: 1, Figures: figures(2)})
		x.stop()
		x.pass(1, true, nil)
		x.pass(2, false, needsFix())
		x.start()
		x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunOpen, Complete: 2, Failed: 1, Figures: figures(4)})
		x.pass(3, true, nil)
		x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunDone, Complete: 3, Failed: 1, Figures: figures(5)})
	})
}

// TestRunCatchesUp: what a slow reader missed is read from the store.
func TestRunCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTracking(t, 2)
		x.later(1)
		id := x.begin(store.FirstRun)
		for i := range x.ids {
			now := x.later(2)
			p := store.Pass{Started: x.at(now - 1), Ended: x.at(now), Copied: 10, Bytes: 1000, Complete: true}
			if err := x.store.AddPass(t.Context(), x.ids[i], p); err != nil {
				t.Fatal(err)
			}
		}
		x.ferry.Tell(report.PassEnded{Missed: true})
		x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunDone, Complete: 2, Figures: figures(2)})
	})
}

// TestRunCountsTheStoppedPass: what the pass that was under way had copied when its
// account was stopped belongs to the run, and only once, whether the account goes on or not.
func TestRunCountsTheStoppedPass(t *testing.T) {
	for _, resumed := range []string{"never", "before", "after"} {
		t.Run(resumed, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTracking(t, 1)
				x.later(1)
				id := x.begin(store.FirstRun)
				began := x.later(1)
				x.later(1)
				x.stopAccounts()
				if resumed == "before" {
					x.resume()
				}
				ended := x.later(1)
				x.ferry.EndPass(t, x.ids[0], store.Pass{Started: x.at(began), Ended: x.at(ended), Copied: 10, Bytes: 1000}, nil)
				want := store.Run{Kind: store.FirstRun, By: "root", State: store.RunStopped, Stopped: 1, Figures: figures(1)}
				if resumed == "before" {
					want.State, want.Stopped = store.RunOpen, 0
				}
				x.want(id, want)
				if resumed == "never" {
					return
				}
				if resumed == "after" {
					x.resume()
				}
				x.pass(0, true, nil)
				x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunDone, Complete: 1, Figures: figures(2)})
			})
		})
	}
}

// TestRunStopAndResume: who is stopped is out of the run, and in it again when let go on.
func TestRunStopAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTracking(t, 2)
		x.later(1)
		id := x.begin(store.FirstRun)
		x.pass(0, true, nil)
		x.stopAccounts()
		x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunStopped, Complete: 1, Stopped: 1, Figures: figures(1)})
		x.start()
		if run := x.resume(); run != id {
			t.Errorf("resumed run %d", run)
		}
		x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunOpen, Complete: 1, Figures: figures(1)})
		x.pass(1, true, nil)
		x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunDone, Complete: 2, Figures: figures(2)})
		if run := x.resume(); run != 0 {
			t.Errorf("nothing was stopped: run %d", run)
		}
	})
}

// TestRunCorrected: who failed for a wrong password is in the run again when it is corrected.
func TestRunCorrected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTracking(t, 2)
		x.later(1)
		id := x.begin(store.FirstRun)
		x.pass(0, false, needsFix())
		x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunOpen, Failed: 1, Figures: figures(1)})
		for _, state := range []store.RunState{store.RunOpen, store.RunDone} {
			if err := x.tracker.Corrected(t.Context(), "example.com", x.ids[:1]); err != nil {
				t.Fatal(err)
			}
			x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunOpen, Complete: map[store.RunState]uint64{store.RunDone: 1}[state],
				Figures: figures(map[store.RunState]uint64{store.RunOpen: 1, store.RunDone: 3}[state])})
			if state == store.RunOpen {
				x.later(1)
				x.pass(1, true, nil)
				x.pass(0, false, needsFix())
				x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunDone, Complete: 1, Failed: 1, Figures: figures(3)})
			}
		}
		x.later(1)
		x.pass(0, true, nil)
		x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunDone, Complete: 2, Figures: figures(4)})
	})
}

// TestRunJoinedAgain: an account that was let go on belongs to its newest run again,
// and to no other, whatever had ended its part there.
func TestRunJoinedAgain(t *testing.T) {
	first := func(state store.RunState, complete, failed, stopped, passes uint64) store.Run {
		return store.Run{Kind: store.FirstRun, By: "root", State: state, Complete: complete, Failed: failed, Stopped: stopped, Figures: figures(passes)}
	}
	tests := []struct {
		name  string
		steps string // what happens to account 0: fail, done, stop, correct, resume, again, restart; "other": account 1 is through
		want  store.Run
	}{
		{"failed, corrected while stopped, resumed", "fail stop correct resume", first(store.RunOpen, 0, 0, 0, 1)},
		{"the same in a run that is over", "fail other stop correct resume", first(store.RunOpen, 1, 0, 0, 2)},
		{"the same over a restart", "fail other stop restart correct resume restart", first(store.RunOpen, 1, 0, 0, 2)},
		{"and through in the end", "fail other stop correct resume done", first(store.RunDone, 2, 0, 0, 3)},
		{"failed, stopped, resumed with the wrong password", "fail stop resume fail", first(store.RunOpen, 0, 1, 0, 2)},
		{"failed, stopped", "fail stop", first(store.RunOpen, 0, 1, 0, 1)},
		{"failed, stopped, corrected", "fail other stop correct", first(store.RunDone, 1, 1, 0, 2)},
		{"stopped, corrected, resumed", "stop correct resume done other", first(store.RunDone, 2, 0, 0, 2)},
		{"stopped twice", "stop resume stop resume", first(store.RunOpen, 0, 0, 0, 0)},
		{"stopped, with others through", "stop other", first(store.RunStopped, 1, 0, 1, 1)},
		{"failed here, through in another run, corrected", "fail other again done correct", first(store.RunDone, 1, 1, 0, 2)},
		{"stopped here, through in another run, stopped and resumed", "stop other again done stop resume", first(store.RunStopped, 1, 0, 1, 1)},
		{"failed here and in another run", "fail other again fail stop resume", first(store.RunDone, 1, 1, 0, 2)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTracking(t, 2)
				x.later(1)
				id := x.begin(store.FirstRun)
				for _, step := range strings.Fields(tt.steps) {
					x.step(step)
				}
				x.want(id, tt.want)
			})
		})
	}
}

// step does one thing with account 0.
func (x *tracking) step(step string) {
	x.Helper()
	x.later(1)
	switch all := x.ids; step {
	case "fail":
		x.pass(0, false, needsFix())
	case "done":
		x.pass(0, true, nil)
	case "other":
		x.pass(1, true, nil)
	case "stop":
		x.ids = all[:1]
		x.stopAccounts()
		x.ids = all
	case "correct": // as the use case does, which tells of active accounts only
		a, err := x.store.AccountByID(x.Context(), x.ids[0])
		if err == nil {
			err = x.store.SetProblem(x.Context(), a.ID, nil)
		}
		if err == nil && a.State == store.Active {
			err = x.tracker.Corrected(x.Context(), "example.com", x.ids[:1])
		}
		if err != nil {
			x.Fatal(err)
		}
	case "resume":
		x.ids = all[:1]
		x.resume()
		x.ids = all
	case "again":
		x.ids = all[:1]
		x.begin(store.AgainRun)
		x.ids = all
	case "restart":
		x.start()
	default:
		x.Fatalf("what is %q?", step)
	}
	synctest.Wait()
}

// TestRunThatDoesNotStart: if accounts can't be set going, their run is over.
func TestRunThatDoesNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTracking(t, 1)
		id, err := x.tracker.Begin(t.Context(), store.Run{Domain: "example.com", Kind: store.FirstRun, By: "root"}, x.ids, func() error { return report.ErrStopping })
		if !errors.Is(err, report.ErrStopping) {
			t.Errorf("got %v", err)
		}
		x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunStopped, Stopped: 1})
		x.stop()
		if err := x.tracker.Stopped(t.Context(), x.ids); !errors.Is(err, report.ErrStopping) {
			t.Errorf("after the end: %v", err)
		}
	})
}
