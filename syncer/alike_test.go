package syncer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"postferry/internal/lab"
)

// alikeMail is a message with a text of some lines, and alike what is no copy of it although
// Message-ID, Date, From and Subject are the same.
func alikeMail(n int) string {
	return fmt.Sprintf("Message-ID: <%d@example.com>\r\nDate: Thu, 6 May 2021 07:08:%02d +0000\r\nFrom: a@example.com\r\nTo: b@example.com\r\nSubject: %d\r\n\r\n%s",
		n, n%60, n, strings.Repeat("some text\r\n", 30))
}

var footer = strings.Repeat("_______________________________\r\nlist@example.com\r\n", 16)

var alike = map[string]func(body string) string{
	"a list's footer":     func(body string) string { return body + footer },
	"an older draft":      func(body string) string { return body[:len(body)-200] },
	"one line more":       func(body string) string { return body + "and one line\r\n" },
	"another word":        func(body string) string { return strings.Replace(body, "some text", "some other text", 1) },
	"come back by a list": func(body string) string { return "List-Id: <list.example.com>\r\nReceived: by list\r\n" + body },
	"twice as large":      func(body string) string { return body + body },
}

// copies are what is a copy although its size is another one.
var copies = map[string]func(body string) string{
	"marked by isync":        func(body string) string { return strings.Replace(body, "\r\n", "\r\nX-TUID: abcdefghijkl\r\n", 1) },
	"marked by OfflineIMAP":  func(body string) string { return "X-OfflineIMAP: 1234567890-0\r\n" + body },
	"X- fields":              func(body string) string { return "X-Spam-Status: No, score=-1\r\nX-Mozilla-Keys: \r\n" + body },
	"fields of mbox":         func(body string) string { return "Status: RO\r\nContent-Length: 330\r\nLines: 30\r\n" + body },
	"bare LF":                func(body string) string { return strings.ReplaceAll(body, "\r\n", "\n") },
	"no line end at the end": func(body string) string { return strings.TrimSuffix(body, "\r\n") },
}

// both are the messages of both kinds.
func alikeOrCopies(fn func(name string, change func(string) string, isCopy bool)) {
	for name, change := range alike {
		fn(name, change, false)
	}
	for name, change := range copies {
		fn(name, change, true)
	}
}

// counts are the bodies on a server, each with how often it is there.
func (r *oddRig) counts() map[string]int {
	n := map[string]int{}
	for _, m := range r.new.Messages("INBOX") {
		n[m.Body]++
	}
	return n
}

// wantBoth: the original is there beside what isn't its copy, and not beside what is.
func (r *oddRig) wantBoth(original, other string, isCopy bool) {
	r.t.Helper()
	got := r.counts()
	want := 1
	if isCopy {
		want = 0
	}
	if got[original] != want || got[other] != 1 {
		r.t.Errorf("the original %d times, want %d; the other %d times", got[original], want, got[other])
	}
}

// TestAlikeAdopted: a message of the new server that is merely like one of the old is not
// taken for its copy when a folder is pulled for the first time, and a copy is.
func TestAlikeAdopted(t *testing.T) {
	alikeOrCopies(func(name string, change func(string) string, isCopy bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newOddRigWith(t, lab.OddOptions{}, lab.OddOptions{}, map[string]int{"INBOX": 20})
			r.old.Deliver("INBOX", alikeMail(1), oddDay(1))
			r.old.Deliver("INBOX", alikeMail(2), oddDay(2))
			r.new.Deliver("INBOX", alikeMail(2), oddDay(2))
			r.new.Deliver("INBOX", change(alikeMail(1)), oddDay(1))
			r.start(false)
			if res := r.sync(); res.Problem != nil || !res.Pass.Complete || res.Pass.Adopted != map[bool]uint64{false: 1, true: 2}[isCopy] {
				t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
			}
			r.wantBoth(alikeMail(1), change(alikeMail(1)), isCopy)
			r.complete(0)
		})
	})
}

// TestAlikeBoth: where original and relation are on both sides, each is taken for itself, in
// whatever order they come.
func TestAlikeBoth(t *testing.T) {
	for name, change := range alike {
		for _, swapped := range []bool{false, true} {
			t.Run(fmt.Sprint(name, swapped), func(t *testing.T) {
				t.Parallel()
				r := newOddRigWith(t, lab.OddOptions{}, lab.OddOptions{}, map[string]int{})
				two := []string{alikeMail(1), change(alikeMail(1))}
				for _, body := range two {
					r.old.Deliver("INBOX", body, oddDay(1))
				}
				if swapped {
					slices.Reverse(two)
				}
				for _, body := range two {
					r.new.Deliver("INBOX", strings.Replace(body, "\r\n", "\r\nX-TUID: abcdefghijkl\r\n", 1), oddDay(1))
				}
				r.start(false)
				if res := r.sync(); res.Problem != nil || !res.Pass.Complete || res.Pass.Adopted != 2 || res.Pass.Copied != 0 {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
			})
		}
	}
}

// TestAlikeWhileInterrupted: one that arrives while an APPEND is without an answer does not
// stand for the copy that was lost.
func TestAlikeWhileInterrupted(t *testing.T) {
	for name, change := range alike {
		for _, caps := range []string{"", "IMAP4rev1 LITERAL+"} {
			t.Run(name+caps, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					broken := false
					r := newOddRigInMemoryWith(t, lab.OddOptions{}, lab.OddOptions{Caps: caps}, map[string]int{})
					r.old.Deliver("INBOX", alikeMail(1), oddDay(1))
					r.new.Change(func(opt *lab.OddOptions) {
						opt.Answer = func(c *lab.OddConn) string {
							if c.Verb != "APPEND" || broken {
								return ""
							}
							broken = true
							r.new.Deliver("INBOX", change(alikeMail(1)), oddDay(1)) // and the APPEND is lost
							c.HangUp()
							return "* BYE crashed"
						}
					})
					r.start(false)
					if res := r.sync(); res.Problem != nil || !res.Pass.Complete || res.Pass.Copied != 1 {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
					r.wantBoth(alikeMail(1), change(alikeMail(1)), false)
					if !broken {
						t.Error("nothing was interrupted")
					}
				})
			})
		}
	}
}

