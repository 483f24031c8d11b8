package syncer_test

import (
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
)

// TestWayBackBetweenServers: after the switch mail arrives at both servers, over several passes. Both have it once, as it
// is; what the old server had before is untouched, flags, UIDs and \Recent included.
func TestWayBackBetweenServers(t *testing.T) {
	for _, pair := range [][2]kind{{maildir, sdbox}, {courierIMAP, cyrusUnix}} {
		t.Run(pair[0].name+" and "+pair[1].name, func(t *testing.T) {
			t.Parallel()
			m := startRelocationWith(t, pair[0], pair[1], func(c *config.Config) { c.Domains[0].WayBack = true })
			m.mailAt(m.old, 1, 4)
			m.mailAt(m.new, 100, 2) // was there before
			m.pass()
			before := m.old.Snapshot(anna).Folders["INBOX"]
			if err := m.store.NoteNames(t.Context(), "example.com", store.NamesSeen{When: time.Now(), MX: time.Now().Add(-time.Minute)}); err != nil {
				t.Fatal(err)
			}
			for round := range 2 {
				m.mailAt(m.new, 200+10*round, 3)
				m.mailAt(m.old, 300+10*round, 2)
				m.pass()
				m.pass()
				m.wantBothWays(before, 5*(round+1))
			}
		})
	}
}

// mailAt brings some messages to INBOX at a server.
func (m *relocation) mailAt(s mailServer, seed, n int) {
	m.Helper()
	c := s.Client(anna)
	defer c.Close()
	for _, msg := range lab.Generate(uint64(seed), n, 700) {
		if slices.Contains(msg.Flags, imap.FlagDraft) {
			msg.Flags = nil // drafts don't go back
		}
		if err := lab.Append(c, "INBOX", msg); err != nil {
			m.Fatal(err)
		}
	}
}

// wantBothWays wants INBOX to have so many messages more at the old server than before, and at the new one the same ones and the
// two that were there from the start.
func (m *relocation) wantBothWays(before *lab.FolderSnapshot, more int) {
	m.Helper()
	old, moved := m.old.Snapshot(anna).Folders["INBOX"], m.new.Snapshot(anna).Folders["INBOX"]
	n := len(before.Messages)
	if old.UIDValidity != before.UIDValidity || len(old.Messages) != n+more || !slices.EqualFunc(old.Messages[:n], before.Messages, sameMessage) {
		m.Fatalf("old: %d messages, %d before and %d since then:\n%+v\n%+v", len(old.Messages), n, more, before.Messages, old.Messages)
	}
	sums := map[string]int{}
	for _, x := range moved.Messages {
		sums[x.Sum]++
	}
	for _, x := range old.Messages {
		sums[x.Sum]--
	}
	extra := 0
	for sum, n := range sums {
		if extra += n; n != 0 && n != 1 {
			m.Errorf("%s: %d more at the new server", sum, n)
		}
	}
	if extra != 2 || len(moved.Messages) != len(old.Messages)+2 {
		m.Errorf("%d messages at the old server, %d at the new one, %d of them there only", len(old.Messages), len(moved.Messages), extra)
	}
	for _, x := range old.Messages[n:] {
		at := slices.IndexFunc(moved.Messages, func(y lab.MessageSnapshot) bool { return y.Sum == x.Sum })
		if at < 0 || !moved.Messages[at].Date.Equal(x.Date) || slices.Contains(x.Flags, imap.FlagSeen) != slices.Contains(moved.Messages[at].Flags, imap.FlagSeen) {
			m.Errorf("%+v is another one at the new server", x)
		}
	}
}

func sameMessage(a, b lab.MessageSnapshot) bool {
	return a.UID == b.UID && a.Recent == b.Recent && slices.Equal(a.Flags, b.Flags) && a.Date.Equal(b.Date) && a.Size == b.Size && a.Sum == b.Sum
}
