package syncer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"postferry/internal/lab"
	"postferry/store"
)

// loses takes flags from messages that are appended.
func loses(flags ...string) func(*lab.OddConn, *lab.OddMessage) string {
	return func(_ *lab.OddConn, m *lab.OddMessage) string {
		m.Flags = slices.DeleteFunc(m.Flags, func(f string) bool { return slices.Contains(flags, f) })
		return ""
	}
}

// TestFlagsThatAppendLoses: Exchange takes a message with \Flagged and keeps it
// without. That is seen at the first one and mended for all, also for those that
// come later, with and without the extensions that make it easy.
func TestFlagsThatAppendLoses(t *testing.T) {
	for _, caps := range []string{"", "IMAP4rev1 UIDPLUS", "IMAP4rev1 LITERAL+ MULTIAPPEND"} {
		for _, lost := range [][]string{{`\Flagged`}, {`\Flagged`, `\Seen`, "$Label1"}} {
			t.Run(fmt.Sprint(caps, lost), func(t *testing.T) {
				t.Parallel()
				r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{Caps: caps, Append: loses(lost...)})
				r.start(false)
				r.complete(oddTotal())
				r.arrived(nil)
				r.old.Deliver("Work", "Subject: a straggler\r\n\r\n", oddDay(1), `\Flagged`)
				r.complete(1)
				r.arrived(nil)
				stores := r.new.Count("UID STORE")
				r.complete(0)
				r.arrived(nil)
				if n := r.new.Count("UID STORE"); n != stores {
					t.Errorf("%d more changes of flags", n-stores)
				}
			})
		}
	}
}

// TestFewLooksAtCopies: copies are looked at many at a time.
func TestFewLooksAtCopies(t *testing.T) {
	r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{})
	for i := range 350 {
		r.old.Deliver("INBOX", oddMail("more", i), oddDay(i), oddFlags(i)...)
	}
	r.start(false)
	r.complete(oddTotal() + 350)
	r.arrived(nil)
	if n := r.new.Count("UID FETCH"); n > 3*len(oddFolders) {
		t.Errorf("%d looks at %d folders", n, len(oddFolders))
	}
	looks := r.new.Count("UID FETCH")
	r.old.Deliver("Work", "Subject: a straggler\r\n\r\n", oddDay(1), `\Seen`)
	r.complete(1)
	if n := r.new.Count("UID FETCH"); n != looks+4 { // at the newest copies there, the spot checks of two folders, and the straggler's copy
		t.Errorf("%d looks for a straggler", n-looks)
	}
}

// TestForeseenCopies: a folder's first copies are asked for by the UIDs they should get,
// before the server has told them. If it gives others, or has looked before it stored
// them, what it loses is noticed all the same.
func TestForeseenCopies(t *testing.T) {
	for _, other := range []bool{true, false} {
		t.Run(fmt.Sprint(other), func(t *testing.T) {
			t.Parallel()
			var nu *lab.Odd
			odd := map[string]bool{}
			answer := func(c *lab.OddConn) string {
				switch {
				case other && c.Verb == "APPEND" && !odd[c.Args[0]]: // a message comes and goes
					odd[c.Args[0]] = true
					nu.Deliver(c.Args[0], "Subject: short\r\n\r\n", "")
					nu.Remove(c.Args[0], "Subject: short\r\n\r\n")
				case !other && c.Verb == "UID FETCH" && !odd[c.Folder()]:
					odd[c.Folder()] = true
					return "OK nothing there"
				}
				return ""
			}
			r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{Answer: answer, Append: loses(`\Flagged`)})
			nu = r.new
			r.start(false)
			r.complete(oddTotal())
			r.arrived(nil)
			if len(odd) != len(oddFolders) {
				t.Errorf("odd in %v only", odd)
			}
		})
	}
}

// TestLostDates: a new server that gives copies the date of today can't be
// mended later, so it is said loudly, and stays said.
func TestLostDates(t *testing.T) {
	r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{Append: func(_ *lab.OddConn, m *lab.OddMessage) string { m.Date = ""; return "" }})
	r.start(false)
	res := r.sync()
	p := res.Problem
	if !res.Pass.Complete || res.Pass.Copied != oddTotal() || p == nil || p.Kind != store.WrongDates || p.Server != store.NewSide || p.Advice != store.RetryLater {
		t.Fatalf("%+v, problem %+v", res.Pass, p)
	}
	if !strings.Contains(p.Summary.String(), "does not keep the dates") || !strings.Contains(p.Cause, "given 2019-03-") || !strings.Contains(p.Cause, "it has 2024-02-03") {
		t.Errorf("problem %+v", p)
	}
	a, err := r.store.AccountByID(t.Context(), r.account.ID)
	if err != nil || a.Problem == nil || a.Problem.Kind != store.WrongDates {
		t.Errorf("recorded: %+v, %v", a.Problem, err)
	}
}

