package syncer

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// twins are three times the same message, without a Message-ID.
const twins = "From: a@example.com\r\nSubject: quota\r\n\r\nalmost full\r\n"

// rigOfMany has ten messages, three of them the same, all of them copied.
func rigOfMany(t *testing.T, fleeting bool) *rig {
	r := newRig(t)
	r.pair.new.fleeting = fleeting
	for i := range 7 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	for range 3 {
		r.pair.old.deliver("INBOX", twins)
	}
	r.start(false)
	if res := r.sync(); res.Pass.Copied != 10 || !res.Pass.Complete {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	return r
}

// TestNewServerNumbersAnew gives the new folder another UIDVALIDITY: no message is
// copied again, and flags go to the right ones.
func TestNewServerNumbersAnew(t *testing.T) {
	for _, fleeting := range []bool{false, true} {
		r := rigOfMany(t, fleeting)
		r.pair.new.remove("INBOX", mail(2))
		r.pair.new.deliver("INBOX", mail(100), imap.FlagDraft)
		r.pair.new.renumber("INBOX")
		for i := range 4 {
			r.pair.old.setFlags("INBOX", mail(i), imap.FlagSeen)
		}
		r.pair.old.deliver("INBOX", mail(200))
		if res := r.sync(); res.Pass.Copied != 1 || res.Pass.FlagChanges != 3 || !res.Pass.Complete {
			t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
		}
		for _, body := range r.pair.new.bodies("INBOX") {
			var want []imap.Flag
			switch body {
			case mail(0), mail(1), mail(3):
				want = []imap.Flag{imap.FlagSeen}
			case mail(100):
				want = []imap.Flag{imap.FlagDraft}
			}
			if got := r.pair.new.flags("INBOX", body); !slices.Equal(got, want) {
				t.Errorf("%q has %v, want %v", body, got, want)
			}
		}
		for _, e := range r.ledger("INBOX").Entries {
			validity := r.pair.new.folders["INBOX"].validity
			if fleeting && e.UIDValidity+uint32(e.UID) != 0 || !fleeting && e.UIDValidity != validity {
				t.Errorf("the ledger has %+v", e)
			}
		}
		// Nothing has to be looked for any more where UIDs last.
		r.pair.new.log = nil
		r.pair.old.setFlags("INBOX", mail(5), imap.FlagSeen)
		if res := r.sync(); res.Pass.FlagChanges != 1 || slices.Contains(r.pair.new.log, "SEARCH") != fleeting {
			t.Errorf("%+v, steps %q", res.Pass, r.pair.new.log)
		}
	}
}

// TestNumberedAnewWithTwins loses the answer to an APPEND and the UIDs of the new
// folder: the copies that the ledger has are not taken for the missing one's.
func TestNumberedAnewWithTwins(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, fleeting := range []bool{false, true} {
			for _, step := range []string{"+APPEND", "-APPEND"} {
				r := rigOfMany(t, fleeting)
				r.pair.old.deliver("INBOX", twins)
				left := 1
				r.pair.new.fail(func(at string) error {
					if at == step && left > 0 {
						left--
						r.pair.new.renumberLocked("INBOX")
						return lostError(step)
					}
					return nil
				})
				if res := r.sync(); res.Pass.Copied != 1 || !res.Pass.Complete {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
				n := 0
				for _, body := range r.pair.new.bodies("INBOX") {
					if body == twins {
						n++
					}
				}
				if n != 4 {
					t.Errorf("lost at %s, UIDs last %t: %d of 4 are there", step, !fleeting, n)
				}
			}
		}
	})
}

// TestNumberedAnewWithRemovedTwin: a copy that its user has removed and one like
// it that arrives later, with its answer lost, are not confused.
func TestNumberedAnewWithRemovedTwin(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := rigOfMany(t, false)
		r.pair.new.remove("INBOX", twins)
		r.pair.new.renumber("INBOX")
		r.pair.old.deliver("INBOX", twins)
		left := 1
		r.pair.new.fail(func(at string) error {
			if at == "-APPEND" && left > 0 {
				left--
				return lostError(at)
			}
			return nil
		})
		res := r.sync()
		bodies := r.pair.new.bodies("INBOX")
		if n := slices.Index(bodies, twins); !res.Pass.Complete || n < 0 || slices.Contains(bodies[n+1:], twins) {
			t.Errorf("%+v, problem %+v: %q", res.Pass, res.Problem, bodies)
		}
	})
}

