package syncer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// TestLeftOutOfOneAnswer: something has befallen a mailbox of which all but two messages had been copied, and in the pass after it one answer that tells
// of messages lacks one of them. Nothing is copied twice, and nothing is lost.
func TestLeftOutOfOneAnswer(t *testing.T) {
	for name, accident := range accidentsBefore {
		for side, of := range map[string]func(*rig) *fakeServer{
			"old": func(r *rig) *fakeServer { return r.pair.old }, "new": func(r *rig) *fakeServer { return r.pair.new },
		} {
			t.Run(fmt.Sprintf("%s, %s server", name, side), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					nth := 1
					for ; leftOut(t, of, accident, nth, 1); nth++ {
						leftOut(t, of, accident, nth, 3)
						leftOut(t, of, accident, nth, 5)
					}
					atLeast(t, 2, nth-1)
				})
			})
			if !strings.HasPrefix(name, "ledger put back") {
				continue
			}
			t.Run(fmt.Sprintf("%s, %s server, UIDs don't last", name, side), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					fleeting := func(r *rig) { r.pair.new.fleeting = true; r.sync(); accident(r) }
					nth := 1
					for ; leftOut(t, of, fleeting, nth, 1); nth++ {
						leftOut(t, of, fleeting, nth, 3)
					}
					atLeast(t, 2, nth-1)
				})
			})
		}
	}
}

// accidentsBefore are what befalls the rig's mailbox between two passes.
var accidentsBefore = map[string]func(r *rig){
	"nothing": func(*rig) {},
	"ledger put back": func(r *rig) {
		putBack := r.keepLedger("INBOX")
		for i := range 5 {
			r.pair.old.deliver("INBOX", mail(10+i))
		}
		r.copies(5)
		r.stop()
		putBack()
		r.start(false)
	},
	"ledger put back to nothing": func(r *rig) {
		r.stop()
		l := r.ledger("INBOX")
		back := store.Batch{Account: r.account.ID, Folder: r.folderRow("INBOX").ID, Checkpoint: &store.Checkpoint{}}
		for _, e := range l.Entries {
			back.Forget = append(back.Forget, e.Key)
		}
		if err := r.store.Commit(r.t.Context(), back); err != nil {
			r.t.Fatal(err)
		}
		r.start(false)
	},
	"ledger put back, and another UIDVALIDITY": func(r *rig) {
		putBack := r.keepLedger("INBOX")
		for i := range 5 {
			r.pair.old.deliver("INBOX", mail(10+i))
		}
		r.copies(5)
		r.pair.new.renumber("INBOX")
		r.stop()
		putBack()
		r.start(false)
	},
	"ledger put back to when the folder was empty": func(r *rig) {
		r.pair.old.add("Work")
		r.sync()
		putBack := r.keepLedger("Work")
		r.pair.old.deliver("Work", mail(10))
		r.pair.new.deliver("Work", mail(10))
		for i := range 5 {
			r.pair.old.deliver("Work", mail(11+i))
		}
		r.sync()
		r.stop()
		putBack()
		r.start(false)
	},
	"no word where copies are": func(r *rig) {
		r.pair.new.uidplus = false
		struck := false
		r.pair.new.fail(func(step string) error {
			if step != "-APPEND" || struck {
				return nil
			}
			struck = true
			return lostError("APPEND")
		})
		for i := range 5 {
			r.pair.old.deliver("INBOX", mail(10+i))
		}
		r.sync()
		r.pair.new.fail(noFault)
	},
	"moved at the old server": func(r *rig) {
		r.pair.old.add("Work")
		for i := range 3 {
			r.pair.old.moveMail("INBOX", "Work", mail(i))
		}
	},
	"moved at both servers": func(r *rig) {
		r.pair.old.add("Work")
		r.sync()
		for i := range 3 {
			r.pair.old.moveMail("INBOX", "Work", mail(i))
			r.pair.new.moveMail("INBOX", "Work", mail(i))
		}
	},
	"renamed in a webmail": func(r *rig) {
		r.pair.old.add("Work")
		for i := range 5 {
			r.pair.old.deliver("Work", mail(10+i))
		}
		r.sync()
		r.pair.new.rename("Work", "Projects")
	},
	"new server put back": func(r *rig) {
		putBack := r.pair.new.keep("INBOX")
		for i := range 5 {
			r.pair.old.deliver("INBOX", mail(10+i))
		}
		r.copies(5)
		putBack()
	},
	"new UIDVALIDITY":  func(r *rig) { r.pair.new.renumber("INBOX") },
	"old UIDVALIDITY":  func(r *rig) { r.pair.old.renumber("INBOX") },
	"both UIDVALIDITY": func(r *rig) { r.pair.old.renumber("INBOX"); r.pair.new.renumber("INBOX") },
	"new UIDs": func(r *rig) {
		r.pair.new.number("INBOX", 1, func(a, b *fakeMessage) int { return int(b.uid) - int(a.uid) })
	},
	"old UIDs": func(r *rig) {
		r.pair.old.number("INBOX", 1, func(a, b *fakeMessage) int { return int(b.uid) - int(a.uid) })
	},
}

