package syncer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// movedThenLost is what happened to a message that was copied to Box, between that and the day on which the new server's Box is put back to what it
// was before.
var movedThenLost = map[string]struct {
	moves   []func(r *rig)               // before a pass each
	putBack func(r *rig, putBack func()) // nil for just that
	where   string                       // in which folder it is at the end; "" for Work
	own     []string                     // what else has come
}{
	"moved": {moves: []func(r *rig){func(r *rig) { r.pair.old.moveMail("Box", "Work", mail(9)) }}},
	"moved on and on": {moves: []func(r *rig){
		func(r *rig) { r.pair.old.moveMail("Box", "Work", mail(9)) },
		func(r *rig) { r.pair.old.moveMail("Work", "INBOX", mail(9)) },
		func(r *rig) { r.pair.old.moveMail("INBOX", "Later", mail(9)) }}, where: "Later"},
	"moved on, all in one pass": {moves: []func(r *rig){func(r *rig) {
		r.pair.old.moveMail("Box", "Work", mail(9))
		r.pair.old.moveMail("Work", "Later", mail(9))
	}}, where: "Later"},
	"moved there and back": {moves: []func(r *rig){
		func(r *rig) { r.pair.old.moveMail("Box", "Work", mail(9)) },
		func(r *rig) { r.pair.old.moveMail("Work", "Box", mail(9)) }}, where: "Box"},
	"moved, and its folder numbered anew": {moves: []func(r *rig){
		func(r *rig) { r.pair.old.moveMail("Box", "Work", mail(9)) },
		func(r *rig) { r.pair.old.renumber("Work") }}},
	"moved, and its former folder numbered anew": {moves: []func(r *rig){
		func(r *rig) { r.pair.old.moveMail("Box", "Work", mail(9)) },
		func(r *rig) { r.pair.old.renumber("Box") }}},
	"moved, and given another UID there": {moves: []func(r *rig){
		func(r *rig) { r.pair.old.moveMail("Box", "Work", mail(9)) },
		func(r *rig) { r.pair.old.moveMail("Work", "Work", mail(9)) }}},
	"moved, and its flags changed": {moves: []func(r *rig){
		func(r *rig) { r.pair.old.moveMail("Box", "Work", mail(9)) },
		func(r *rig) { r.pair.old.setFlags("Work", mail(9), imap.FlagSeen) }}},
	"moved, and its former folder deleted": {moves: []func(r *rig){
		func(r *rig) { r.pair.old.moveMail("Box", "Work", mail(9)) },
		func(r *rig) { r.oldLoses("Box") }}},
	"moved, and its UID is given to its owner's mail": {
		moves: []func(r *rig){func(r *rig) { r.pair.old.moveMail("Box", "Work", mail(9)) }},
		putBack: func(r *rig, putBack func()) {
			putBack()
			r.pair.new.deliver("Box", mail(30))
			r.pair.old.deliver("Box", mail(31)) // without it, nothing shows before the folder's turn to be looked at comes
		}, own: mails(30, 32)},
	"moved, and UIDs are given beyond it": {
		moves: []func(r *rig){func(r *rig) { r.pair.old.moveMail("Box", "Work", mail(9)) }},
		putBack: func(r *rig, putBack func()) {
			putBack()
			for i := range 30 {
				r.pair.new.deliver("Box", mail(30+i))
			}
		}, own: mails(30, 60)},
}

// TestMovedThenLost: a message was moved at the old server after it was copied, and the new server, put back to an earlier state, has lost its copy, which is in the
// folder that it was copied to. It is copied again, to where it is now, by the pass that finds it out.
func TestMovedThenLost(t *testing.T) {
	for name, c := range movedThenLost {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				r.silent = true
				for _, folder := range []string{"Box", "Work", "Later"} {
					r.pair.old.add(folder)
				}
				r.pair.old.deliver("Box", mail(1))
				r.pair.old.deliver("Work", mail(2))
				r.start(false)
				r.copies(2)
				putBack := r.pair.new.keep("Box")
				r.pair.old.deliver("Box", mail(9))
				r.copies(1)
				for _, move := range c.moves {
					move(r)
					r.copies(0)
				}
				r.once(mail(1), mail(2), mail(9))
				boxed := len(r.pair.old.bodies("Box"))
				if c.putBack == nil {
					putBack()
				} else {
					c.putBack(r, putBack)
				}
				r.copies(1 + len(r.pair.old.bodies("Box")) - boxed)
				r.once(append(c.own, mail(1), mail(2), mail(9))...)
				if !slices.Contains(r.pair.new.bodies(cmp.Or(c.where, "Work")), mail(9)) {
					t.Error("it is in another folder")
				}
				r.quietPass()
			})
		})
	}
}

