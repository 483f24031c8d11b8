package board

import (
	"testing"
	"time"

	"postferry/store"
)

// TestLooks: what a domain's accounts do by themselves is told with its interval, the newest pass and the late
// mail that came by it.
func TestLooks(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b := &Board{Rows: []store.Overview{
		{Summary: store.Summary{LastPass: at, Late: store.LateMail{Messages: 2}}}, {Summary: store.Summary{LastPass: at.Add(-time.Hour)}}, {},
	}}
	if v := b.Looks(15 * time.Minute); v.EverySeconds != 900 || v.Last == nil || !v.Last.Equal(at) || v.Late != 2 {
		t.Errorf("%+v", v)
	}
	if v := (&Board{}).Looks(time.Minute); v.Last != nil {
		t.Errorf("of nothing: %+v", v)
	}
}
