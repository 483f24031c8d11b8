package runs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/admin/ferrytest"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// tracking is a tracker on a store, with accounts of one domain.
type tracking struct {
	*testing.T
	store   store.Store
	ferry   *ferrytest.Ferry
	tracker *Tracker
	ids     []store.AccountID
	clock   atomic.Int64 // seconds since startOfRuns
	stop    func()
}

var startOfRuns = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (x *tracking) at(sec int64) time.Time { return startOfRuns.Add(time.Duration(sec) * time.Second) }

func newTracking(t *testing.T, accounts int) *tracking {
	x := &tracking{T: t, store: openStore(t)}
	x.ferry = ferrytest.New(x.store)
	rows := make([]store.Account, accounts)
	for i := range rows {
		rows[i] = store.Account{Domain: "example.com", Login: fmt.Sprintf("%d@example.com", i), Origin: store.Imported, State: store.Waiting}
	}
	stored, _, err := x.store.PutAccounts(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range stored {
		x.ids = append(x.ids, a.ID)
	}
	x.start()
	return x
}

// start runs a tracker, in place of the one that runs.
func (x *tracking) start() {
	x.Helper()
	if x.stop != nil {
		x.stop()
	}
	x.tracker = New(x.store, x.ferry, zerolog.New(zerolog.NewTestWriter(x)), func() time.Time { return x.at(x.clock.Load()) })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- x.tracker.Run(ctx) }()
	x.stop = func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			x.Errorf("run: %v", err)
		}
		x.stop = nil
	}
	x.Cleanup(func() {
		if x.stop != nil {
			x.stop()
		}
	})
	x.settle()
}

// settle waits until the tracker has dealt with all that it was told.
func (x *tracking) settle() {
	x.Helper()
	for range 2 { // what waits is heard with or before the first, and stored by the second
		if err := x.tracker.do(x.Context(), func(context.Context) error { return nil }); err != nil {
			x.Fatal(err)
		}
	}
}

// begin begins a run of all accounts.
func (x *tracking) begin(kind store.RunKind) store.RunID {
	x.Helper()
	id, err := x.tracker.Begin(x.Context(), store.Run{Domain: "example.com", Kind: kind, By: "root"}, x.ids, func() error {
		_, err := x.ferry.Begin(x.Context(), x.ids)
		return err
	})
	if err != nil {
		x.Fatal(err)
	}
	return id
}

// stopAccounts stops all accounts.
func (x *tracking) stopAccounts() {
	x.Helper()
	stopped, err := x.ferry.Stop(x.Context(), x.ids)
	if err == nil {
		err = x.tracker.Stopped(x.Context(), stopped)
	}
	if err != nil {
		x.Fatal(err)
	}
}

// resume lets all go on that are stopped.
func (x *tracking) resume() store.RunID {
	x.Helper()
	run, err := x.tracker.Resume(x.Context(), "example.com", x.ids, func() error {
		_, err := x.ferry.Begin(x.Context(), x.ids)
		return err
	})
	if err != nil {
		x.Fatal(err)
	}
	return run
}

// pass lets a pass end that took a second.
func (x *tracking) pass(account int, complete bool, p *store.Problem) {
	x.Helper()
	now := x.clock.Add(2)
	x.ferry.EndPass(x.T, x.ids[account], store.Pass{Started: x.at(now - 1), Ended: x.at(now), Copied: 10, Bytes: 1000, Complete: complete}, p)
}

// want waits for a run to be as wanted; dates are not looked at.
func (x *tracking) want(id store.RunID, want store.Run) {
	x.Helper()
	want.ID, want.Domain = id, "example.com"
	want.Accounts = uint64(len(x.ids))
	var got store.Run
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); x.settle() {
		var err error
		if got, err = x.store.Run(x.Context(), id); err != nil {
			x.Fatal(err)
		}
		if (got.State == store.RunOpen) != got.Ended.IsZero() {
			x.Errorf("state %s, ended %v", got.State, got.Ended)
		}
		got.Started, got.Ended = time.Time{}, time.Time{}
		if got == want {
			return
		}
	}
	x.Errorf("run\n got %+v\nwant %+v", got, want)
}

func needsFix() *store.Problem {
	return &store.Problem{Kind: store.LoginRefused, Summary: reason.Said("refused"), Advice: store.NeedsFix}
}

func figures(passes uint64) store.Figures {
	return store.Figures{Copied: 10 * passes, Bytes: 1000 * passes}
}

// TestRunFollowsPasses: parts end with a complete pass or with what a person has
// to mend, and the run with its last part.
func TestRunFollowsPasses(t *testing.T) {
	x := newTracking(t, 3)
	now := x.clock.Add(10)
	x.ferry.EndPass(t, x.ids[0], store.Pass{Started: x.at(now - 5), Ended: x.at(now), Complete: true}, nil) // of no run
	x.clock.Add(1)
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
}

// TestRunEndsWhereAPersonIsNeeded: what is tried again by itself ends an account's part, too, where it
// doesn't pass before a person has done something: a full mailbox or a missing folder would keep a run
// open for ever. Both while the tracker listens and after a restart.
func TestRunEndsWhereAPersonIsNeeded(t *testing.T) {
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
}