// TestMovedThenRemoved: of a copy that its user has removed from the folder that it was copied to, after its message was moved at the old server, nothing comes again
// when that folder has lost later copies.
func TestMovedThenRemoved(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pair.old.add("Work")
		r.pair.old.add("Box")
		r.pair.old.deliver("Work", mail(2))
		for i := range 3 {
			r.pair.old.deliver("Box", mail(i+3))
		}
		r.start(false)
		r.copies(4)
		r.pair.old.moveMail("Box", "Work", mail(4))
		r.copies(0)
		r.pair.new.remove("Box", mail(4))
		putBack := r.pair.new.keep("Box")
		r.pair.old.deliver("Box", mail(9))
		r.copies(1)
		putBack()
		r.copies(1)
		r.once(mail(2), mail(3), mail(5), mail(9))
		r.quietPass()
	})
}

// newMovedLostRig has a new server that was put back to an earlier state: copies in Box of two messages are lost, which were moved at the old server
// since they were made.
func newMovedLostRig(t *testing.T) *killedRig {
	t.Helper()
	r := everyStepRig(t, 0)
	r.pair.old.add("Box")
	r.pair.old.deliver("Box", mail(50))
	r.start(false)
	r.copies(14)
	putBack := r.pair.new.keep("Box")
	r.pair.old.deliver("Box", mail(51))
	r.pair.old.deliver("Box", mail(52))
	r.copies(2)
	r.pair.old.moveMail("Box", "Work", mail(51))
	r.pair.old.moveMail("Box", "INBOX", mail(52))
	r.copies(0)
	r.stop()
	putBack()
	return &killedRig{rig: r, changed: true}
}

// TestMovedThenLostKilled kills the engine at each step of the pass that finds out that such copies are lost, and every second time
// the one that comes after as well.
func TestMovedThenLostKilled(t *testing.T) {
	for i, at := range killMoments(recordMoments(t, func(s *steps) { newMovedLostRig(t).twoPasses(s) })) {
		again := i % 2 * (1 + i%12)
		t.Run(fmt.Sprintf("%s, again %d", at, again), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				untilStruck(t, func() bool { return movedLostKilled(t, at, again) })
			})
		})
	}
}

func movedLostKilled(t *testing.T, at moment, again int) bool {
	t.Helper()
	r := newMovedLostRig(t)
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
	r.everythingOnce("INBOX", "Work", "Box")
	r.stop()
	return true
}

// TestMovedOutOfMissing: the new server has lost the folder that a message was copied to, which was moved at the old server since. When
// a person has the folder made again, the message is copied again, to where it is.
func TestMovedOutOfMissing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pair.old.add("Box")
		r.pair.old.add("Work")
		r.pair.old.deliver("Box", mail(1))
		r.pair.old.deliver("Box", mail(2))
		r.start(false)
		r.copies(2)
		r.pair.old.moveMail("Box", "Work", mail(2))
		r.copies(0)
		r.newLoses("Box")
		r.sync()
		r.pair.old.deliver("Box", mail(3))
		r.sync()
		row := r.folderRow("Box")
		if row.State != store.FolderMissing {
			t.Fatalf("%+v", row)
		}
		if err := r.engine.DecideFolder(t.Context(), r.account.ID, row.ID, report.FolderRecreate); err != nil {
			t.Fatal(err)
		}
		r.copies(3)
		r.has("Box", mail(1), mail(3))
		r.has("Work", mail(2))
		r.quietPass()
	})
}