// leftOut has the nth answer of a pass that tells of messages lack an item, and tells whether there was that many.
func leftOut(t *testing.T, of func(*rig) *fakeServer, accident func(*rig), nth, item int) bool {
	t.Helper()
	left := nth
	at := passAfter(t, of, accident, true, func(step string) error {
		if !slices.Contains(tellsMessages, step) {
			return nil
		}
		if left--; left != 0 {
			return nil
		}
		return omitError(item)
	})
	return at != ""
}

// atLeast fails where a fault has struck less often than that: then it is not at the steps where it should be.
func atLeast(t *testing.T, want, struck int) {
	t.Helper()
	if struck < want {
		t.Errorf("it struck %d times, want %d at least", struck, want)
	}
}

// TestTroubleAfterAccident: the connection is lost, or the server refuses something, at any step of the pass after something has befallen the mailbox. Nothing is
// copied twice, and nothing is lost.
func TestTroubleAfterAccident(t *testing.T) {
	refuse := func(step string) error {
		if step == "-APPEND" {
			return lostError(step) // who refuses has not stored it
		}
		return refusedError(step, imap.ResponseCodeInUse)
	}
	for name, accident := range accidentsBefore {
		for side, of := range map[string]func(*rig) *fakeServer{
			"old": func(r *rig) *fakeServer { return r.pair.old }, "new": func(r *rig) *fakeServer { return r.pair.new },
		} {
			for kind, trouble := range map[string]func(string) error{"lost": lostError, "refused": refuse} {
				t.Run(fmt.Sprintf("%s, %s server, %s", name, side, kind), func(t *testing.T) {
					t.Parallel()
					inBubble(t, func(t *testing.T) {
						nth := 0
						for more := true; more; {
							nth++
							left := nth
							more = passAfter(t, of, accident, nth%2 == 0, func(step string) error {
								if left--; left != 0 {
									return nil
								}
								return trouble(step)
							}) != ""
						}
						atLeast(t, 10, nth-1)
					})
				})
			}
		}
	}
}

// passAfter makes a pass after an accident in which a server fails as fault says, and then others, after which everything must be there once. It tells
// at which step it failed.
func passAfter(t *testing.T, of func(*rig) *fakeServer, accident func(*rig), uidplus bool, fault func(string) error) (at string) {
	t.Helper()
	r := newRigIn(t, inMemory(t))
	defer func() { r.stop() }()
	r.silent = true
	r.pair.new.uidplus = uidplus
	for n := range 5 {
		r.pair.old.deliver("INBOX", mail(n))
	}
	r.start(false)
	r.copies(5)
	accident(r)
	all := slices.Concat(r.pair.old.bodies("INBOX"), r.pair.old.bodies("Work"))
	for n := range 2 {
		r.pair.old.deliver("INBOX", mail(20+n))
		all = append(all, mail(20+n))
	}
	of(r).fail(func(step string) error {
		err := fault(step)
		if err != nil {
			at = step
		}
		return err
	})
	r.sync()
	of(r).fail(noFault)
	r.aDayLater()
	for range 2 {
		r.sync()
	}
	got := sorted(slices.Concat(r.pair.new.bodies("INBOX"), r.pair.new.bodies("Work"), r.pair.new.bodies("Projects")))
	if !slices.Equal(got, sorted(all)) {
		t.Errorf("after trouble at %s: %d messages, want %d: %q", at, len(got), len(all), got)
	}
	return at
}
