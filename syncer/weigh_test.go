package syncer

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postferry/internal/lab"
	"postferry/report"
	"postferry/syncer/message"
)

// weighMails are messages that are all alike but for their numbers and sizes.
func weighMail(n int) string {
	return fmt.Sprintf("Message-ID: <%d@example.com>\r\nFrom: a@example.com\r\nSubject: message %d;\r\n\r\n%s", n, n, strings.Repeat("a line of text\r\n", 10+n))
}

func newWeighRig(t *testing.T, n int, opt lab.OddOptions) *oddRig {
	t.Helper()
	r := newOddRigWith(t, lab.OddOptions{}, opt, map[string]int{"Work": 3})
	for i := range n {
		r.old.Deliver("INBOX", weighMail(i), oddDay(i), oddFlags(i)...)
	}
	return r
}

// changesBody lets a new server store a message of INBOX in another way.
func changesBody(only func(body string) bool, change func(body string) string) func(*lab.OddConn, *lab.OddMessage) string {
	return func(c *lab.OddConn, m *lab.OddMessage) string {
		if c.Folder() == "INBOX" && only(m.Body) {
			m.Body = change(m.Body)
		}
		return ""
	}
}

func everyMail(string) bool { return true }

func ofMessages(numbers ...int) func(string) bool {
	return func(body string) bool {
		for _, n := range numbers {
			if strings.Contains(body, fmt.Sprintf("Subject: message %d;", n)) {
				return true
			}
		}
		return false
	}
}

// TestDamagedCopies: a message that the new server has taken and stored in part, or as
// another one, is not copied; the others are.
func TestDamagedCopies(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"cut off":   func(body string) string { return body[:len(body)/2] },
		"one line":  func(body string) string { return body[:len(body)-16] },
		"empty":     func(string) string { return "" },
		"header":    func(body string) string { return body[:strings.Index(body, "\r\n\r\n")+4] },
		"another":   func(string) string { return weighMail(500) },
		"no header": func(body string) string { return body[strings.Index(body, "\r\n\r\n")+4:] },
	} {
		for _, caps := range []string{"", "IMAP4rev1 UIDPLUS LITERAL+"} {
			t.Run(name+caps, func(t *testing.T) {
				t.Parallel()
				r := newWeighRig(t, 40, lab.OddOptions{Caps: caps, Append: changesBody(ofMessages(7, 23), change)})
				r.start(false)
				res := r.sync()
				if res.Pass.Copied != 41 || res.Pass.Quarantined != 2 {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
				for _, q := range r.quarantined() {
					if !strings.Contains(q.Reason.String(), "has not stored this message as it was given") || q.Again {
						t.Errorf("%+v", q)
					}
				}
				if found, account := r.verify(false); account.Problem != "" || account.Same != 41 || len(found[report.Quarantined])+len(found[report.Altered]) < 2 {
					t.Errorf("verify: %+v, %+v", account, found)
				}
				r.complete(0)
			})
		}
	}
}

