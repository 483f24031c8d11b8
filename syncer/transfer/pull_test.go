package transfer

import (
	"testing"
	"testing/synctest"
	"time"

	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
)

// TestSessionTime: a session lasts long enough for its listing to be worth it.
func TestSessionTime(t *testing.T) {
	for _, tt := range []struct {
		hold, listing, last time.Duration
	}{
		{2 * time.Minute, time.Second, 2 * time.Minute}, {2 * time.Minute, time.Minute, 4 * time.Minute}, {0, time.Minute, 0},
	} {
		folder := &recovery.Folder{Selected: &session.SourceFolder{Traits: session.Traits{HoldFor: tt.hold}}}
		p := &pull{Work: job.Work{Job: job.Job{Folder: folder}}, listing: tt.listing}
		p.Begins()
		synctest.Test(t, func(t *testing.T) {
			p.limitSession()
			after, want := tt.last, job.ErrPause
			if tt.last == 0 {
				after, want = 24*time.Hour, nil
			}
			time.Sleep(after)
			if got := p.Yielded(); got != nil {
				t.Errorf("%+v after %v: %v", tt, after, got)
			}
			time.Sleep(time.Nanosecond)
			if got := p.Yielded(); got != want {
				t.Errorf("%+v after %v and an instant: %v", tt, after, got)
			}
		})
	}
}
