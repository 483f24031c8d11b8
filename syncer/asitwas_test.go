package syncer

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/report"
	"postferry/store"
	"postferry/upstream/link"
)

// TestModSeqAsItWas: the old server has counted the changes of a folder anew, as after its index was lost, and by the next look it
// has come exactly as far as before: what has changed is seen all the same by the newest messages, and then compared in all.
func TestModSeqAsItWas(t *testing.T) {
	for _, folder := range []string{"INBOX", "Work"} {
		for _, many := range []int{5, 40} {
			t.Run(fmt.Sprint(folder, many), func(t *testing.T) {
				t.Parallel()
				r := newRigIn(t, inMemory(t))
				r.silent = true
				r.pair.old.add("Work")
				for n := range many {
					r.pair.old.deliver(folder, mail(n), imap.FlagAnswered)
				}
				r.start(false)
				r.copies(many)
				was := r.pair.old.folder(folder).modseq
				for _, n := range []int{0, many - 1} {
					r.pair.old.setFlags(folder, mail(n), imap.FlagSeen)
				}
				r.pair.old.setModSeq(folder, was)
				r.copies(0)
				for _, n := range []int{0, many - 1} {
					if got := r.pair.new.flags(folder, mail(n)); !slices.Equal(got, []imap.Flag{imap.FlagSeen}) {
						t.Errorf("%d has %v", n, got)
					}
				}
				r.quietPass()
			})
		}
	}
}

// TestNumbersAsTheyWereAndLost: the inbox of the old server is put back, and as much has come since as had before: only a look at its
// messages shows that. If the answer to that look is lost, it is made up for in the same pass.
func TestNumbersAsTheyWereAndLost(t *testing.T) {
	for _, lost := range []string{"", "-LIST", "+LIST", "-GLANCE", "+HEADERS"} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			r := newRigIn(t, inMemory(t))
			r.silent = true
			putBack := r.pair.old.keep("INBOX")
			r.pair.old.deliver("INBOX", mail(1))
			r.start(false)
			r.copies(1)
			putBack()
			r.pair.old.deliver("INBOX", mail(2))
			struck := false
			r.pair.old.fail(func(step string) error {
				if step != lost || struck {
					return nil
				}
				struck = true
				return lostError(step)
			})
			r.copies(1)
			r.has("INBOX", mail(1), mail(2))
			if lost != "" && !struck {
				t.Error("nothing was lost")
			}
		})
	}
}

// TestLedgerPutBackAndMailboxAccepted: the ledger is put back to a state in which nothing had been copied, and a person has said
// that the new mailbox, which seemed to be another one, is the right one. What was copied is recognised.
func TestLedgerPutBackAndMailboxAccepted(t *testing.T) {
	r := newRig(t)
	r.start(false)
	r.copies(0)
	putBackLedger := r.keepLedger("INBOX")
	for i := range 5 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.copies(5)
	r.pair.new.deliver("INBOX", mail(50))
	r.stop()
	putBackLedger()
	row := r.folderRow("INBOX")
	cp := row.Checkpoint
	cp.NewUIDValidity, cp.NewUIDNext, cp.NewHighestModSeq = 0, 0, 0
	if err := r.store.Commit(t.Context(), store.Batch{Account: r.account.ID, Folder: row.ID, Checkpoint: &cp}); err != nil {
		t.Fatal(err)
	}
	r.start(false)
	r.copies(0)
	r.has("INBOX", append(mails(0, 5), mail(50))...)
	r.quietPass()
}

