package syncer

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// labelledFolders are those of the rigs here but for the archive.
var labelledFolders = []string{"INBOX", "Trips", "Work"}

// newLabelledKillRig has the mailbox of labelledRig, and one more message in all three folders before the others.
func newLabelledKillRig(t *testing.T, server func(*fakeServer)) *killedRig {
	t.Helper()
	r := labelledRig(t)
	r.silent = true
	for n := range 3 {
		r.arrives(10+n, "INBOX", "Work")
	}
	server(r.pair.new)
	return &killedRig{rig: r.rig, more: func() { r.pair.old.deliver("Work", mail(100)) }}
}

// TestLabelledKilledAtEveryStep kills the engine at each step around a COPY on the new server, before and after it took
// effect, and every second time the one that comes after as well. In the end nothing is lost or doubled.
func TestLabelledKilledAtEveryStep(t *testing.T) {
	servers := map[string]func(*fakeServer){
		"":            func(*fakeServer) {},
		" no COPYUID": saysNothing,
	}
	for name, server := range servers {
		all := recordMoments(t, func(s *steps) { newLabelledKillRig(t, server).twoPasses(s) })
		some := slices.DeleteFunc(all, func(m moment) bool {
			around := []string{"+COPY", "-COPY", "-READBACK", "-HEADERS"}
			if name != "" {
				around = around[:2]
			}
			return m.side == "old " || m.side == "new " && !slices.Contains(around, m.step) || m.side == "store " && m.nth%5 != 0
		})
		if n := len(slices.DeleteFunc(slices.Clone(some), func(m moment) bool { return m.step != "+COPY" })); n < 2 {
			t.Errorf("%d moments before a COPY", n)
		}
		for i, at := range some {
			again := i % 2 * (1 + i%12)
			t.Run(fmt.Sprintf("%s again %d%s", at, again, name), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					untilStruck(t, func() bool { return labelledKilled(t, at, again, server) })
				})
			})
		}
	}
}

// saysNothing has a server not say where copies are.
func saysNothing(s *fakeServer) {
	s.tellCopies = func(upstream.Moved) upstream.Moved { return upstream.Moved{} }
}

func labelledKilled(t *testing.T, at moment, again int, server func(*fakeServer)) bool {
	t.Helper()
	r := newLabelledKillRig(t, server)
	if !r.killed(at) {
		return false
	}
	if again > 0 {
		r = r.reborn(t)
		if !r.killed(moment{nth: again}) {
			return false
		}
	}
	r = r.reborn(t)
	r.twoPasses(newSteps(moment{}, nil))
	r.start(false)
	r.everythingOnce(labelledFolders...)
	r.stop()
	if l := r.ledger("Work"); len(l.Entries) != 9 || len(l.Intents)+len(l.Quarantine) > 0 {
		t.Errorf("the ledger of Work: %d entries, %d intents, %d in quarantine", len(l.Entries), len(l.Intents), len(l.Quarantine))
	}
	return true
}

// TestLabelledCut loses the connection with the new server, once or twice, at each COPY and what is asked around it; or the
// server restarts, falls silent, or stores what it was told only later.
func TestLabelledCut(t *testing.T) {
	type fault struct {
		name  string
		err   func() error
		times int
	}
	goesOn := func(ctx context.Context) bool { return ctx.Err() == nil }
	for _, f := range []fault{
		{"lost", func() error { return lostError("UID COPY") }, 1},
		{"lost twice", func() error { return lostError("UID COPY") }, 2},
		{"restart", func() error { return errRestart }, 1},
		{"late", func() error { return lateError(2) }, 1},
		{"hung", func() error { return hungError(goesOn) }, 1},
	} {
		for _, step := range []string{"+COPY", "-COPY", "+READBACK", "-READBACK"} {
			if (f.name == "late" || f.name == "hung") && step != "+COPY" {
				continue
			}
			for nth := range 3 - f.times { // what broke twice is not copied any more
				t.Run(fmt.Sprintf("%s %s %d", f.name, step, nth), func(t *testing.T) {
					t.Parallel()
					inBubble(t, func(t *testing.T) {
						r := newLabelledKillRig(t, func(*fakeServer) {})
						seen, struck := 0, 0
						r.pair.new.fail(func(now string) error {
							if now != step || struck == f.times {
								return nil
							}
							if seen++; seen <= nth {
								return nil
							}
							struck++
							return f.err()
						})
						r.start(false)
						r.sync()
						r.rested()
						r.sync()
						r.everythingOnce(labelledFolders...)
						if struck < f.times {
							t.Errorf("it struck %d times", struck)
						}
					})
				})
			}
		}
	}
}

// TestLabelledRemovedMeanwhile: the engine is killed behind a COPY, and the user removes one of the copies before it is
// back: it doesn't come again.
func TestLabelledRemovedMeanwhile(t *testing.T) {
	r := newLabelledKillRig(t, func(*fakeServer) {})
	last := moment{"new ", "-COPY", 0}
	for _, m := range recordMoments(t, func(s *steps) { newLabelledKillRig(t, func(*fakeServer) {}).twoPasses(s) }) {
		if m.side == last.side && m.step == last.step {
			last.nth = max(last.nth, m.nth-1) // that of the second pass
		}
	}
	if !r.killed(last) {
		t.Fatal("not killed")
	}
	if now := r.pair.new.bodies("Work"); len(now) != 8 || now[6] != mail(11) {
		t.Fatalf("Work has %q", now)
	}
	r.pair.new.remove("Work", mail(11))
	r = r.reborn(t)
	r.twoPasses(newSteps(moment{}, nil))
	if n := r.pair.new.remove("Work", mail(11)); n > 0 {
		t.Error("what was removed has come back")
	}
	r.pair.old.remove("Work", mail(11)) // so that both are to be the same
	r.start(false)
	r.everythingOnce(labelledFolders...)
}

// TestLabelledLedgerPutBack: the ledger of the folder that is copied from, or to, is put back to an earlier state.
func TestLabelledLedgerPutBack(t *testing.T) {
	for _, back := range labelledFolders {
		t.Run(back, func(t *testing.T) {
			t.Parallel()
			r := labelledRig(t)
			r.start(false)
			r.pass(11)
			putBack := r.keepLedger(back)
			r.arrives(20, labelledFolders...)
			r.arrives(21, labelledFolders...)
			r.pass(6)
			r.pair.old.setFlags(back, mail(21), imap.FlagSeen)
			r.stop()
			putBack()
			r.start(false)
			r.sync()
			r.everythingOnce(labelledFolders...)
			if l := r.ledger("Work"); len(l.Entries) != 7 || slices.ContainsFunc(l.Entries, func(e store.Entry) bool { return e.UID == 0 }) {
				t.Errorf("the ledger of Work: %+v", l.Entries)
			}
		})
	}
}