// TestMovedThenRewritten: a new server that writes something else for octets above 127 in a header has not lost a copy for that.
func TestMovedThenRewritten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		odd := "Message-ID: <1@example.com>\r\nSubject: gr\xfc\xdfe\r\n\r\ntext\r\n"
		r.pair.old.add("Box")
		r.pair.old.add("Work")
		r.pair.old.deliver("Box", odd)
		r.pair.old.deliver("Work", mail(2))
		r.start(false)
		r.copies(2)
		rewritten := strings.NewReplacer("\xfc", "X", "\xdf", "X").Replace(odd)
		r.pair.new.folders["Box"].messages[0].body = []byte(rewritten)
		r.pair.old.moveMail("Box", "Work", odd)
		r.copies(0)
		for i := range 3 {
			r.pair.new.deliver("Box", mail(20+i))
			r.copies(0)
		}
		putBack := r.pair.new.keep("Box")
		r.pair.old.deliver("Box", mail(9))
		r.copies(1)
		putBack()
		r.copies(1)
		r.once(rewritten, mail(2), mail(9), mail(20), mail(21), mail(22))
		r.quietPass()
	})
}

// newForgets has the new server be put back to a state in which a folder has not got a message yet.
func (r *rig) newForgets(folder, body string) {
	uid := r.pair.new.highest(folder, body)
	r.pair.new.remove(folder, body)
	r.pair.new.mu.Lock()
	defer r.pair.new.mu.Unlock()
	r.pair.new.folders[folder].next = uid
}

// TestMovedThenNumberedAnew: the new server has numbered the folder anew to which a message was copied that was moved at the old server since. Its copy is found
// there again, as the others are; where it has lost the copy as well, that is told, as of others, and a person may have it copied again.
func TestMovedThenNumberedAnew(t *testing.T) {
	for name, c := range map[string]struct {
		again bool // it is lost in the same step
		do    func(r *rig)
	}{
		"": {do: func(r *rig) {
			r.pair.new.renumber("Box")
			r.copies(0)
			r.newForgets("Box", mail(9))
		}},
		"moved on": {do: func(r *rig) {
			r.pair.new.renumber("Box")
			r.pair.old.moveMail("Work", "INBOX", mail(9))
			r.pair.old.moveMail("INBOX", "Work", mail(9))
			r.copies(0)
			r.newForgets("Box", mail(9))
		}},
		"lost": {again: true, do: func(r *rig) {
			r.newForgets("Box", mail(9))
			r.pair.new.renumber("Box")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				r.silent = true
				r.pair.old.add("Box")
				r.pair.old.add("Work")
				r.pair.old.deliver("Box", mail(1))
				r.pair.old.deliver("Work", mail(2))
				r.pair.old.deliver("Box", mail(9))
				r.start(false)
				r.copies(3)
				r.pair.old.moveMail("Box", "Work", mail(9))
				r.copies(0)
				c.do(r)
				if c.again {
					r.copies(0)
					q := r.ledger("Work").Quarantine
					if len(q) != 1 || q[0].Again || q[0].Reason.Code() != reason.LostOrRemoved {
						t.Fatalf("quarantine: %+v", q)
					}
					r.quietPass()
					r.retries()
				}
				r.copies(1)
				r.has("Box", mail(1))
				r.has("Work", mail(2), mail(9))
				r.quietPass()
			})
		})
	}
}

// TestTakenOutOfTheArchiveThenLost: a message lay in all mail only, and was copied to the archive; then it was put into a folder at the old server, and the
// new server, put back to an earlier state, has lost the copy in the archive.
func TestTakenOutOfTheArchiveThenLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newAllMailRig(t)
		r.firstPass()
		putBack := r.pair.new.keep("Archive")
		r.arrives(9)
		r.pass(1)
		r.has("Archive", 7, 9)
		r.pair.old.deliver("Work", mail(9))
		r.pass(0)
		putBack()
		r.pass(1)
		r.has("Work", 2, 9)
		r.has("Archive", 7)
		r.quietPass()
	})
}
