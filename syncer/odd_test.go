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
	literal  = regexp.MustCompile(`BODY\[\] \{([0-9]+)\}`)
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
