package syncer

import (
	"slices"
	"strings"
	"testing"

	"postferry/internal/lab"
)

// oddUIDs are new servers that don't say, or not for long, where a message is.
var oddUIDs = map[string]lab.OddOptions{
	"without UIDPLUS":                 {Caps: capsWithout("UIDPLUS")},
	"without UIDPLUS and MULTIAPPEND": {Caps: capsWithout("UIDPLUS", "MULTIAPPEND")},
	"UIDs don't last":                 {Fleeting: true},
	"UIDs don't last, nothing else":   {Caps: "IMAP4rev1", Fleeting: true},
}

// oddTwin is delivered several times, and has no Message-ID.
const oddTwin = "From: a@example.com\r\nSubject: the same each day\r\n\r\ntext\r\n"

// TestOddUIDs: where APPEND does not tell the UID, a search for the message is the
// proof, also after the answer was lost; and flags go to the right ones.
func TestOddUIDs(t *testing.T) {
	for name, opt := range oddUIDs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				lost := 0
				opt.Answer = func(c *lab.OddConn) string {
					if c.Verb == "APPEND" && lost < 2 && c.Args[0] == "INBOX" {
						lost++
						c.LoseAnswer()
					}
					return ""
				}
				r := newOddRigInMemory(t, lab.OddOptions{}, opt)
				for range 3 {
					r.old.Deliver("INBOX", oddTwin, "")
				}
				r.start(false)
				if res := r.sync(); res.Problem != nil || !res.Pass.Complete || lost == 0 {
					t.Errorf("%+v, problem %+v, %d answers lost", res.Pass, res.Problem, lost)
				}
				r.complete(0)
				r.arrivedWithTwins(3)
				r.checkPlaces(opt.Fleeting, 0)
				r.changeOddMail()
				r.checkPlaces(opt.Fleeting, 1)
				r.loseOddLedger()
			})
		})
	}
}

// TestWrongNumberOfUIDs: a server that answers OK to several messages in one APPEND and
// tells fewer UIDs, or more, may have stored all of them or not. A search says which
// it has, the others are sent again, and it is not given several any more.
func TestWrongNumberOfUIDs(t *testing.T) {
	for name, opt := range map[string]lab.OddOptions{
		"stores the first, tells one": {Stored: 1}, "stores some, tells some": {Stored: 3, Told: 3},
		"stores all, tells one": {Told: 1}, "stores all, tells some": {Told: 2}, "stores all, tells too many": {Told: 1000},
		"one at a time, tells two": {Told: 2, Caps: capsWithout("MULTIAPPEND")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newOddRigInMemory(t, lab.OddOptions{}, opt)
				for range 3 {
					r.old.Deliver("INBOX", oddTwin, "")
				}
				r.start(false)
				r.complete(oddTotal() + 3)
				r.complete(0)
				r.arrivedWithTwins(3)
				r.checkPlaces(false, 0)
				if q := r.quarantined(); len(q) > 0 {
					t.Errorf("quarantine: %+v", q)
				}
				r.changeOddMail()
				r.checkPlaces(false, 1)
				r.loseOddLedger()
			})
		})
	}
}

// arrivedWithTwins is arrived, with n copies of the twin.
func (r *oddRig) arrivedWithTwins(n int) {
	r.t.Helper()
	for _, s := range []*lab.Odd{r.old, r.new} {
		got := 0
		for _, m := range s.Messages("INBOX") {
			if m.Body == oddTwin {
				got++
			}
		}
		if got != n {
			r.t.Errorf("%d of the same message, want %d", got, n)
		}
	}
	for name, count := range oddFolders {
		for i := range count {
			body, got := oddMail(name, i+1), 0
			for _, m := range r.new.Messages(name) {
				if m.Body == body {
					got++
				}
			}
			if got != 1 {
				r.t.Errorf("%s: message %d is there %d times", name, i+1, got)
			}
		}
	}
	r.untouched()
}

// checkPlaces: the ledger has the UIDs of all copies, those removed included, or none
// if they don't last.
func (r *oddRig) checkPlaces(fleeting bool, removed int) {
	r.t.Helper()
	void := 0
	for name := range oddFolders {
		at := map[uint32]string{}
		for _, m := range r.new.Messages(name) {
			at[m.UID] = m.Body
		}
		for _, e := range r.ledger(name).Entries {
			if fleeting && e.UID != 0 {
				r.t.Errorf("%s: the ledger has %+v", name, e)
			}
			if at[uint32(e.UID)] == "" {
				void++
			}
			delete(at, uint32(e.UID))
		}
	}
	if !fleeting && void != removed {
		r.t.Errorf("%d lines of the ledger have no copy, want %d", void, removed)
	}
}

// changeOddMail: the user removes a copy and flags another, flags change on the
// old server, a message arrives.
func (r *oddRig) changeOddMail() {
	r.t.Helper()
	r.new.Remove("Work", oddMail("Work", 3))
	r.new.SetFlags("Work", oddMail("Work", 5), `\Draft`)
	for _, n := range []int{3, 4, 5, 11} {
		r.old.SetFlags("Work", oddMail("Work", n), `\Flagged`, "$New")
	}
	r.old.Deliver("Work", oddMail("Work", 13), "")
	r.complete(1)
	r.complete(0)
	for _, m := range r.new.Messages("Work") {
		want := ""
		switch m.Body {
		case oddMail("Work", 4), oddMail("Work", 11):
			want = `$New \Flagged`
		case oddMail("Work", 5):
			want = `$New \Draft \Flagged`
		case oddMail("Work", 3):
			r.t.Error("a message that its user removed came back")
		default:
			continue
		}
		if got := strings.Join(m.Flags, " "); got != want {
			r.t.Errorf("%.50q has %q, want %q", m.Body, got, want)
		}
	}
	if slices.Contains(r.old.Changes(), "UID STORE") {
		r.t.Error("flags were stored on the old server")
	}
}

// loseOddLedger begins anew: what is there is recognised. What the user
// removed comes back, as nobody can know of it any more.
func (r *oddRig) loseOddLedger() {
	r.t.Helper()
	r.stop()
	r.store = newRig(r.t).store
	r.start(false)
	if res := r.sync(); res.Problem != nil || res.Pass.Copied != 1 || res.Pass.Adopted != oddTotal()+3 {
		r.t.Errorf("without a ledger: %+v, problem %+v", res.Pass, res.Problem)
	}
	r.complete(0)
}

// TestOddUIDsOfOldServer: an old server whose UIDs don't last. Each pass recognises what
// was copied by the fingerprints in the ledger.
func TestOddUIDsOfOldServer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newOddRigInMemory(t, lab.OddOptions{Fleeting: true, Caps: capsWithout("CONDSTORE")}, lab.OddOptions{})
		for range 3 {
			r.old.Deliver("INBOX", oddTwin, "")
		}
		r.start(false)
		r.complete(oddTotal() + 3)
		r.complete(0)
		r.arrivedWithTwins(3)
		r.old.Deliver("INBOX", oddTwin, "")
		r.new.Remove("INBOX", oddMail("INBOX", 7))
		r.old.SetFlags("INBOX", oddMail("INBOX", 8), "$New")
		r.complete(1)
		r.complete(0)
		for _, m := range r.new.Messages("INBOX") {
			switch {
			case m.Body == oddMail("INBOX", 7):
				t.Error("a message that its user removed came back")
			case slices.Equal(m.Flags, []string{"$New"}) != (m.Body == oddMail("INBOX", 8)):
				t.Errorf("%.50q has %q", m.Body, m.Flags)
			}
		}
		r.untouched()
	})
}
