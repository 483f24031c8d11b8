package syncer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postferry/internal/lab"
)

// without takes words out of a list of capabilities.
func capsWithout(names ...string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(lab.OddCaps), func(c string) bool { return slices.Contains(names, c) }), " ")
}

var (
	uidItem  = regexp.MustCompile(`UID [0-9]+ ?`)
	dateItem = regexp.MustCompile(`INTERNALDATE "[^"]*"`)
)

// TestHarmlessOddities: what a tolerant reader and a careful writer needn't
// even notice. Everything arrives once, and a second pass finds nothing to do.
func TestHarmlessOddities(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new lab.OddOptions
	}{
		{name: "none"},
		{name: "unknown responses", old: lab.OddOptions{Noise: "* XYZZY (a {3}\r\nabc b) 5\r\n* 7 FROBNICATE\r\n\r\n* OK [X-ODD (] \x01\r\n* 99 EXPUNGE\r\n"},
			new: lab.OddOptions{Noise: "* 3 RECENT\r\n* OK still here\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* VANISHED (EARLIER) 41,43:116\r\n"}},
		{name: "unknown items", old: lab.OddOptions{Fetch: func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
			return strings.Replace(response, "(UID", `(X-GM-LABELS (\Inbox "a b" {2}`+"\r\n"+`xy) SAVEDATE NIL EMAILID (M1) UID`, 1)
		}}},
		{name: "split FETCH", old: lab.OddOptions{Fetch: splitFetch}, new: lab.OddOptions{Fetch: splitFetch}},
		{name: "UID at the end", old: lab.OddOptions{Fetch: func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
			head, items, _ := strings.Cut(uidItem.ReplaceAllString(response, ""), "FETCH (")
			return head + "FETCH (" + strings.TrimSuffix(items, ")\r\n") + fmt.Sprintf(" UID %d)\r\n", m.UID)
		}}},
		{name: "lower case", old: lab.OddOptions{Fetch: func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
			return strings.NewReplacer("FETCH", "Fetch", "UID", "uid", "FLAGS", "Flags", "INTERNALDATE", "InternalDate", "RFC822.SIZE", "rfc822.size").Replace(response)
		}}},
		{name: "flags of other messages in between", old: lab.OddOptions{Fetch: func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
			return "* 1 FETCH (FLAGS (\\Recent))\r\n" + response
		}}},
		{name: "wrong sizes", old: lab.OddOptions{Fetch: func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
			return regexp.MustCompile(`RFC822.SIZE [0-9]+`).ReplaceAllString(response, "RFC822.SIZE 17")
		}}},
		{name: "old without extensions", old: lab.OddOptions{Caps: "IMAP4rev1"}},
		{name: "new without extensions", new: lab.OddOptions{Caps: "IMAP4rev1"}},
		{name: "MULTIAPPEND is a lie", new: lab.OddOptions{Caps: capsWithout("MULTIAPPEND"), Lies: "MULTIAPPEND"}},
		{name: "LITERAL+ is a lie", new: lab.OddOptions{Caps: capsWithout("LITERAL+"), Lies: "LITERAL+"}},
		{name: "LITERAL+ and MULTIAPPEND are lies", new: lab.OddOptions{Caps: capsWithout("LITERAL+", "MULTIAPPEND"), Lies: "LITERAL+ MULTIAPPEND"}},
		{name: "UIDPLUS is a lie", new: lab.OddOptions{Caps: capsWithout("UIDPLUS"), Lies: "UIDPLUS"}},
		{name: "CONDSTORE is a lie", old: lab.OddOptions{Caps: capsWithout("CONDSTORE"), Lies: "CONDSTORE QRESYNC"}, new: lab.OddOptions{Caps: capsWithout("CONDSTORE"), Lies: "CONDSTORE"}},
		{name: "LIST-STATUS is a lie", old: lab.OddOptions{Caps: capsWithout("LIST-STATUS"), Lies: "LIST-STATUS"}, new: lab.OddOptions{Caps: capsWithout("LIST-EXTENDED"), Lies: "LIST-EXTENDED"}},
		{name: "STATUS=SIZE is a lie", old: lab.OddOptions{Caps: capsWithout("LIST-STATUS"), Lies: "STATUS=SIZE"}, new: lab.OddOptions{Lies: "STATUS=SIZE"}},
		{name: "ID before a folder is opened", old: lab.OddOptions{Answer: wantsID}, new: lab.OddOptions{Answer: wantsID}},
		{name: "ID before a folder is opened, but not announced", old: lab.OddOptions{Caps: capsWithout("ID"), Answer: wantsID}},
		{name: "the new server hangs up after ten commands", new: lab.OddOptions{Answer: hangUpAfter(10)}},
		{name: "the old server hangs up after ten commands", old: lab.OddOptions{Answer: hangUpAfter(10)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newOddRig(t, tt.old, tt.new)
			r.start(false)
			r.complete(oddTotal())
			r.complete(0)
			r.arrived(nil)
		})
	}
}

// splitFetch tells of a message in two responses, as iCloud and Exchange do.
func splitFetch(_ *lab.OddConn, m *lab.OddMessage, response string) string {
	if !strings.Contains(response, "INTERNALDATE") {
		return response
	}
	date := dateItem.FindString(response)
	number, _, _ := strings.Cut(response[2:], " ")
	return strings.Replace(response, date+" ", "", 1) + fmt.Sprintf("* %s FETCH (UID %d %s)\r\n", number, m.UID, date)
}

// wantsID is 163.com.
func wantsID(c *lab.OddConn) string {
	if (c.Verb == "EXAMINE" || c.Verb == "SELECT") && !c.Identified {
		return "NO " + c.Verb + " Unsafe Login. Please contact kefu@188.com for help"
	}
	return ""
}

