package session

import (
	"context"
	"testing"
)

// closing is a session that only ends.
type closing struct {
	Target
	closed int
}

func (c *closing) Close() error { c.closed++; return nil }

func (c *closing) Logout(context.Context) error { return nil }

// TestEndedSessionsAreLetGo: a pair lasts as long as its account, of which there may be 100,000;
// its sessions have buffers.
func TestEndedSessionsAreLetGo(t *testing.T) {
	for name, end := range map[string]func(s *Slot[Target]){
		"hung up":    (*Slot[Target]).HangUp,
		"dropped":    (*Slot[Target]).drop,
		"logged out": func(s *Slot[Target]) { s.Close(t.Context()) },
		"given away": func(s *Slot[Target]) { s.GiveAway() },
	} {
		s := &Slot[Target]{Session: &closing{}, There: true, Held: new(Held)}
		s.Held.Add(1)
		end(s)
		if s.Session != nil || s.There || s.Held.Load() != 0 {
			t.Errorf("%s: %v, %v, %d", name, s.Session, s.There, s.Held.Load())
		}
	}
}
