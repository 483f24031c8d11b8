package syncer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/upstream/link"
)

// TestMovedBetweenRenumberedFolders: mail is moved from one folder of the new server to another one, and both get another UIDVALIDITY
// before the next look. Neither is taken for the other, nor for missing.
func TestMovedBetweenRenumberedFolders(t *testing.T) {
	for _, tt := range []struct {
		moved int
		own   bool // its owner's mail has come to where it was
	}{{1, true}, {2, false}, {2, true}} {
		t.Run(fmt.Sprint(tt.moved, tt.own), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.pair.old.add("Work")
			r.pair.old.add("Other")
			for i := range 2 {
				r.pair.old.deliver("Work", mail(i))
			}
			r.start(false)
			r.copies(2)
			for i := range tt.moved {
				r.pair.new.moveMail("Work", "Other", mail(i))
			}
			r.pair.new.deliver("Work", mail(80))
			if !tt.own {
				r.pair.new.remove("Work", mail(80))
			}
			r.pair.new.renumber("Work")
			r.pair.new.renumber("Other")
			r.copies(0)
			r.pair.old.deliver("Work", mail(90))
			r.copies(1)
			if !slices.Contains(r.pair.new.bodies("Work"), mail(90)) {
				t.Errorf("Work has %q", r.pair.new.bodies("Work"))
			}
			for _, name := range []string{"Work", "Other"} {
				if row := r.folderRow(name); row.New != name || row.State != store.FolderPresent {
					t.Errorf("%s is %s: %s", name, row.New, row.State)
				}
			}
		})
	}
}

// TestIntentsOfOtherMessages: before anything of a pull had arrived everything ended, and then the old server gave other UIDs to the
// messages. One that is on both servers by itself proves nothing of the message that had its UID.
func TestIntentsOfOtherMessages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, fleeting := range []bool{true, false} {
			r := newRig(t)
			r.pair.new.fleeting = fleeting
			for i := range 3 {
				r.pair.old.deliver("INBOX", mail(i))
			}
			disk := &faultyStore{Store: r.store, unproved: newUnproved()}
			r.store = disk
			f := &trouble{faults: []fault{{after: 1, kind: "crash", where: func(s string) bool { return s == "-COMMIT" }}}}
			r.failAll(disk, f.strike)
			r.start(false)
			r.sync()
			r.stop()
			r.failAll(disk, noFault)
			r.pair.old.deliver("INBOX", mail(8))
			r.pair.new.deliver("INBOX", mail(8))
			r.pair.old.number("INBOX", 1, func(a, b *fakeMessage) int { return cmp.Compare(b.uid, a.uid) })
			r.start(false)
			if res := r.sync(); !res.Pass.Complete {
				t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
			}
			r.has("INBOX", append(mails(0, 3), mail(8))...)
		}
	})
}

// TestNumberedAnewTwice: the new server has given a folder another UIDVALIDITY and, after a pass that was interrupted, other UIDs under
// that. A message that comes then, and is the same as one that was copied, is copied.
func TestNumberedAnewTwice(t *testing.T) {
	for at := 1; at <= 3; at++ {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := rigOf(t, 3)
				r.stop()
				r.pair.new.renumber("INBOX")
				r.pair.old.deliver("INBOX", mail(3))
				disk := &faultyStore{Store: r.store, unproved: newUnproved()}
				r.store = disk
				f := &trouble{faults: []fault{{after: at, kind: "crash", where: func(s string) bool { return s == "-COMMIT" }}}}
				r.failAll(disk, f.strike)
				r.start(false)
				r.sync()
				r.stop()
				r.failAll(disk, noFault)
				r.pair.new.number("INBOX", 12, nil)
				r.pair.old.deliver("INBOX", mail(1))
				r.start(false)
				for range 2 {
					if res := r.sync(); !res.Pass.Complete {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
				}
				r.has("INBOX", append(mails(0, 4), mail(1))...)
			})
		})
	}
}