// TestUntoldDates: of a message whose date the old server does not tell, or tells
// in a way that nobody understands, the header's date is taken.
func TestUntoldDates(t *testing.T) {
	for name, date := range map[string]string{"none": "", "NIL": "INTERNALDATE NIL", "nonsense": `INTERNALDATE "yesterday"`, "year 0": `INTERNALDATE "01-Jan-0000 00:00:00 +0000"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newOddRig(t, lab.OddOptions{Fetch: func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
				return dateItem.ReplaceAllString(response, date)
			}}, lab.OddOptions{})
			body := "Received: from a by b; Tue, 05 Mar 2019 10:00:00 +0100\r\nSubject: x\r\n\r\n" + strings.Repeat("x", 2<<20)
			r.old.Create("Dated")
			for _, b := range []string{body, body[:200]} {
				r.old.Deliver("Dated", b, "")
			}
			r.start(false)
			r.complete(oddTotal() + 2)
			for _, m := range r.new.Messages("Dated") {
				if strings.TrimSpace(m.Date) != "5-Mar-2019 10:00:00 +0100" {
					t.Errorf("%d octets got the date %q", len(m.Body), m.Date)
				}
			}
		})
	}
}

// TestPermanentFlags: a folder that can't keep keywords is given none, and one
// that keeps some is given those.
func TestPermanentFlags(t *testing.T) {
	for _, tt := range []struct{ permanent, want string }{
		{`\Seen \Flagged \Answered \Deleted \Draft`, ""},
		{`\Seen \Flagged \Answered \Deleted \Draft $Label1`, "$Label1"},
		{`\Seen \Flagged \Answered \Deleted \Draft \*`, "$Label1 $Label2"},
	} {
		for _, caps := range []string{"", "IMAP4rev1"} {
			given := map[string]bool{}
			r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{Caps: caps, PermanentFlags: tt.permanent, Append: func(_ *lab.OddConn, m *lab.OddMessage) string {
				for _, f := range m.Flags {
					given[f] = true
				}
				return ""
			}})
			r.old.Deliver("INBOX", "Subject: another\r\n\r\n", oddDay(1), "$Label2", `\Seen`)
			r.start(false)
			r.complete(oddTotal() + 1)
			var keywords []string
			for f := range given {
				if f[0] != '\\' {
					keywords = append(keywords, f)
				}
			}
			slices.Sort(keywords)
			if got := strings.Join(keywords, " "); got != tt.want {
				t.Errorf("%s: given %q", tt.permanent, got)
			}
			r.complete(0)
			if n := len(r.new.Messages("INBOX")); n != oddFolders["INBOX"]+1 {
				t.Errorf("%d messages", n)
			}
		}
	}
}

// TestInvalidFlag: the flag that the new server refuses at APPEND is left out and that is
// recorded; it is stored afterwards, and all messages arrive.
func TestInvalidFlag(t *testing.T) {
	refuses := func(words string, bad ...string) func(*lab.OddConn, *lab.OddMessage) string {
		return func(_ *lab.OddConn, m *lab.OddMessage) string {
			for _, f := range bad {
				if slices.Contains(m.Flags, f) {
					return fmt.Sprintf(words, f)
				}
			}
			if strings.Contains(m.Body, "\x00") {
				return "NO Message contains NUL characters"
			}
			return ""
		}
	}
	for _, tt := range []struct {
		name, words string
		bad         []string
		body, what  string
	}{
		{"named", "BAD Invalid flag %s.", []string{"$NotJunk"}, "Subject: x\r\n\r\n", "flags left out: $NotJunk"},
		{"not named", "NO Keywords are not supported%.0s", []string{"$NotJunk", "$Label1"}, "Subject: x\r\n\r\n", "keywords left out"},
		{"two", "NO [CANNOT] Invalid system flag %s", []string{"$NotJunk", "$Label1"}, "Subject: x\r\n\r\n", "flags left out: $NotJunk, flags left out: $Label1"},
		{"and the message, too", "NO Invalid flag %s", []string{"$NotJunk"}, "Subject: x\r\n\r\n\x00\r\n", "flags left out: $NotJunk, NUL octets replaced by 0x80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{Append: refuses(tt.words, tt.bad...)})
			r.old.Create("Flags")
			r.old.Deliver("Flags", tt.body, "", "$NotJunk", "$Label1", `\Seen`)
			r.old.Deliver("Flags", "Subject: y\r\n\r\n", "", `\Seen`)
			r.start(false)
			if res := r.sync(); !res.Pass.Complete || res.Pass.Quarantined > 0 {
				t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
			}
			l := r.ledger("Flags")
			if len(l.Repaired) != 1 || l.Repaired[0].What.String() != tt.what {
				t.Errorf("repaired: %+v", l.Repaired)
			}
			found := 0
			for _, m := range r.new.Messages("Flags") {
				if strings.Contains(m.Body, "Subject: x") {
					found++
					if !slices.Equal(m.Flags, []string{"$Label1", "$NotJunk", `\Seen`}) { // stored afterwards
						t.Errorf("flags %v", m.Flags)
					}
				}
			}
			if found != 1 || len(r.new.Messages("Flags")) != 2 {
				t.Errorf("%d copies", found)
			}
			r.complete(0)
		})
	}
}