// TestAcceptedMailboxIsKnown: once a person has accepted a mailbox at the new server, how its folders are numbered is known by the next
// pass, although nothing has come: a second login that leads there is recognised by it.
func TestAcceptedMailboxIsKnown(t *testing.T) {
	r := rigOf(t, 5)
	for n := range 5 {
		r.pair.new.remove("INBOX", mail(n))
	}
	r.pair.new.renumber("INBOX")
	if res := r.sync(); res.Problem == nil || res.Problem.Kind != store.OtherMailbox {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	if err := r.engine.DecideMailbox(t.Context(), r.account.ID, report.MailboxAccept); err != nil {
		t.Fatal(err)
	}
	r.copies(0)
	if is, want := r.folderRow("INBOX").Checkpoint.NewUIDValidity, r.pair.new.folder("INBOX").validity; is != want {
		t.Errorf("UIDVALIDITY %d is known, it is %d", is, want)
	}
}

// TestLeftOutOfListing: the old server leaves a new message out of a listing, and its number of messages doesn't show it, as another one
// is gone that had been copied. It is copied all the same.
func TestLeftOutOfListing(t *testing.T) {
	r := rigOf(t, 5)
	r.pair.old.remove("INBOX", mail(0))
	for n := range 3 {
		r.pair.old.deliver("INBOX", mail(10+n))
	}
	left := false
	r.pair.old.fail(func(step string) error {
		if step == "+LISTING" && !left {
			left = true
			return omitError(2)
		}
		return nil
	})
	r.copies(3)
	if !left {
		t.Error("nothing was left out")
	}
	r.has("INBOX", append(mails(0, 5), mails(10, 13)...)...)
}

// TestLeftOutOfListingAfterInterruption: likewise where the folder's first pull was interrupted, and what it had copied is gone.
func TestLeftOutOfListingAfterInterruption(t *testing.T) {
	r := newRig(t)
	r.pair.new.single = true
	for n := range 5 {
		r.pair.old.deliver("INBOX", mail(n))
	}
	appends := 0
	r.pair.new.fail(func(step string) error {
		if step == "+APPEND" {
			if appends++; appends > 2 {
				return &link.Error{Server: "fake", Op: "APPEND", Class: link.Fix, Code: imap.ResponseCodeOverQuota, Text: "full", Err: errors.New("NO")}
			}
		}
		return nil
	})
	r.start(false)
	if res := r.sync(); res.Pass.Complete || len(r.pair.new.bodies("INBOX")) == 0 {
		t.Fatalf("not interrupted: %+v", res.Pass)
	}
	r.pair.new.fail(func(string) error { return nil })
	r.pair.old.remove("INBOX", mail(0))
	left := false
	r.pair.old.fail(func(step string) error {
		if step == "+LISTING" && !left {
			left = true
			return omitError(3)
		}
		return nil
	})
	if res := r.sync(); !res.Pass.Complete || !left {
		t.Errorf("left out: %v; %+v, problem %+v", left, res.Pass, res.Problem)
	}
	r.has("INBOX", mails(0, 5)...)
}

// TestOlderLedgerOfAnAcceptedMailbox: the new server has numbered INBOX anew, more was copied, the ledger is put back to an earlier state, and a person says
// that the mailbox, of which hardly anything is known by then, is the right one. What was copied since is recognised.
func TestOlderLedgerOfAnAcceptedMailbox(t *testing.T) {
	t.Parallel()
	r := newRigIn(t, inMemory(t))
	r.pair.old.add("Work")
	r.pair.old.deliver("INBOX", mail(0))
	r.pair.new.deliver("INBOX", mail(0))
	for n := range 4 {
		r.pair.old.deliver("Work", mail(10+n))
	}
	r.start(false)
	r.copies(4)
	putBack := r.keepLedger("INBOX")
	r.pair.new.mu.Lock()
	delete(r.pair.new.folders, "Work")
	r.pair.new.mu.Unlock()
	r.pair.new.renumber("INBOX")
	for n := range 3 {
		r.pair.old.deliver("INBOX", mail(1+n))
	}
	r.sync()
	r.stop()
	putBack()
	r.start(false)
	if res := r.sync(); res.Problem == nil || res.Problem.Kind != store.OtherMailbox {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	if err := r.engine.DecideMailbox(t.Context(), r.account.ID, report.MailboxAccept); err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.has("INBOX", mails(0, 4)...)
}
