package syncer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/report"
	"postferry/syncer/message"
	"postferry/wire"
)

// oddDates are dates that not every server can hold.
var oddDates = []string{
	"30-Dec-1899 00:00:00 +0000", "01-Jan-0001 00:00:01 +0000", "13-Dec-1901 00:00:00 +0000", "31-Dec-1969 23:59:59 +0000",
	"01-Feb-2107 00:00:00 +0000", "31-Dec-9999 23:59:59 +0000", "01-Jan-1970 00:00:00 +0000",
}

func beyond(date string) bool {
	t, ok := wire.ParseDate(date)
	return !ok || t.Before(message.FirstHoldable) || t.After(time.Now())
}

// TestOddDates: whether a new server keeps dates is judged by a message that any server can
// hold, and one with another date is not given up for that.
func TestOddDates(t *testing.T) {
	for name, server := range map[string]func(_ *lab.OddConn, m *lab.OddMessage) string{
		"makes others of them": func(_ *lab.OddConn, m *lab.OddMessage) string {
			if beyond(m.Date) {
				m.Date = "13-Dec-1901 20:45:52 +0000"
			}
			return ""
		},
		"refuses them": func(_ *lab.OddConn, m *lab.OddMessage) string {
			if beyond(m.Date) {
				return "BAD Invalid date-time in Append command"
			}
			return ""
		},
		"refuses them without a reason": func(_ *lab.OddConn, m *lab.OddMessage) string {
			if beyond(m.Date) {
				return "NO Error in IMAP command received by server."
			}
			return ""
		},
	} {
		for _, date := range oddDates {
			t.Run(name+"/"+date, func(t *testing.T) {
				t.Parallel()
				r := newOddRigWith(t, lab.OddOptions{}, lab.OddOptions{Append: server}, map[string]int{})
				r.old.Deliver("INBOX", "Message-ID: <1@x>\r\nSubject: without a date\r\n\r\nText\r\n", date, `\Seen`)
				r.old.Deliver("INBOX", "Message-ID: <2@x>\r\nDate: Mon, 4 Mar 2019 10:00:05 +0000\r\n\r\nText\r\n", date)
				r.old.Deliver("INBOX", "Message-ID: <3@x>\r\n\r\nText\r\n", oddDay(1))
				r.start(false)
				r.complete(3)
				got := r.new.Messages("INBOX")
				if len(got) != 3 {
					t.Fatalf("%d messages", len(got))
				}
				for _, m := range got {
					d, _ := wire.ParseDate(m.Date)
					switch {
					case strings.Contains(m.Body, "<3@x>"):
						if want, _ := wire.ParseDate(oddDay(1)); !d.Equal(want) {
							t.Errorf("the ordinary date became %s", m.Date)
						}
					case strings.Contains(name, "refuses") && d.After(time.Now()):
						t.Errorf("%s became %s", date, m.Date)
					case strings.Contains(name, "refuses") && strings.Contains(m.Body, "<2@x>") && d.Year() != 2019:
						t.Errorf("not the message's own date, but %s", m.Date)
					}
				}
				r.complete(0)
				found, account := r.verify(false)
				if account.Problem != "" || len(found[report.Dated]) > 0 || len(found[report.Mended])+int(account.Same) != 3 {
					t.Errorf("verify: %+v, %+v", account, found)
				}
			})
		}
	}
}

// TestLostDatesBehindAnOddOne: a server that keeps no dates is found out by the first
// message with an ordinary one.
func TestLostDatesBehindAnOddOne(t *testing.T) {
	r := newOddRigWith(t, lab.OddOptions{}, lab.OddOptions{Append: func(_ *lab.OddConn, m *lab.OddMessage) string { m.Date = ""; return "" }}, map[string]int{})
	for i := range 3 {
		r.old.Deliver("INBOX", fmt.Sprintf("Message-ID: <%d@x>\r\n\r\nText\r\n", i), oddDates[i])
	}
	r.old.Deliver("INBOX", "Message-ID: <3@x>\r\n\r\nText\r\n", oddDay(1))
	r.start(false)
	if p := r.sync().Problem; p == nil || !strings.Contains(p.Cause, "given 2019-03-") {
		t.Errorf("problem %+v", p)
	}
}