// hangUpAfter lets a connection run so many commands.
func hangUpAfter(n int) func(c *lab.OddConn) string {
	return func(c *lab.OddConn) string {
		if c.Commands > n {
			return "* BYE this session has had its time"
		}
		return ""
	}
}

// oddlyAnswered makes the bodies' FETCH responses of INBOX's odd message odd.
func oddlyAnswered(fn func(c *lab.OddConn, response string) string) lab.OddOptions {
	return lab.OddOptions{Fetch: func(c *lab.OddConn, m *lab.OddMessage, response string) string {
		if c.Folder() != "INBOX" || !isOdd(m.Body) || !c.AsksFor(m.UID) {
			return response
		}
		return fn(c, response)
	}}
}

// announce changes the size that a body is announced with.
func announce(by int) func(*lab.OddConn, string) string {
	return func(_ *lab.OddConn, response string) string {
		at := strings.Index(response, "BODY[] {")
		var size int
		fmt.Sscanf(response[at:], "BODY[] {%d}", &size)
		return strings.Replace(response, fmt.Sprintf("{%d}", size), fmt.Sprintf("{%d}", size+by), 1)
	}
}

// oddlyAsked answers for the odd message when it is asked for.
func oddlyAsked(text string) lab.OddOptions {
	return lab.OddOptions{Answer: func(c *lab.OddConn) string {
		if c.Folder() == "INBOX" && c.AsksFor(oddOne) {
			return text
		}
		return ""
	}}
}

// TestOddMessages: a message that can't be had or given keeps none of the
// others, and is copied as soon as it can be.
func TestOddMessages(t *testing.T) {
	for _, tt := range []struct {
		name          string
		old, new      lab.OddOptions
		reason, cause string
		again         bool // tried again by itself
	}{
		{name: "OK and no body", old: oddlyAnswered(func(*lab.OddConn, string) string { return "" }),
			reason: "lists this message but does not deliver it", cause: "FETCH brought no body"},
		{name: "NIL for a body", old: oddlyAnswered(func(*lab.OddConn, string) string { return "* 10 FETCH (UID 10 BODY[] NIL)\r\n" }),
			reason: "lists this message but does not deliver it", cause: "FETCH brought no body"},
		{name: "NO", old: oddlyAsked("NO it is damaged"), reason: "does not deliver it", cause: "it is damaged"},
		{name: "NO [UNAVAILABLE]", old: oddlyAsked("NO [UNAVAILABLE] FETCH Server error - Please try again later"),
			reason: "can't deliver this message at the moment", cause: "try again later", again: true},
		{name: "NO [SERVERBUG]", old: oddlyAsked("NO [SERVERBUG] oops"), reason: "at the moment", cause: "oops", again: true},
		{name: "BYE", old: oddlyAsked("* BYE internal error"), reason: "connection with the old server breaks each time", cause: "broke", again: true},
		{name: "a short literal", old: oddlyAnswered(announce(50)), reason: "breaks each time", cause: "broke", again: true},
		{name: "a long literal", old: oddlyAnswered(announce(-50)), reason: "breaks each time", cause: "broke", again: true},
		{name: "cut within", old: oddlyAnswered(func(c *lab.OddConn, response string) string { c.HangUp(); return response[:len(response)-40] }),
			reason: "breaks each time", cause: "broke", again: true},
		{name: "refused", new: lab.OddOptions{Append: oddlyGiven("NO I don't like it")}, reason: "new server refuses this message", cause: "don't like it"},
		{name: "BAD", new: lab.OddOptions{Append: oddlyGiven("BAD I don't like it")}, reason: "new server refuses this message", cause: "don't like it"},
		{name: "not now", new: lab.OddOptions{Append: oddlyGiven("NO [UNAVAILABLE] not now")}, reason: "new server can't take this message at the moment", cause: "not now", again: true},
		{name: "BYE on APPEND", new: lab.OddOptions{Append: oddlyGiven("* BYE panic")}, reason: "connection with the new server breaks each time", cause: "broke", again: true},
		{name: "BYE on single APPEND", new: lab.OddOptions{Caps: "IMAP4rev1 UIDPLUS", Append: oddlyGiven("* BYE panic")}, reason: "connection with the new server breaks each time", cause: "broke", again: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newOddRig(t, tt.old, tt.new)
			r.start(false)
			lost := func(folder, body string) bool { return folder == "INBOX" && isOdd(body) }
			r.complete(oddTotal() - 1)
			r.arrived(lost)
			q := r.quarantined()
			if len(q) != 1 || !strings.Contains(q[0].Reason, tt.reason) || !strings.Contains(q[0].Cause, tt.cause) || q[0].Again != tt.again {
				t.Fatalf("quarantine: %+v", q)
			}
			r.complete(0)
			r.arrived(lost)
			if again := r.quarantined(); len(again) != 1 || again[0].Attempts > q[0].Attempts != tt.again || !again[0].Since.Equal(q[0].Since) {
				t.Errorf("quarantine after a second pass: %+v, before %+v", again, q)
			}
			for _, s := range []*lab.Odd{r.old, r.new} {
				s.Change(func(opt *lab.OddOptions) { opt.Answer, opt.Fetch, opt.Append = nil, nil, nil })
			}
			if !tt.again {
				return
			}
			r.complete(1)
			r.arrived(nil)
			if q := r.quarantined(); len(q) > 0 {
				t.Errorf("quarantine at the end: %+v", q)
			}
			r.complete(0)
		})
	}
}

// oddlyGiven answers an APPEND of the odd message.
func oddlyGiven(text string) func(c *lab.OddConn, m *lab.OddMessage) string {
	return func(_ *lab.OddConn, m *lab.OddMessage) string {
		if isOdd(m.Body) {
			return text
		}
		return ""
	}
}