// TestLawfulSizes: what servers do with line ends, and what they add, is no damage, and
// nothing is copied twice for it.
func TestLawfulSizes(t *testing.T) {
	crlf := func(body string) string {
		return strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\n", "\r\n")
	}
	for name, tt := range map[string]struct {
		old, change func(string) string
	}{
		"bare LF made CRLF":     {func(body string) string { return strings.ReplaceAll(body, "\r\n", "\n") }, crlf},
		"some bare LF":          {func(body string) string { return strings.Replace(body, "\r\n", "\n", 7) }, crlf},
		"CR CR LF":              {func(body string) string { return strings.ReplaceAll(body, "\r\n", "\r\r\n") }, func(body string) string { return strings.ReplaceAll(body, "\r\r\n", "\r\n") }},
		"CRLF made LF":          {nil, func(body string) string { return strings.ReplaceAll(body, "\r\n", "\n") }},
		"NUL":                   {func(body string) string { return body + "\x00\r\n" }, func(body string) string { return strings.ReplaceAll(body, "\x00", "\x80") }},
		"a line end at the end": {func(body string) string { return body + "no end" }, func(body string) string { return body + "\r\n" }},
		"bare CR dropped":       {func(body string) string { return strings.ReplaceAll(body, "a line", "a\rline") }, func(body string) string { return strings.ReplaceAll(body, "a\rline", "aline") }},
		"a field added":         {nil, func(body string) string { return "X-Stored-By: server\r\n" + body }},
		"a field taken away":    {func(body string) string { return "X-UID: 7\r\n" + body }, func(body string) string { return strings.Replace(body, "X-UID: 7\r\n", "", 1) }},
		"written anew":          {nil, func(body string) string { return strings.ReplaceAll(body, "a line", "a  line") }},
	} {
		for _, whom := range []string{"all", "one"} {
			t.Run(name+"/"+whom, func(t *testing.T) {
				t.Parallel()
				only := everyMail
				if whom == "one" {
					only = ofMessages(7)
				}
				r := newWeighRig(t, 0, lab.OddOptions{Append: changesBody(only, tt.change)})
				for i := range 60 {
					body := weighMail(i)
					if tt.old != nil && only(body) {
						body = tt.old(body)
					}
					r.old.Deliver("INBOX", body, oddDay(i), oddFlags(i)...)
				}
				r.start(false)
				r.complete(63)
				if n := len(r.new.Messages("INBOX")); n != 60 {
					t.Errorf("%d messages", n)
				}
				r.complete(0)
				if l := r.ledger("INBOX"); len(l.Intents)+len(l.Quarantine) > 0 {
					t.Errorf("left: %+v, %+v", l.Intents, l.Quarantine)
				}
			})
		}
	}
}

// TestWrongUIDs: a server that tells wrong UIDs of the messages that it was given is found
// out, and the copies are known by those they have.
func TestWrongUIDs(t *testing.T) {
	r := newWeighRig(t, 40, lab.OddOptions{Swapped: true})
	r.start(false)
	r.complete(43)
	byUID := map[uint32]string{}
	for _, m := range r.new.Messages("INBOX") {
		byUID[m.UID] = m.Body
	}
	l := r.ledger("INBOX")
	for _, e := range l.Entries {
		if body := byUID[uint32(e.UID)]; int(e.Size) != len(body) {
			t.Errorf("UID %d has %d octets, the ledger says %d", e.UID, len(body), e.Size)
		}
	}
	if len(l.Entries) != 40 {
		t.Errorf("%d entries", len(l.Entries))
	}
	r.complete(0)
}

// TestRewritingServer: one that changes all messages is known as such before long, and
// nobody keeps on asking.
func TestRewritingServer(t *testing.T) {
	r := newWeighRig(t, 300, lab.OddOptions{Append: changesBody(everyMail, func(body string) string { return "Received: by server\r\n" + strings.ReplaceAll(body, "text", "texts") })})
	r.start(false)
	r.complete(303)
	before := r.new.Count("UID FETCH")
	for i := range 100 {
		r.old.Deliver("INBOX", weighMail(400+i), oddDay(i))
	}
	r.complete(100)
	if n := r.new.Count("UID FETCH") - before; n > 8 {
		t.Errorf("%d looks at 100 more", n)
	}
	if n := len(r.new.Messages("INBOX")); n != 400 {
		t.Errorf("%d messages", n)
	}
}

// TestLineCount: in whatever pieces a message comes, its line ends are counted.
func TestLineCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := []byte(strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"a", "\r", "\n", "\r\n", "bc"})).Draw(t, "body"), ""))
		var l message.LineEnds
		for rest := body; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			l.Count(rest[:n])
			rest = rest[n:]
		}
		if lf, crlf := bytes.Count(body, []byte("\n")), bytes.Count(body, []byte("\r\n")); int(l.LF) != lf || int(l.CRLF) != crlf || int(l.CR) != bytes.Count(body, []byte("\r")) {
			t.Fatalf("%q: %+v, want %d and %d", body, l, lf, crlf)
		}
	})
}

