package runs

import (
	"testing"
	"testing/synctest"
	"time"

	"postferry/store"
)

// TestScheduledRuns: at each time of a schedule there is a run of the active
// accounts, also if nobody was there at that time.
func TestScheduledRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
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
		schedule := store.Schedule{Domain: "example.com", Every: time.Hour, From: x.at(1800), Until: x.at(4 * 3600)}
		if err := x.store.PutSchedule(t.Context(), schedule); err != nil {
			t.Fatal(err)
		}
		if err := x.tracker.Reschedule(t.Context()); err != nil {
			t.Fatal(err)
		}
		if synctest.Wait(); len(newest()) != 0 {
			t.Errorf("before its time: %+v", newest())
		}
		x.until(1800 + 1)
		if len(newest()) != 1 {
			t.Fatalf("at its time: %+v", newest())
		}
		first := newest()[0]
		if first.Kind != store.ScheduledRun || first.By != "" || !first.Started.Equal(x.at(1800)) {
			t.Errorf("run %+v", first)
		}
		x.pass(0, true, nil)
		x.want(first.ID, store.Run{Kind: store.ScheduledRun, State: store.RunOpen, Complete: 1, Figures: figures(1)})
		x.until(3600 + 1800 + 1) // the next time comes while it is open
		if synctest.Wait(); len(newest()) != 1 {
			t.Errorf("runs %+v", newest())
		}
		x.pass(1, true, nil)
		x.want(first.ID, store.Run{Kind: store.ScheduledRun, State: store.RunDone, Complete: 2, Figures: figures(2)})
		x.stop()
		x.until(2*3600 + 1800 + 1)
		x.start()
		synctest.Wait()
		if second := newest()[0]; !second.Started.Equal(x.at(2*3600 + 1800)) {
			t.Errorf("run %+v", second)
		}
	})
}
