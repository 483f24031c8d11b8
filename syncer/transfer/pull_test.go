package transfer

import (
	"testing"
	"time"

	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
)

// TestSessionTime: a session lasts long enough for its listing to be worth it.
func TestSessionTime(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	for _, tt := range []struct {
		hold, listing, last time.Duration
	}{
		{2 * time.Minute, time.Second, 2 * time.Minute}, {2 * time.Minute, time.Minute, 4 * time.Minute}, {0, time.Minute, 0},
	} {
		now := start
		folder := &recovery.Folder{Quiet: recovery.SettleQuiet, Selected: &session.SourceFolder{Traits: session.Traits{HoldFor: tt.hold}}}
		p := &pull{Work: job.Work{Job: job.Job{Folder: folder}, Resources: job.Resources{Clock: func() time.Time { return now }}}, listing: tt.listing}
		p.Begins()
		p.limitSession()
		for after, want := range map[time.Duration]error{tt.last: nil, tt.last + 1: job.ErrPause} {
			if tt.last == 0 {
				after, want = 24*time.Hour, nil
			}
			now = start.Add(after)
			if got := p.Yielded(); got != want {
				t.Errorf("%+v after %v: %v", tt, after, got)
			}
		}
	}
}
