package syncer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/store"
	"postferry/syncer/transfer/job"
)

// whose are the messages of which a server says something: those whose subject has one of
// the numbers.
func whose(folder string, numbers ...int) func(body string) bool {
	return func(body string) bool {
		return slices.ContainsFunc(numbers, func(n int) bool {
			return strings.Contains(body, fmt.Sprintf("Subject: number %d of %s;", n, folder))
		})
	}
}

// saysOf makes a new server answer an APPEND of some messages.
func saysOf(text string, of func(body string) bool) func(*lab.OddConn, *lab.OddMessage) string {
	return func(_ *lab.OddConn, m *lab.OddMessage) string {
		if of(m.Body) {
			return text
		}
		return ""
	}
}

// textOf is what a server says for people.
func textOf(words string) string {
	_, text, _ := strings.Cut(words, " ")
	if _, behind, coded := strings.Cut(text, "] "); coded {
		return behind
	}
	return text
}

// laterWords are ways to say "later" at APPEND that may be about one message.
var laterWords = []string{
	"NO [LIMIT] Too many identical emails",
	"NO [UNAVAILABLE] Backend not reachable",
	"NO [INUSE] Mailbox is locked",
	"NO Temporary unavailable",
	"NO Try again later",
	"BAD Internal server error",
}

// TestLaterForOneMessage: a code that means "later" and always hits the same messages while
// others pass is about those: the others are copied, those wait in quarantine and are tried
// again, and once they are taken they are copied too.
func TestLaterForOneMessage(t *testing.T) {
	for _, words := range laterWords {
		for name, caps := range map[string]string{"all at once": "", "one by one": "IMAP4rev1 UIDPLUS LITERAL+"} {
			for _, numbers := range [][]int{{oddOne}, {30}, {1, 17}} {
				t.Run(fmt.Sprint(words, "/", name, numbers), func(t *testing.T) {
					t.Parallel()
					odd := whose("INBOX", numbers...)
					r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{Caps: caps, Append: saysOf(words, odd)})
					r.start(false)
					r.complete(oddTotal() - uint64(len(numbers)))
					r.arrived(func(folder, body string) bool { return folder == "INBOX" && odd(body) })
					q := r.quarantined()
					if len(q) != len(numbers) || !q[0].Again || !strings.Contains(q[0].Cause, textOf(words)) {
						t.Fatalf("quarantine: %+v", q)
					}
					r.new.Change(func(opt *lab.OddOptions) { opt.Append = nil })
					r.complete(uint64(len(numbers)))
					r.arrived(nil)
				})
			}
		}
	}
}

// troubleWords are said of every message by a server that is in trouble.
var troubleWords = append([]string{
	"NO Nope",
	"NO Disk is broken",
	"NO [SERVERBUG] Oops",
	"NO [CONTACTADMIN] Please call us",
	"BAD Could not write",
}, laterWords...)

// TestServerInTrouble: a server that refuses all messages of a folder in the same words is in
// trouble; the messages are not to blame. It is told, none goes to quarantine for good, and
// once the trouble is over all are copied.
func TestServerInTrouble(t *testing.T) {
	for _, words := range troubleWords {
		for name, caps := range map[string]string{"all at once": "", "one by one": "IMAP4rev1 UIDPLUS LITERAL+"} {
			t.Run(words+"/"+name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					r := newOddRigInMemoryWith(t, lab.OddOptions{}, lab.OddOptions{Caps: caps}, map[string]int{"INBOX": 40})
					r.new.Change(func(opt *lab.OddOptions) {
						opt.Append = func(*lab.OddConn, *lab.OddMessage) string { return words }
					})
					r.start(false)
					res := r.sync()
					if p := res.Problem; res.Pass.Complete || p == nil || p.Advice != store.RetryLater || p.Server != store.NewSide || !strings.Contains(p.Cause, textOf(words)) {
						t.Errorf("%+v, problem %+v", res.Pass, p)
					}
					for _, q := range r.quarantined() {
						if !q.Again || !strings.Contains(words, "SERVERBUG") {
							t.Errorf("in quarantine: %+v", q)
						}
					}
					if n := r.new.Count("APPEND"); n > 120 {
						t.Errorf("%d times APPEND", n)
					}
					r.new.Change(func(opt *lab.OddOptions) { opt.Append = nil })
					r.complete(40)
					r.arrived(nil)
				})
			})
		}
	}
}