// TestRunIgnoresEarlierPasses: a pass that ran already when the run was begun says
// nothing about it.
func TestRunIgnoresEarlierPasses(t *testing.T) {
	x := newTracking(t, 1)
	now := x.clock.Add(10)
	id := x.begin(store.AgainRun)
	x.ferry.EndPass(t, x.ids[0], store.Pass{Started: x.at(now - 1), Ended: x.at(now + 1), Copied: 7, Complete: true}, nil)
	x.want(id, store.Run{Kind: store.AgainRun, By: "root", State: store.RunOpen})
}

// TestRunSurvivesRestart: passes that ended while nobody listened are counted once.
func TestRunSurvivesRestart(t *testing.T) {
	x := newTracking(t, 4)
	x.clock.Add(1)
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
}

// TestRunCatchesUp: what a slow reader missed is read from the store.
func TestRunCatchesUp(t *testing.T) {
	x := newTracking(t, 2)
	x.clock.Add(1)
	id := x.begin(store.FirstRun)
	for i := range x.ids {
		now := x.clock.Add(2)
		p := store.Pass{Started: x.at(now - 1), Ended: x.at(now), Copied: 10, Bytes: 1000, Complete: true}
		if err := x.store.AddPass(t.Context(), x.ids[i], p); err != nil {
			t.Fatal(err)
		}
	}
	x.ferry.Tell(report.PassEnded{Missed: true})
	x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunDone, Complete: 2, Figures: figures(2)})
}

// TestRunCountsTheStoppedPass: what the pass that was under way had copied when its
// account was stopped belongs to the run, and only once, whether the account goes on or not.
func TestRunCountsTheStoppedPass(t *testing.T) {
	for _, resumed := range []string{"never", "before", "after"} {
		t.Run(resumed, func(t *testing.T) {
			x := newTracking(t, 1)
			x.clock.Add(1)
			id := x.begin(store.FirstRun)
			began := x.clock.Add(1)
			x.clock.Add(1)
			x.stopAccounts()
			if resumed == "before" {
				x.resume()
			}
			ended := x.clock.Add(1)
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
	}
}

// TestRunStopAndResume: who is stopped is out of the run, and in it again when let go on.
func TestRunStopAndResume(t *testing.T) {
	x := newTracking(t, 2)
	x.clock.Add(1)
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
}

// TestRunCorrected: who failed for a wrong password is in the run again when it is corrected.
func TestRunCorrected(t *testing.T) {
	x := newTracking(t, 2)
	x.clock.Add(1)
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
			x.clock.Add(1)
			x.pass(1, true, nil)
			x.pass(0, false, needsFix())
			x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunDone, Complete: 1, Failed: 1, Figures: figures(3)})
		}
	}
	x.clock.Add(1)
	x.pass(0, true, nil)
	x.want(id, store.Run{Kind: store.FirstRun, By: "root", State: store.RunDone, Complete: 2, Figures: figures(4)})
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
			x := newTracking(t, 2)
			x.clock.Add(1)
			id := x.begin(store.FirstRun)
			for _, step := range strings.Fields(tt.steps) {
				x.step(step)
			}
			x.want(id, tt.want)
		})
	}
}

// step does one thing with account 0.
func (x *tracking) step(step string) {
	x.Helper()
	x.clock.Add(1)
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
	x.settle()
}

// TestRunThatDoesNotStart: if accounts can't be set going, their run is over.
func TestRunThatDoesNotStart(t *testing.T) {
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
}

// TestScheduledRuns: at each time of a schedule there is a run of the active
// accounts, also if nobody was there at that time.
func TestScheduledRuns(t *testing.T) {
	x := newTracking(t, 2)
	if _, err := x.ferry.Begin(t.Context(), x.ids); err != nil {
		t.Fatal(err)
	}
	newest := func() (runs []store.Run) {
		runs, err := x.store.Runs(t.Context(), "example.com")
		if err != nil {
			t.Fatal(err)
		}
		return runs
	}
	schedule := store.Schedule{Domain: "example.com", Every: time.Hour, From: x.at(3600), Until: x.at(4 * 3600)}
	if err := x.store.PutSchedule(t.Context(), schedule); err != nil {
		t.Fatal(err)
	}
	if err := x.tracker.Reschedule(t.Context()); err != nil {
		t.Fatal(err)
	}
	if x.settle(); len(newest()) != 0 {
		t.Errorf("before its time: %+v", newest())
	}
	x.clock.Store(3600 + 5)
	x.pass(0, true, nil)
	for len(newest()) == 0 {
		x.settle()
	}
	first := newest()[0]
	if first.Kind != store.ScheduledRun || first.By != "" || !first.Started.Equal(x.at(3600)) {
		t.Errorf("run %+v", first)
	}
	x.want(first.ID, store.Run{Kind: store.ScheduledRun, State: store.RunOpen, Complete: 1, Figures: figures(1)})
	x.clock.Store(2*3600 + 5) // the next time comes while it is open
	if x.settle(); len(newest()) != 1 {
		t.Errorf("runs %+v", newest())
	}
	x.pass(1, true, nil)
	x.want(first.ID, store.Run{Kind: store.ScheduledRun, State: store.RunDone, Complete: 2, Figures: figures(2)})
	x.clock.Store(3*3600 + 5)
	x.start()
	for len(newest()) == 1 {
		x.settle()
	}
	if second := newest()[0]; !second.Started.Equal(x.at(3 * 3600)) {
		t.Errorf("run %+v", second)
	}
}
