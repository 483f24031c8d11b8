package servers

import (
	"math"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// TestDemoMail reads the old server's sample mail back as it was put there.
func TestDemoMail(t *testing.T) {
	s, err := Start(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e, err := s.Old.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	all, err := e.Contents()
	if err != nil {
		t.Fatal(err)
	}
	for part, f := range Folders() {
		var want Contents
		for _, m := range messages(f, part) {
			want = append(want, SeenMessage{flags: flagText(m.flags), date: m.Date, Raw: m.Raw})
		}
		if err := want.Same(all[f.Name]); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		if got := want[0].Subject(); got != f.Subjects[0] {
			t.Errorf("the subject %q reads %q", f.Subjects[0], got)
		}
	}
}

// TestContentsDiffer wants every difference between two folders to be seen.
func TestContentsDiffer(t *testing.T) {
	date := time.Date(2026, time.May, 4, 10, 0, 0, 0, time.UTC)
	a := Contents{{flags: `\seen`, date: date, Raw: []byte("one")}}
	for name, b := range map[string]Contents{
		"missing": nil,
		"extra":   append(a[:1:1], a[0]),
		"bytes":   {{flags: `\seen`, date: date, Raw: []byte("One")}},
		"flags":   {{flags: "", date: date, Raw: []byte("one")}},
		"date":    {{flags: `\seen`, date: date.Add(time.Second), Raw: []byte("one")}},
	} {
		if a.Same(b) == nil {
			t.Errorf("%s: not seen", name)
		}
	}
	if err := a.Same(Contents{a[0]}); err != nil {
		t.Error(err)
	}
}

// TestDemoServerRanges: the demo's servers are asked for more numbers than there are messages.
func TestDemoServerRanges(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{0, time.Millisecond} {
		s, err := startServer(Login, Password, []string{"INBOX"}, pause)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.close)
		for _, m := range messages(Folders()[0], 0)[:3] {
			if err := s.Put("INBOX", m); err != nil {
				t.Fatal(err)
			}
		}
		e, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		c := e.client
		if _, err := c.Select("INBOX", nil).Wait(); err != nil {
			t.Fatal(err)
		}
		for _, set := range []imap.NumSet{
			imap.UIDSet{{Start: 2, Stop: math.MaxUint32}}, imap.UIDSet{{Start: 1, Stop: 1}, {Start: 3, Stop: 0}}, imap.SeqSet{{Start: 2, Stop: 0}},
		} {
			got, err := c.Fetch(set, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
			if err != nil || len(got) != 2 {
				t.Errorf("%v with a pause of %s: %d messages, %v; want 2", set, pause, len(got), err)
			}
		}
	}
}
