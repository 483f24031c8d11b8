package syncer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// What TestModel found when the servers had accidents, as small as it gets.

// TestFleetingFolderWentBack: a new server whose UIDs don't last tells a lower UIDNEXT than before.
// There is nothing to recognise by, and the folder goes on.
func TestFleetingFolderWentBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pair.new.fleeting = true
		putBack := r.pair.new.keep("INBOX")
		for i := range 3 {
			r.pair.old.deliver("INBOX", mail(i))
		}
		r.start(false)
		r.sync()
		r.pair.old.remove("INBOX", mail(0))
		r.sync() // without opening the new folder, so that the checkpoint has the UIDNEXT that STATUS tells
		putBack()
		r.pair.old.deliver("INBOX", mail(3))
		if res := r.sync(); res.Problem != nil || !res.Pass.Complete || res.Pass.Copied != 1 {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
	})
}

// TestBothServersNumberAnew: the old server gives a folder another UIDVALIDITY and the new one its
// copies other UIDs under the same one. Flags that change later reach the copies.
func TestBothServersNumberAnew(t *testing.T) {
	for _, order := range []func(a, b *fakeMessage) int{nil, func(a, b *fakeMessage) int { return cmp.Compare(b.uid, a.uid) }} {
		r := rigOf(t, 4)
		r.pair.new.remove("INBOX", mail(1))
		r.pair.old.renumber("INBOX")
		r.pair.new.number("INBOX", 5, order)
		r.copies(0)
		r.pair.old.setFlags("INBOX", mail(2), imap.FlagSeen)
		r.copies(0)
		r.has("INBOX", mail(0), mail(2), mail(3))
		if got := r.pair.new.flags("INBOX", mail(2)); !slices.Contains(got, imap.FlagSeen) {
			t.Errorf("message 2 has %v", got)
		}
	}
}

// TestOldUIDsUsedAgainBeforeTheFirstEnd: the old server is put back to a backup while a folder is being
// pulled for the first time, and gives the UIDs of messages that have been copied to new mail.
func TestOldUIDsUsedAgainBeforeTheFirstEnd(t *testing.T) {
	steps := []struct {
		step  string
		times int
	}{{"-APPEND", 1}, {"-COMMIT", 2}} // of the proofs, after that of the intents
	for _, tt := range steps {
		for _, fresh := range []int{0, 1, 3, 5} {
			t.Run(fmt.Sprintf("%s, %d new", tt.step, fresh), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					r := newRig(t)
					putBack := r.pair.old.keep("INBOX")
					for i := range 3 {
						r.pair.old.deliver("INBOX", mail(i))
					}
					disk := &faultyStore{Store: r.store, unproved: newUnproved()}
					r.store = disk
					f := &trouble{faults: []fault{{after: tt.times, kind: "crash", where: func(s string) bool { return s == tt.step }}}}
					r.failAll(disk, f.strike)
					r.start(false)
					r.sync()
					r.stop()
					r.failAll(disk, noFault)
					putBack()
					for i := range fresh {
						r.pair.old.deliver("INBOX", mail(3+i))
					}
					r.start(false)
					if res := r.sync(); !res.Pass.Complete {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
					r.has("INBOX", mails(0, 3+fresh)...)
				})
			})
		}
	}
}

// failAll lets both servers and the store fail as fault says.
func (r *rig) failAll(disk *faultyStore, fault func(string) error) {
	for _, s := range []*fakeServer{r.pair.old, r.pair.new} {
		s.fail(fault)
	}
	disk.set(fault)
}

