package syncer_test

import (
	"testing"
	"time"

	"postferry/internal/lab"
)

// TestServersOddDates: messages with dates that not every server can hold, the first of a
// folder among them, are copied to real servers, and what those make of such dates says
// nothing of other dates.
func TestServersOddDates(t *testing.T) {
	ordinary := time.Date(2021, 5, 6, 7, 8, 9, 0, time.UTC)
	for _, to := range []kind{maildir, cyrusUnix, courierIMAP} {
		t.Run(to.name, func(t *testing.T) {
			t.Parallel()
			m := startRelocation(t, sdbox, to)
			c := m.old.Client(anna)
			for i, date := range []time.Time{
				time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC), ordinary, time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2107, 1, 1, 0, 0, 0, 0, time.UTC),
			} {
				msg := lab.Generate(uint64(i+1), 1, 700)[0]
				msg.Date = date
				if err := lab.Append(c, "INBOX", msg); err != nil {
					t.Fatal(err)
				}
			}
			if p := m.pass(); p.Copied != 4 || !p.Complete || p.Quarantined > 0 {
				t.Errorf("%+v", p)
			}
			kept := 0
			for _, msg := range m.new.Snapshot(anna).Folders["INBOX"].Messages {
				if msg.Date.Equal(ordinary) {
					kept++
				}
			}
			if kept != 1 {
				t.Errorf("%d copies with the ordinary date", kept)
			}
			if p := m.pass(); p.Copied != 0 || !p.Complete {
				t.Errorf("second pass: %+v", p)
			}
		})
	}
}