// TestAlikeRenumbered: where the new server numbers a folder anew and a copy is gone, its
// flags don't go to another message.
func TestAlikeRenumbered(t *testing.T) {
	for name, change := range alike {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			for n := range 5 {
				r.pair.old.deliver("INBOX", alikeMail(n))
			}
			r.start(false)
			if res := r.sync(); res.Pass.Copied != 5 || !res.Pass.Complete {
				t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
			}
			r.pair.new.remove("INBOX", alikeMail(1))
			r.pair.new.deliver("INBOX", change(alikeMail(1)))
			r.pair.new.renumber("INBOX")
			r.pair.old.setFlags("INBOX", alikeMail(1), `\Deleted`)
			r.pair.old.setFlags("INBOX", alikeMail(2), `\Flagged`)
			if res := r.sync(); res.Problem != nil || !res.Pass.Complete {
				t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
			}
			if got := r.pair.new.flags("INBOX", change(alikeMail(1))); len(got) > 0 {
				t.Errorf("another message got %v", got)
			}
			if got := r.pair.new.flags("INBOX", alikeMail(2)); len(got) != 1 {
				t.Errorf("the copy got %v", got)
			}
		})
	}
}

// TestAlikeOldRenumbered: where the old server numbers a folder anew, a message that is merely
// like one that is gone from there is new mail. If the server counts line ends in another
// way now, all are still known, also those whose copies their user has removed.
func TestAlikeOldRenumbered(t *testing.T) {
	for name, change := range alike {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			for n := range 5 {
				r.pair.old.deliver("INBOX", alikeMail(n))
			}
			r.start(false)
			r.sync()
			r.pair.old.remove("INBOX", alikeMail(1))
			r.pair.old.deliver("INBOX", change(alikeMail(1)))
			r.pair.old.renumber("INBOX")
			if res := r.sync(); res.Problem != nil || !res.Pass.Complete || res.Pass.Copied != 1 {
				t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
			}
			if got := r.pair.new.bodies("INBOX"); len(got) != 6 || !slices.Contains(got, change(alikeMail(1))) {
				t.Errorf("%d messages", len(got))
			}
		})
	}
	t.Run("line ends", func(t *testing.T) {
		r := newRig(t)
		for n := range 5 {
			r.pair.old.deliver("INBOX", alikeMail(n))
		}
		r.start(false)
		r.sync()
		r.pair.new.remove("INBOX", alikeMail(3))
		bare := func(body string) string { return strings.ReplaceAll(body, "\r\n", "\n") }
		for n := range 5 {
			r.pair.old.remove("INBOX", alikeMail(n))
			r.pair.old.deliver("INBOX", bare(alikeMail(n)))
		}
		r.pair.old.renumber("INBOX")
		if res := r.sync(); res.Problem != nil || !res.Pass.Complete || res.Pass.Copied != 0 || res.Pass.Adopted != 5 {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
		if got := r.pair.new.bodies("INBOX"); len(got) != 4 {
			t.Errorf("%d messages", len(got))
		}
	})
}

// TestAlikeRepaired: of a message that the new server refuses as it is, the repaired copy is
// recognised, and nothing that is merely like it.
func TestAlikeRepaired(t *testing.T) {
	refuse := func(_ *lab.OddConn, m *lab.OddMessage) string {
		if strings.Contains(m.Body, "\x00") {
			return "NO Message contains NUL characters"
		}
		return ""
	}
	body := strings.Replace(alikeMail(1), "some text", "some \x00 text", 1)
	mended := strings.Replace(body, "\x00", "\x80", 1)
	for name, there := range map[string]string{"the copy": mended, "another": mended + footer, "marked": "X-TUID: abcdefghijkl\r\n" + mended} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newOddRigWith(t, lab.OddOptions{}, lab.OddOptions{Append: refuse}, map[string]int{})
			r.old.Deliver("INBOX", body, oddDay(1))
			r.new.Deliver("INBOX", there, oddDay(1))
			r.start(false)
			if res := r.sync(); res.Problem != nil || !res.Pass.Complete || res.Pass.Quarantined > 0 {
				t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
			}
			if n := len(r.new.Messages("INBOX")); n != map[bool]int{true: 2, false: 1}[name == "another"] {
				t.Errorf("%d messages", n)
			}
		})
	}
}