// keepLedger remembers a folder's ledger and returns what puts it back, while the engine is stopped.
func (r *rig) keepLedger(old string) (putBack func()) {
	r.t.Helper()
	row, was := r.folderRow(old), r.ledger(old)
	return func() {
		r.t.Helper()
		back := store.Batch{Account: r.account.ID, Folder: row.ID, Proofs: was.Entries, Checkpoint: &row.Checkpoint}
		for _, e := range r.ledger(old).Entries {
			back.Forget = append(back.Forget, e.Key)
		}
		if err := r.store.Commit(r.t.Context(), back); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestLedgerPutBackNumberedAnew: the ledger is put back to an earlier state, and the new server has given the
// folder another UIDVALIDITY since. What was copied after that state is recognised.
func TestLedgerPutBackNumberedAnew(t *testing.T) {
	for _, before := range []int{0, 1, 3} {
		t.Run(fmt.Sprintf("%d copied before", before), func(t *testing.T) {
			t.Parallel()
			r := rigOf(t, before)
			putBackLedger := r.keepLedger("INBOX")
			r.pair.new.renumber("INBOX")
			for i := range 5 {
				r.pair.old.deliver("INBOX", mail(10+i))
			}
			r.copies(5)
			r.stop()
			putBackLedger()
			r.start(false)
			r.copies(0)
			r.has("INBOX", slices.Concat(mails(0, before), mails(10, 15))...)
		})
	}
}

// TestServerAndLedgerPutBack: the new server is put back to a backup, other messages get the UIDs that copies had, and then
// the ledger is put back to a state of before: what was copied in between is recognised, whatever UID it has.
func TestServerAndLedgerPutBack(t *testing.T) {
	for _, removed := range []int{0, 2, 5, 9} {
		t.Run(fmt.Sprintf("%d removed at the old server", removed), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := rigOf(t, 10)
				putBack := r.pair.new.keep("INBOX")
				for i := range 10 {
					r.pair.old.deliver("INBOX", mail(10+i))
				}
				r.copies(10)
				putBackLedger := r.keepLedger("INBOX")
				for i := range removed {
					r.pair.old.remove("INBOX", mail(10+i))
				}
				putBack()
				for i := range 5 {
					r.pair.old.deliver("INBOX", mail(20+i))
				}
				r.copies(15 - removed)
				r.stop()
				putBackLedger()
				r.start(false)
				r.copies(0)
				r.has("INBOX", slices.Concat(mails(0, 10), mails(10+removed, 25))...)
			})
		})
	}
}

// TestStoredLateWhereUIDsDontLast: a server whose UIDs don't last stores a message long after its connection was lost.
// Which of the two is the second one can't be said to it, but the folder goes on.
func TestStoredLateWhereUIDsDontLast(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pair.new.fleeting = true
		r.pair.old.deliver("INBOX", mail(0))
		f := &trouble{faults: []fault{{after: 1, kind: "late", late: 1000, where: func(s string) bool { return s == "+APPEND" }}}}
		r.pair.new.fail(f.strike)
		r.start(false)
		r.sync()
		r.pair.new.settle()
		r.pair.old.deliver("INBOX", mail(1))
		if res := r.sync(); res.Problem != nil || !res.Pass.Complete {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
		r.has("INBOX", mail(0), mail(0), mail(1))
	})
}

// TestModSeqRestartsAndUIDsChange: the old server counts changes anew and the new one gives other UIDs between two
// looks. The flags that had changed on the old server are carried over all the same.
func TestModSeqRestartsAndUIDsChange(t *testing.T) {
	r := rigOf(t, 4)
	r.pair.old.setFlags("INBOX", mail(2), imap.FlagFlagged)
	r.pair.old.setModSeq("INBOX", 2)
	r.pair.new.number("INBOX", 8, func(a, b *fakeMessage) int { return cmp.Compare(b.uid, a.uid) })
	r.copies(0)
	if got := r.pair.new.flags("INBOX", mail(2)); !slices.Contains(got, imap.FlagFlagged) {
		t.Errorf("message 2 has %v", got)
	}
}

// TestMissingAndOldUIDsWentBack: a folder is missing on the new server, and the old one, which was put back to a backup, gives
// UIDs below the checkpoint to new mail: that doesn't come, and it is told.
func TestMissingAndOldUIDsWentBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pair.old.add("Work")
		putBack := r.pair.old.keep("Work")
		for i := range 5 {
			r.pair.old.deliver("Work", mail(i))
		}
		r.start(false)
		r.copies(5)
		putBack()
		for i := range 3 {
			r.pair.old.deliver("Work", mail(10+i))
		}
		r.pair.new.mu.Lock()
		delete(r.pair.new.folders, "Work")
		r.pair.new.mu.Unlock()
		if res := r.sync(); res.Pass.Complete || res.Problem == nil || res.Problem.Kind != store.MissingFolder {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
	})
}

// copiedThenOldPutBack copies so many messages of INBOX, and puts it back at the old server to when it had the first ones only.
func (r *rig) copiedThenOldPutBack(all, first int) {
	r.t.Helper()
	for i := range first {
		r.pair.old.deliver("INBOX", mail(i))
	}
	putBack := r.pair.old.keep("INBOX")
	for i := first; i < all; i++ {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.start(false)
	r.copies(all)
	putBack()
}

// TestOldServerPutBackFar: the old server is put back to a backup that lacks more than is looked at below the checkpoint,
// and gives some of the UIDs to new mail.
func TestOldServerPutBackFar(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, fresh := range []int{1, 3, 25} {
			r := newRig(t)
			r.copiedThenOldPutBack(50, 10)
			for i := range fresh {
				r.pair.old.deliver("INBOX", mail(100+i))
			}
			r.copies(fresh)
			r.has("INBOX", slices.Concat(mails(0, 50), mails(100, 100+fresh))...)
		}
	})
}

