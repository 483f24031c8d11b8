package main

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"go.uber.org/goleak"
)

// TestDemoOnce takes the whole tour.
func TestDemoOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	start := time.Now()
	status, stdout, stderr := postferry(t, "", "demo", "--once")
	if status != exitOK || stderr != "" {
		t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
	}
	for _, want := range []string{"enrolled", "Österreich", "Opened through Postferry: 9 messages", "Copied nothing", "every step was checked"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if took := time.Since(start); took > patience {
		t.Errorf("it took %s", took)
	}
}

// TestDemoPage enters the page with what the demo prints, and sees accounts
// there: some that move and some that wait.
func TestDemoPage(t *testing.T) {
	s, err := newStage(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	page, err := s.openPage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s.invite(&out, page)
	for _, want := range []string{page.url, page.name, page.password.Reveal()} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	api := loginPage(t, page.url, page.name, page.password.Reveal())
	for limit := time.Now().Add(20 * time.Second); ; <-time.After(20 * time.Millisecond) {
		var d pageDomain
		api.get("/domains/example.org", &d)
		if d.Totals.Waiting == len(demoWaiting) && d.Totals.Running > 0 && d.Totals.Copied > 0 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("totals %+v", d.Totals)
		}
	}
}

// TestDemoNotices wants the tour to fail where the stage is not what it says.
func TestDemoNotices(t *testing.T) {
	s, err := newStage(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.new.put("Sent", newDemoMessage("Already there", "x@example.org", time.Now())); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = newTour(s, &out).take(t.Context())
	if err == nil || !strings.Contains(out.String(), "NOT AS IT SHOULD BE: the new server has 1 message already") {
		t.Errorf("%v\n%s", err, &out)
	}
}

// TestDemoMail reads the old server's sample mail back as it was put there.
func TestDemoMail(t *testing.T) {
	s := &stage{}
	defer s.close()
	if err := s.startServers(0); err != nil {
		t.Fatal(err)
	}
	e, err := s.old.open()
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	all, err := e.contents()
	if err != nil {
		t.Fatal(err)
	}
	for part, f := range demoFolders() {
		var want mailboxContents
		for _, m := range demoMail(f, part) {
			want = append(want, seenMessage{flags: flagText(m.flags), date: m.date, raw: m.raw})
		}
		if err := want.same(all[f.name]); err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
		if got := want[0].subject(); got != f.subjects[0] {
			t.Errorf("the subject %q reads %q", f.subjects[0], got)
		}
	}
}

// TestContentsDiffer wants every difference between two folders to be seen.
func TestContentsDiffer(t *testing.T) {
	date := time.Date(2026, time.May, 4, 10, 0, 0, 0, time.UTC)
	a := mailboxContents{{flags: `\seen`, date: date, raw: []byte("one")}}
	for name, b := range map[string]mailboxContents{
		"missing": nil,
		"extra":   append(a[:1:1], a[0]),
		"bytes":   {{flags: `\seen`, date: date, raw: []byte("One")}},
		"flags":   {{flags: "", date: date, raw: []byte("one")}},
		"date":    {{flags: `\seen`, date: date.Add(time.Second), raw: []byte("one")}},
	} {
		if a.same(b) == nil {
			t.Errorf("%s: not seen", name)
		}
	}
	if err := a.same(mailboxContents{a[0]}); err != nil {
		t.Error(err)
	}
}

// TestDemoServerRanges: the demo's servers are asked for more numbers than there are messages.
func TestDemoServerRanges(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{0, time.Millisecond} {
		s, err := startDemoServer(demoLogin, demoPassword, []string{"INBOX"}, pause)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.close)
		for _, m := range demoMail(demoFolders()[0], 0)[:3] {
			if err := s.put("INBOX", m); err != nil {
				t.Fatal(err)
			}
		}
		e, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.close)
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