// TestTroubleInTheMiddle: the trouble begins when some have been copied, and concerns one
// folder only.
func TestTroubleInTheMiddle(t *testing.T) {
	for _, words := range []string{"NO Nope", "NO Temporary unavailable", "NO [LIMIT] Not so many", "NO [SERVERBUG] Oops"} {
		for name, caps := range map[string]string{"all at once": "", "one by one": "IMAP4rev1 UIDPLUS LITERAL+"} {
			t.Run(words+"/"+name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					taken := 0
					r := newOddRigInMemoryWith(t, lab.OddOptions{}, lab.OddOptions{Caps: caps, Append: func(c *lab.OddConn, _ *lab.OddMessage) string {
						if c.Folder() != "INBOX" {
							return ""
						}
						if taken++; taken <= 130 {
							return ""
						}
						return words
					}}, map[string]int{"INBOX": 250, "Work": 7})
					r.start(false)
					if res := r.sync(); res.Pass.Complete || res.Problem == nil || res.Pass.Copied == 0 {
						t.Errorf("%+v", res.Pass)
					}
					for _, q := range r.quarantined() {
						if !q.Again {
							t.Errorf("in quarantine for good: %+v", q)
						}
					}
					r.new.Change(func(opt *lab.OddOptions) { opt.Append = nil })
					if res := r.sync(); res.Problem != nil || !res.Pass.Complete {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
					r.arrived(nil)
				})
			})
		}
	}
}

// TestRefusedForLong: where all messages of a folder are refused for days, they wait in
// quarantine, tried again by themselves, and don't keep the account from being finished.
func TestRefusedForLong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newOddRigInMemoryWith(t, lab.OddOptions{}, lab.OddOptions{Append: saysOf("NO Nope", whose("INBOX", 1, 2, 3, 4, 5, 6, 7, 8))}, map[string]int{"INBOX": 8, "Work": 3})
		r.start(false)
		if res := r.sync(); res.Problem == nil || res.Problem.Kind != store.MessagesRefused || len(r.quarantined()) > 0 {
			t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
		}
		r.stop()
		row, err := r.store.AccountByID(t.Context(), r.account.ID)
		if err != nil {
			t.Fatal(err)
		}
		p := *row.Problem
		p.Since = p.Since.Add(-job.TroubleLasts - time.Minute)
		if err := r.store.SetProblem(t.Context(), r.account.ID, &p); err != nil {
			t.Fatal(err)
		}
		r.start(false)
		if res := r.sync(); res.Problem != nil || !res.Pass.Complete || res.Pass.Quarantined != 8 {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
		for _, q := range r.quarantined() {
			if !q.Again {
				t.Errorf("for good: %+v", q)
			}
		}
	})
}

// TestOnlyBadOnesLeft: what a folder's other messages were recognised for says that the new
// server takes mail there: those that it refuses are to blame, however many they are.
func TestOnlyBadOnesLeft(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var bad []int
		for n := 3; n <= 32; n++ {
			bad = append(bad, n)
		}
		r := newOddRigInMemoryWith(t, lab.OddOptions{}, lab.OddOptions{Append: saysOf("NO Nope", whose("INBOX", bad...))}, map[string]int{"INBOX": 32})
		for _, m := range r.old.Messages("INBOX")[:2] {
			r.new.Deliver("INBOX", m.Body, m.Date, m.Flags...)
		}
		r.start(false)
		for range 2 { // some at a time
			r.sync()
		}
		if res := r.sync(); res.Problem != nil || !res.Pass.Complete || len(r.quarantined()) != 30 {
			t.Errorf("%+v, problem %+v, %d in quarantine", res.Pass, res.Problem, len(r.quarantined()))
		}
	})
}

// TestFewRefused: of a few messages that are all that came, nobody knows whether it is the
// server or they. They wait in quarantine and are tried again by themselves.
func TestFewRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newOddRigInMemory(t, lab.OddOptions{}, lab.OddOptions{})
		r.start(false)
		r.complete(oddTotal())
		r.new.Change(func(opt *lab.OddOptions) {
			opt.Append = func(*lab.OddConn, *lab.OddMessage) string { return "NO Nope" }
		})
		for n := 101; n <= 102; n++ {
			r.old.Deliver("INBOX", oddMail("INBOX", n), oddDay(n), `\Seen`)
		}
		if res := r.sync(); res.Pass.Quarantined != 2 || res.Pass.Copied != 0 {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
		for _, q := range r.quarantined() {
			if !q.Again {
				t.Errorf("for good: %+v", q)
			}
		}
		r.new.Change(func(opt *lab.OddOptions) { opt.Append = nil })
		r.complete(2)
		r.arrived(nil)
	})
}