// TestOldUIDNextWentBack: the old server is put back to a backup and counts changes on, or not at all: that its UIDNEXT is
// lower is the only sign. What comes then under UIDs that are known is copied in the same pass.
func TestOldUIDNextWentBack(t *testing.T) {
	for _, condStore := range []bool{true, false} {
		for _, fresh := range []int{0, 1, 3} {
			t.Run(fmt.Sprintf("CONDSTORE %t, %d new", condStore, fresh), func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.pair.old.condstor = condStore
				for i := range 10 {
					r.pair.old.deliver("INBOX", mail(10+i))
				}
				putBack := r.pair.old.keep("INBOX")
				for i := range 40 {
					r.pair.old.deliver("INBOX", mail(20+i))
				}
				r.start(false)
				r.copies(50)
				putBack()
				r.pair.old.setModSeq("INBOX", 1000)
				for i := range fresh {
					r.pair.old.deliver("INBOX", mail(60+i)) // as long as the others
				}
				r.copies(fresh)
				r.has("INBOX", mails(10, 60+fresh)...)
			})
		}
	}
}

// TestServerAndLedgerPutBackToNothing: the new server is put back to before a folder had anything, and then the ledger to a state in
// which nothing had been copied there yet: what was copied in between has UIDs that the ledger takes for its user's own mail.
func TestServerAndLedgerPutBackToNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, later := range []int{0, 2} {
			r := newRig(t)
			putBack := r.pair.new.keep("INBOX")
			r.pair.new.deliver("INBOX", mail(90))
			r.start(false)
			r.copies(0)
			putBackLedger := r.keepLedger("INBOX")
			for i := range 3 {
				r.pair.old.deliver("INBOX", mail(i))
			}
			putBack()
			r.copies(3)
			r.stop()
			putBackLedger()
			for i := range later {
				r.pair.old.deliver("INBOX", mail(3+i))
			}
			r.start(false)
			r.copies(later)
			r.has("INBOX", mails(0, 3+later)...)
		}
	})
}

// TestOldUIDsOfMailWithoutID: the old server gives other UIDs to messages of which some have no Message-ID and the same header: the
// size tells those apart, nothing is copied again, and flags reach the right copies.
func TestOldUIDsOfMailWithoutID(t *testing.T) {
	without := func(lines int) string { return "From: a@example.com\r\n\r\n" + strings.Repeat("line\r\n", lines) }
	for _, removed := range []int{0, 1, 2} {
		t.Run(fmt.Sprintf("%d removed at the old server", removed), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			all := []string{without(1), mail(1), mail(2), mail(3), without(2), without(3)}
			for _, body := range all {
				r.pair.old.deliver("INBOX", body)
			}
			r.start(false)
			r.copies(len(all))
			for i := range removed {
				r.pair.old.remove("INBOX", mail(1+i))
			}
			r.pair.old.number("INBOX", 1, func(a, b *fakeMessage) int { return cmp.Compare(b.uid, a.uid) })
			r.pair.old.deliver("INBOX", mail(9))
			r.copies(1)
			r.has("INBOX", append(all, mail(9))...)
			r.pair.old.setFlags("INBOX", without(1), imap.FlagFlagged)
			r.copies(0)
			for _, body := range all {
				if got := slices.Contains(r.pair.new.flags("INBOX", body), imap.FlagFlagged); got != (body == without(1)) {
					t.Errorf("%q is flagged: %t", body, got)
				}
			}
		})
	}
}

// TestNewServerNumbersAnewMeanwhile: the new server has given other UIDs under the same UIDVALIDITY, and at any step of the next pass it
// gives the folder another one. The flags that have changed on the old server reach their copies all the same.
func TestNewServerNumbersAnewMeanwhile(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		for at, struck := 1, true; struck; at++ {
			r := rigOf(t, 4)
			r.silent = true
			r.pair.old.deliver("INBOX", mail(10))
			r.pair.old.setFlags("INBOX", mail(2), imap.FlagFlagged)
			r.pair.new.remove("INBOX", mail(0))
			r.pair.new.number("INBOX", 1, nil)
			step := 0
			r.pair.new.fail(func(string) error {
				if step++; step == at {
					r.pair.new.renumberLocked("INBOX")
				}
				return nil
			})
			r.sync()
			struck = step >= at
			r.sync()
			if got := r.pair.new.flags("INBOX", mail(2)); !slices.Contains(got, imap.FlagFlagged) {
				t.Errorf("at step %d: message 2 has %v", at, got)
			}
			r.stop()
		}
	})
}