// TestTouchedFlagsOfNumberedAnew: the flags that an interrupted pull was about to
// change are remembered while the copies are looked for.
func TestTouchedFlagsOfNumberedAnew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := rigOfMany(t, false)
		r.pair.old.condstor = false
		interrupt := func(s *fakeServer, step string) {
			dead := false
			s.fail(func(at string) error {
				if dead = dead || at == step; dead {
					return lostError(at)
				}
				return nil
			})
			r.sync()
			s.fail(noFault)
			r.stop()
			r.start(false) // the server does not rest any more
		}
		r.pair.old.setFlags("INBOX", mail(1), imap.FlagSeen)
		interrupt(r.pair.new, "-STORE")
		r.pair.old.setFlags("INBOX", mail(1))
		r.pair.old.deliver("INBOX", mail(300))
		interrupt(r.pair.new, "-APPEND")
		r.pair.new.renumber("INBOX")
		interrupt(r.pair.old, "+FLAGS") // after the copies were looked for
		if res := r.sync(); !res.Pass.Complete {
			t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
		}
		if got := r.pair.new.flags("INBOX", mail(1)); len(got) > 0 {
			t.Errorf("has %v, on the old server none", got)
		}
	})
}

// TestNumberedAnewBeforeCopies: what has been copied since the new server numbered the
// folder anew is none of the copies from before, though one of them, whose flags were
// about to be changed, was removed, and the answer to what is like it was lost.
func TestNumberedAnewBeforeCopies(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, step := range []string{"-WAIT", "+APPEND"} {
			r := rigOfMany(t, false)
			r.pair.old.setFlags("INBOX", twins, imap.FlagSeen)
			lose := func(step string) {
				dead := false
				r.pair.new.fail(func(at string) error {
					if dead = dead || at == step; dead {
						return lostError(at)
					}
					return nil
				})
				r.sync()
				r.pair.new.fail(noFault)
				r.stop()
				r.start(false)
			}
			lose("-STORE")
			r.pair.new.remove("INBOX", twins)
			r.pair.new.renumber("INBOX")
			r.pair.old.deliver("INBOX", twins)
			lose(step)
			res := r.sync()
			n := 0
			for _, body := range r.pair.new.bodies("INBOX") {
				if body == twins {
					n++
				}
			}
			if !res.Pass.Complete || n != 1 {
				t.Errorf("lost at %s: %+v, problem %+v: %d are there", step, res.Pass, res.Problem, n)
			}
		}
	})
}

// TestOldFolderThatDoesNotOpen: what the old server refuses to open has not been
// copied, and the pass says so.
func TestOldFolderThatDoesNotOpen(t *testing.T) {
	r := newRig(t)
	r.pair.old.add("Work")
	r.pair.old.deliver("Work", mail(1))
	r.pair.old.deliver("INBOX", mail(2))
	r.start(false)
	for _, code := range []imap.ResponseCode{imap.ResponseCodeNoPerm, imap.ResponseCodeNonExistent} {
		r.pair.old.fail(func(at string) error {
			if at == "+EXAMINE" {
				return refusedError("EXAMINE", code)
			}
			return nil
		})
		if res := r.sync(); res.Pass.Complete || res.Problem == nil || !strings.Contains(res.Problem.Cause, string(code)) {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
	}
	r.pair.old.fail(noFault)
	if res := r.sync(); res.Pass.Copied != 2 || !res.Pass.Complete {
		t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
}

// TestQuarantineOfNumberedAnew: a message that the new server still refuses when the
// old one has given it another UID is in quarantine once.
func TestQuarantineOfNumberedAnew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pair.old.deliver("INBOX", mail(1))
		r.pair.old.deliver("INBOX", mail(2))
		r.pair.new.refuse = func(body []byte) error {
			if string(body) == mail(1) {
				return &link.Error{Op: "APPEND", Class: link.Refused, Text: "no", Err: session.ErrYield}
			}
			return nil
		}
		r.start(false)
		r.sync()
		r.pair.old.renumber("INBOX")
		if res := r.sync(); res.Pass.Copied != 0 || !res.Pass.Complete {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
		if q := r.ledger("INBOX").Quarantine; len(q) != 1 || q[0].Key != message.IMAPKey(r.pair.old.folders["INBOX"].validity, 1) {
			t.Errorf("quarantine: %+v", q)
		}
	})
}