// TestLedgerPutBackToNothing: the ledger is put back to a state in which nothing of a folder had been copied, and another folder has
// lost messages on the old server, which may have been moved here. What was copied is recognised.
func TestLedgerPutBackToNothing(t *testing.T) {
	r := newRig(t)
	r.pair.old.add("Work")
	r.pair.old.deliver("Work", mail(90))
	r.start(false)
	r.copies(1)
	putBackLedger := r.keepLedger("INBOX")
	for i := range 5 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.copies(5)
	r.pair.old.remove("Work", mail(90))
	r.copies(0)
	r.stop()
	putBackLedger()
	r.start(false)
	r.copies(0)
	r.has("INBOX", mails(0, 5)...)
}

// TestMovedOnBothServers: a message is moved into a folder on both servers, and then the same one comes there again: none is the copy of
// the other, also if it had to be repaired.
func TestMovedOnBothServers(t *testing.T) {
	broken := "From: a@example.com\n\n\x00line\nline\n"
	repaired, _ := message.RepairMessage([]byte(broken), nil, "")
	for body, there := range map[string]string{mail(3): mail(3), broken: string(repaired.Body)} {
		r := newRig(t)
		r.pair.new.refuse = refuseLikeCyrus
		r.pair.old.add("Work")
		r.pair.old.deliver("INBOX", body)
		r.start(false)
		r.copies(1)
		r.pair.new.moveMail("INBOX", "Work", there)
		r.pair.old.moveMail("INBOX", "Work", body)
		r.copies(0)
		r.pair.old.deliver("Work", body)
		r.pair.old.deliver("Work", body)
		r.copies(2)
		r.once(there, there, there)
	}
}

// TestNumberedAnewAfterInterruption: a folder's first pull is interrupted, and the new server gives other UIDs under the same UIDVALIDITY to what has come,
// or is put back to before it came. Of messages that are the same, one that was copied is not taken for another that was not; what is lost is copied again.
func TestNumberedAnewAfterInterruption(t *testing.T) {
	for _, uidplus := range []bool{true, false} {
		for _, arrived := range []int{3, 5, 6, -4} {
			t.Run(fmt.Sprintf("UIDPLUS %t, %d arrived", uidplus, arrived), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					putBack := arrived < 0
					arrived := max(arrived, -arrived)
					r := newRigIn(t, inMemory(t))
					r.silent = true
					r.pair.new.single, r.pair.new.uidplus = true, uidplus
					want := []string{mail(1), mail(2), mail(2), mail(3), mail(2), mail(2), mail(4)}
					for _, body := range want {
						r.pair.old.deliver("INBOX", body)
					}
					empty := r.pair.new.keep("INBOX")
					appends := 0
					r.pair.new.fail(func(step string) error {
						if step == "+APPEND" {
							if appends++; appends > arrived {
								return &link.Error{Server: "fake", Op: "APPEND", Class: link.Fix, Code: imap.ResponseCodeOverQuota, Text: "full", Err: errors.New("NO")}
							}
						}
						return nil
					})
					r.start(false)
					if res := r.sync(); res.Pass.Complete || len(r.pair.new.bodies("INBOX")) != arrived {
						t.Fatalf("not interrupted: %+v", res.Pass)
					}
					r.pair.new.fail(noFault)
					if putBack {
						empty()
					} else {
						r.pair.new.number("INBOX", 10, func(a, b *fakeMessage) int { return int(b.uid) - int(a.uid) })
					}
					if res := r.sync(); !res.Pass.Complete {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
					r.has("INBOX", want...)
					r.quietPass()
				})
			})
		}
	}
}

// TestPutBackWhereOldUIDsDontLast: the new server is put back to before a folder had anything, where the old one's UIDs end with each session.
func TestPutBackWhereOldUIDsDontLast(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRigIn(t, inMemory(t))
		r.silent, r.pair.old.fleeting, r.pair.old.condstor = true, true, false
		r.start(false)
		r.copies(0)
		empty := r.pair.new.keep("INBOX")
		for n := range 3 {
			r.pair.old.deliver("INBOX", mail(n))
		}
		r.copies(3)
		empty()
		r.copies(3)
		r.has("INBOX", mails(0, 3)...)
	})
}
