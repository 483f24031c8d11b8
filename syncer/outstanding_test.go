package syncer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
)

// withINBOX are those names and INBOX.
func withINBOX(names []string) []string { return append(slices.Clone(names), "INBOX") }

// someFolders are as many names beside INBOX.
func someFolders(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("F%02d", i))
	}
	return names
}

// The new server's answers about a folder come in while folders after it are under way.
func TestNextFolderDoesNotWaitForAnswers(t *testing.T) {
	names := someFolders(24)
	r := prepareRig(t, names...)
	sent, answered, most := 0, 0, 0
	r.pair.new.fail(func(step string) error {
		switch step {
		case "+APPEND":
			sent++
		case "+WAIT":
			answered++
		}
		most = max(most, sent-answered)
		return nil
	})
	r.start(false)
	if res := r.sync(); !res.Pass.Complete || res.Pass.Copied != 75 {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	if most < 2 {
		t.Errorf("no folder was sent before the answer about the one before it")
	}
	if n := r.pair.old.attempts(); n != 1 {
		t.Errorf("%d connections to the old server", n)
	}
	r.same(withINBOX(names)...)
	if res := r.sync(); !res.Pass.Complete || res.Pass.Copied != 0 {
		t.Errorf("once more: %+v, problem %+v", res.Pass, res.Problem)
	}
}

// TestCutWhileAnswersAreOutstanding loses the connection, or the answer, at steps of a pass over folders whose
// answers come in late. Nothing is lost, and nothing is there twice.
func TestCutWhileAnswersAreOutstanding(t *testing.T) {
	names := someFolders(8)
	for _, side := range []string{"old", "new"} {
		for n := 10; n < 90; n += 2 {
			t.Run(fmt.Sprint(side, n), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					r := prepareRig(t, names...)
					r.silent = true
					r.cutAt(side, n)
					r.same(withINBOX(names)...)
				})
			})
		}
	}
}

// What is refused in a folder whose answers come in late is dealt with as ever, and so is what was stored otherwise
// than it was given: the originals are read in another session.
func TestTroubleInFolderThatWasLeft(t *testing.T) {
	names := someFolders(12)
	bad := mail(10*5 + 1) // of F04
	t.Run("refused", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := prepareRig(t, names...)
			r.pair.new.refuse = func(body []byte) error {
				if string(body) != bad {
					return nil
				}
				return &link.Error{Server: "fake", Op: "APPEND", Class: link.Refused, Code: imap.ResponseCodeCannot, Text: "no", Err: fmt.Errorf("NO")}
			}
			r.start(false)
			if res := r.sync(); res.Pass.Copied != 38 || res.Pass.Quarantined != 1 {
				t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
			}
			if n := len(r.pair.new.bodies("F04")); n != 2 {
				t.Errorf("%d messages", n)
			}
			r.same(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "F04" })...)
		})
	})
	t.Run("out of order", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := prepareRig(t, names...)
			gone := false
			r.pair.new.fail(func(step string) error {
				if b := r.pair.new.folders["F04"]; step == "+WAIT" && b != nil && len(b.messages) > 0 && !gone {
					gone = true
					return lostError("APPEND")
				}
				return nil
			})
			r.start(false)
			r.sync()
			if res := r.sync(); !res.Pass.Complete {
				t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
			}
			r.same(names...)
		})
	})
}

// TestKilledWhileAnswersAreOutstanding kills the engine between the steps of a pass over folders whose answers come
// in late. Nothing is lost or doubled by the next one.
func TestKilledWhileAnswersAreOutstanding(t *testing.T) {
	names := someFolders(6)
	for n := 20; n < 200; n += 4 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				untilStruck(t, func() bool {
					r := &killedRig{rig: prepareRigIn(t, inMemory(t), names...)}
					r.silent = true
					if !r.killed(moment{nth: n}) {
						return false
					}
					r.pair.new.settle()
					r = r.reborn(t)
					r.twoPasses(newSteps(moment{}, nil))
					r.start(false)
					r.everythingOnce(withINBOX(names)...)
					r.stop()
					return true
				})
			})
		})
	}
}
