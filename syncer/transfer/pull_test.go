package transfer

import (
	"testing"
	"time"

	"postferry/syncer/recovery"
	"postferry/syncer/session"
)

// TestSessionTime: a session lasts long enough for its listing to be worth it.
func TestSessionTime(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, tt := range []struct {
		hold, listing, last time.Duration
	}{
		{2 * time.Minute, time.Second, 2 * time.Minute}, {2 * time.Minute, time.Minute, 4 * time.Minute}, {0, time.Minute, 0},
	} {
		p := &Pull{
			Job:       Job{Folder: &recovery.Folder{Quiet: recovery.SettleQuiet, Selected: &session.SourceFolder{Traits: session.Traits{HoldFor: tt.hold}}}},
			Resources: Resources{Clock: func() time.Time { return now }}, Listing: tt.listing,
		}
		p.limitSession()
		for after, want := range map[time.Duration]error{tt.last: nil, tt.last + 1: errPause} {
			if tt.last == 0 {
				after, want = 24*time.Hour, nil
			}
			p.clock = func() time.Time { return now.Add(after) }
			if got := p.Yielded(); got != want {
				t.Errorf("%+v after %v: %v", tt, after, got)
			}
		}
	}
}