// askedAheadRig has 60 messages in INBOX, of which a new server changes some and is asked for its copies only when the old one
// has been asked for the folder that comes next; late counts the looks at them for which that was not waited for.
func askedAheadRig(t *testing.T, changed func(string) bool, change func(string) string, late *atomic.Int64) *oddRig {
	t.Helper()
	asked := make(chan struct{})
	next := sync.OnceFunc(func() { close(asked) })
	old := lab.OddOptions{Answer: func(c *lab.OddConn) string {
		if c.Verb == "EXAMINE" && c.Args[0] == "Work" {
			next()
		}
		return ""
	}}
	nu := lab.OddOptions{Append: changesBody(changed, change), Answer: func(c *lab.OddConn) string {
		if c.Verb != "UID FETCH" || c.Folder() != "INBOX" {
			return ""
		}
		select {
		case <-asked:
		case <-time.After(patience):
			late.Add(1)
		}
		return ""
	}}
	r := newOddRigWith(t, old, nu, map[string]int{"Work": 3})
	r.cfg.Sync.OldConnections = 2 // one for the pass: nobody else opens the next folder
	for i := range 60 {
		r.old.Deliver("INBOX", uidField+weighMail(i), oddDay(i), oddFlags(i)...)
	}
	return r
}

// uidField is one that servers add for themselves.
const uidField = "X-UID: 7\r\n"

// TestRewrittenAndAskedAhead: that a server changes messages may be seen only when the old server has
// been asked for the folder that comes next. What it has stored are the copies all the same.
func TestRewrittenAndAskedAhead(t *testing.T) {
	var late atomic.Int64
	r := askedAheadRig(t, everyMail, func(body string) string { return strings.ReplaceAll(body, "a line", "a  line") }, &late)
	r.start(false)
	r.complete(63)
	if n := len(r.new.Messages("INBOX")); n != 60 || late.Load() > 0 {
		t.Errorf("%d messages; %d looks at them were not after the next folder was asked for", n, late.Load())
	}
	r.complete(0)
}

// TestOddCopyAndAskedAhead is the same with one or two copies that nothing explains: what is damaged goes to quarantine, what says
// the same is entered, and none is copied once more.
func TestOddCopyAndAskedAhead(t *testing.T) {
	for name, tt := range map[string]struct {
		whom    []int
		change  func(string) string
		damaged bool
	}{
		"cut off":            {[]int{7}, func(body string) string { return body[:len(body)/2] }, true},
		"two cut off":        {[]int{7, 59}, func(body string) string { return body[:len(body)-16] }, true},
		"another":            {[]int{7}, func(string) string { return weighMail(500) }, true},
		"empty":              {[]int{7}, func(string) string { return "" }, true},
		"a field taken away": {[]int{7, 23}, func(body string) string { return strings.TrimPrefix(body, uidField) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var late atomic.Int64
			r := askedAheadRig(t, ofMessages(tt.whom...), tt.change, &late)
			r.start(false)
			res := r.sync()
			want := uint64(0)
			if tt.damaged {
				want = uint64(len(tt.whom))
			}
			if !res.Pass.Complete || res.Pass.Copied != 63-want || res.Pass.Quarantined != want || len(r.quarantined()) != int(want) {
				t.Errorf("%+v, problem %+v, in quarantine %d", res.Pass, res.Problem, len(r.quarantined()))
			}
			if n := len(r.new.Messages("INBOX")); n != 60 || late.Load() > 0 {
				t.Errorf("%d messages; %d looks at them were not after the next folder was asked for", n, late.Load())
			}
			r.complete(0)
		})
	}
}