// TestManyBadOnes: messages that the new server refuses for what they are go to quarantine,
// however many there are in a row.
func TestManyBadOnes(t *testing.T) {
	bad := func(n int) string {
		return fmt.Sprintf("Message-ID: <bad-%d@example.com>\r\nSubject: bad %d\r\n\r\nText\r\n", n, n)
	}
	for _, words := range []string{"NO Message contains invalid header", "NO [TOOBIG] Message too large", "NO I don't like it"} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newOddRigInMemoryWith(t, lab.OddOptions{}, lab.OddOptions{Append: saysOf(words, func(body string) bool { return strings.Contains(body, "Subject: bad") })},
					map[string]int{"INBOX": 5})
				for n := range 12 {
					r.old.Deliver("INBOX", bad(n), oddDay(n))
				}
				r.old.Deliver("INBOX", oddMail("INBOX", 6), oddDay(6))
				r.start(false)
				r.complete(6)
				if q := r.quarantined(); len(q) != 12 || q[0].Again {
					t.Errorf("%d in quarantine: %+v", len(q), q)
				}
				r.complete(0)
			})
		})
	}
}

// TestFlagsRefusedAtAppend: a message whose flags the new server refuses at APPEND is
// appended without those, and gets them with STORE.
func TestFlagsRefusedAtAppend(t *testing.T) {
	refuses := func(words string, flags ...string) func(*lab.OddConn, *lab.OddMessage) string {
		return func(_ *lab.OddConn, m *lab.OddMessage) string {
			for _, f := range flags {
				if slices.Contains(m.Flags, f) {
					return words
				}
			}
			return ""
		}
	}
	for _, tt := range []struct {
		words string
		flags []string
	}{
		{"NO [CANNOT] APPEND Contains Deleted flag", []string{`\Deleted`}},
		{`NO The flag \Deleted can't be set here`, []string{`\Deleted`}},
		{"NO Invalid flag", []string{`\Deleted`, `\Flagged`}},
		{"NO [CANNOT] Not with Deleted and Flagged flags", []string{`\Deleted`, `\Flagged`}},
		{"NO Keyword not allowed", []string{"$Label1"}},
		{"BAD Invalid flag list", []string{"$Label1", `\Deleted`}},
		{"BAD Invalid arguments", []string{`\Deleted`}},
	} {
		for name, caps := range map[string]string{"all at once": "", "one by one": "IMAP4rev1 UIDPLUS LITERAL+", "without UIDPLUS": "IMAP4rev1 LITERAL+"} {
			t.Run(tt.words+"/"+name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					r := newOddRigInMemory(t, lab.OddOptions{}, lab.OddOptions{Caps: caps, Append: refuses(tt.words, tt.flags...)})
					for n := 101; n <= 103; n++ {
						r.old.Deliver("INBOX", oddMail("INBOX", n), oddDay(n), `\Deleted`, `\Seen`)
					}
					r.start(false)
					r.complete(oddTotal() + 3)
					r.arrived(nil)
					r.old.Deliver("Work", oddMail("Work", 104), oddDay(4), `\Deleted`)
					r.complete(1)
					r.arrived(nil)
					stores := r.new.Count("UID STORE")
					r.complete(0)
					if n := r.new.Count("UID STORE"); n != stores {
						t.Errorf("%d more changes of flags", n-stores)
					}
				})
			})
		}
	}
}

// TestFlagsRefusedAlways: a server that takes a flag neither with APPEND nor with STORE does
// without it, and the folder gets finished.
func TestFlagsRefusedAlways(t *testing.T) {
	r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{
		Append: func(_ *lab.OddConn, m *lab.OddMessage) string {
			if slices.Contains(m.Flags, `\Deleted`) {
				return "NO [CANNOT] APPEND Contains Deleted flag"
			}
			return ""
		},
		Answer: func(c *lab.OddConn) string {
			if c.Verb == "UID STORE" && strings.Contains(strings.Join(c.Args, " "), `\Deleted`) {
				return "NO [CANNOT] STORE Contains Deleted flag"
			}
			return ""
		},
	})
	r.old.Deliver("INBOX", oddMail("INBOX", 101), oddDay(1), `\Deleted`, `\Seen`)
	r.start(false)
	r.complete(oddTotal() + 1)
	stores := r.new.Count("UID STORE")
	r.complete(0)
	if n := r.new.Count("UID STORE"); n != stores {
		t.Errorf("%d more changes of flags", n-stores)
	}
	if got := r.new.Messages("INBOX"); len(got) != oddFolders["INBOX"]+1 || !slices.Equal(got[len(got)-1].Flags, []string{`\Seen`}) {
		t.Errorf("%d messages, the last with %v", len(got), got[len(got)-1].Flags)
	}
}