// TestNumberedAnewBeforeStore gives the new folder another UIDVALIDITY between opening it
// and changing a flag there: the change arrives all the same, and at the right message.
func TestNumberedAnewBeforeStore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, fleeting := range []bool{false, true} {
			r := rigOfMany(t, fleeting)
			r.pair.old.setFlags("INBOX", mail(3), imap.FlagSeen)
			done := false
			r.pair.new.fail(func(step string) error {
				if step == "+STORE" && !done { // the caller holds the lock
					done = true
					r.pair.new.renumberLocked("INBOX")
				}
				return nil
			})
			for range 2 {
				r.sync()
			}
			r.stop()
			for _, body := range r.pair.new.bodies("INBOX") {
				var want []imap.Flag
				if body == mail(3) {
					want = []imap.Flag{imap.FlagSeen}
				}
				if got := r.pair.new.flags("INBOX", body); !slices.Equal(got, want) {
					t.Errorf("UIDs last %t: %q has %v, want %v", !fleeting, body, got, want)
				}
			}
			if !done {
				t.Error("no flag was stored")
			}
		}
	})
}

// TestRenumberedBetweenLooks numbers the folder anew twice, the second time between two
// looks at it: where its next message would have been before says nothing then.
func TestRenumberedBetweenLooks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		for i := range 5 {
			r.pair.old.deliver("INBOX", mail(i))
		}
		r.start(false)
		r.sync()
		for i := range 4 {
			r.pair.new.remove("INBOX", mail(i))
			r.pair.new.deliver("INBOX", mail(100+i)) // of others
		}
		r.pair.new.renumber("INBOX")
		for i := range 3 {
			r.pair.old.deliver("INBOX", mail(10+i))
		}
		examined, cut := false, false
		r.pair.new.fail(func(step string) error {
			switch {
			case step == "+EXAMINE" && !examined:
				examined = true
				b := r.pair.new.folders["INBOX"]
				b.messages = slices.DeleteFunc(b.messages, func(m *fakeMessage) bool { return string(m.body) != mail(4) })
				r.pair.new.renumberLocked("INBOX")
			case step == "-APPEND" && !cut:
				cut = true
				return lostError("APPEND")
			}
			return nil
		})
		for range 2 {
			if res := r.sync(); !res.Pass.Complete {
				t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
			}
		}
		if !examined || !cut {
			t.Fatal("the folder was not looked at, or nothing was copied")
		}
		if got, want := sorted(r.pair.new.bodies("INBOX")), sorted([]string{mail(4), mail(10), mail(11), mail(12)}); !slices.Equal(got, want) {
			t.Errorf("the new server has %q", got)
		}
	})
}

// TestNumberedAnewBeforeProof: a server without UIDPLUS numbers the folder anew after it has
// taken messages and before they are looked for. The first may have a lower UID then than
// any that it could have had before.
func TestNumberedAnewBeforeProof(t *testing.T) {
	for _, step := range []string{"+STATUS", "-STATUS", "-EXAMINE", "-SEARCH"} {
		t.Run(step, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				r.pair.new.uidplus = false
				r.pair.new.deliver("INBOX", "new")
				r.pair.new.remove("INBOX", "new")
				for i := range 3 {
					r.pair.old.deliver("INBOX", mail(i))
				}
				var appended, struck atomic.Bool
				r.pair.new.fail(func(at string) error {
					if at == "-APPEND" {
						appended.Store(true)
					}
					if at == step && appended.Load() && !struck.Swap(true) {
						r.pair.new.renumberLocked("INBOX")
					}
					return nil
				})
				r.start(false)
				if res := r.sync(); res.Pass.Copied != 3 || !res.Pass.Complete || !struck.Load() {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
				r.sync()
				for i, e := range r.ledger("INBOX").Entries {
					if int(e.UID) != 2*i+1 {
						t.Errorf("message %d has UID %d", i, e.UID)
					}
				}
				if n := len(r.pair.new.bodies("INBOX")); n != 3 {
					t.Errorf("%d messages", n)
				}
			})
		})
	}
}
