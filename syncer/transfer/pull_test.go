package transfer

import (
	"testing"
	"time"

	"postferry/syncer/recovery"
	"postferry/syncer/session"
)

// TestPOP3SessionTime: a session lasts long enough for its listing to be worth it.
func TestPOP3SessionTime(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, tt := range []struct {
		pop3          bool
		listing, last time.Duration
	}{
		{true, time.Second, 2 * time.Minute}, {true, time.Minute, 4 * time.Minute}, {false, time.Minute, 0},
	} {
		p := &Pull{
			Job:       Job{Folder: &recovery.Folder{Quiet: recovery.SettleQuiet, Selected: &session.SourceFolder{POP3: tt.pop3}}},
			Resources: Resources{Clock: func() time.Time { return now }}, Listing: tt.listing,
		}
		p.LimitSession()
		for after, want := range map[time.Duration]error{tt.last: nil, tt.last + 1: ErrPause} {
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
