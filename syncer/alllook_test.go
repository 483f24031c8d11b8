package syncer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/folders"
)

// aDayLater lets a day pass since folders were looked at last.
func (r *rig) aDayLater() {
	r.t.Helper()
	r.stop()
	folders, err := r.store.Folders(r.t.Context(), r.account.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range folders {
		if cp := f.Checkpoint; !cp.Checked.IsZero() {
			cp.Checked = cp.Checked.Add(-24 * time.Hour)
			if err := r.store.Commit(r.t.Context(), store.Batch{Account: r.account.ID, Folder: f.ID, Checkpoint: &cp}); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	r.start(false)
}

// TestChangeLeftOut: the old server leaves a message out of those whose flags have changed, or counts changes anew and comes
// exactly as far as it was. Within a day the change is carried over all the same, and a folder in which nothing happens
// is looked at no more often than that.
func TestChangeLeftOut(t *testing.T) {
	for _, folder := range []string{"INBOX", "Work"} {
		for _, how := range []string{"left out", "counted anew"} {
			t.Run(folder+", "+how, func(t *testing.T) {
				t.Parallel()
				r := newRigIn(t, inMemory(t))
				r.silent = true
				for _, name := range []string{"Work", "Other"} {
					r.pair.old.add(name)
				}
				for n := range 40 {
					r.pair.old.deliver(folder, mail(n))
				}
				r.pair.old.deliver("Other", mail(50))
				r.start(false)
				r.copies(41)
				was := r.pair.old.folder(folder).modseq
				for _, n := range []int{3, 7} {
					r.pair.old.setFlags(folder, mail(n), imap.FlagSeen)
				}
				left := false
				switch how {
				case "counted anew":
					r.pair.old.setModSeq(folder, was)
				default:
					r.pair.old.fail(func(step string) error {
						if step == "+LISTING" {
							left = true
							return omitError(1)
						}
						return nil
					})
				}
				r.copies(0)
				r.pair.old.fail(noFault)
				if got := r.pair.new.flags(folder, mail(3)); how == "left out" && (!left || len(got) > 0) {
					t.Fatalf("nothing was left out: flags %v", got)
				}
				r.aDayLater()
				r.copies(0)
				for _, n := range []int{3, 7} {
					if got := r.pair.new.flags(folder, mail(n)); !slices.Equal(got, []imap.Flag{imap.FlagSeen}) {
						t.Errorf("%d has %v", n, got)
					}
				}
				r.quietPass()
			})
		}
	}
}

// TestNeverListed: the old server leaves new messages out of whatever it is asked when they come, and its number of messages doesn't show that.
// They are copied within a day; where each pass compares all flags, by the same one.
func TestNeverListed(t *testing.T) {
	for _, condstore := range []bool{true, false} {
		for _, known := range []int{5, 40} {
			t.Run(fmt.Sprintf("CONDSTORE %t, %d known", condstore, known), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					r := newRigIn(t, inMemory(t))
					r.silent = true
					r.pair.old.condstor = condstore
					for n := range known {
						r.pair.old.deliver("INBOX", mail(n))
					}
					r.start(false)
					r.copies(known)
					for n := range 2 {
						r.pair.old.remove("INBOX", mail(n))
					}
					for n := range 3 {
						r.pair.old.deliver("INBOX", mail(100+n))
					}
					listings := 0
					r.pair.old.fail(func(step string) error {
						if step == "+LISTING" {
							if listings++; listings <= 3 { // also when it is asked for what it lacked, and for what has changed
								return omitError([]int{2, 1, 2}[listings-1])
							}
						}
						return nil
					})
					r.sync()
					r.pair.old.fail(noFault)
					if there := slices.Contains(r.pair.new.bodies("INBOX"), mail(101)); listings < 2 || there == condstore {
						t.Fatalf("%d listings; the message is there: %v", listings, there)
					}
					r.aDayLater()
					r.sync()
					r.has("INBOX", append(mails(0, known), mails(100, 103)...)...)
					r.quietPass()
				})
			})
		}
	}
}

// TestLeftOutOfSearch: the new server leaves a message out of what it finds when a folder is looked at for the first time, in which it has
// the old server's mail already. Nothing is copied twice.
func TestLeftOutOfSearch(t *testing.T) {
	for _, item := range []int{1, 3, 5} {
		r := newRigIn(t, inMemory(t))
		r.silent = true
		for n := range 5 {
			r.pair.old.deliver("INBOX", mail(n))
			r.pair.new.deliver("INBOX", mail(n))
		}
		left := false
		r.pair.new.fail(func(step string) error {
			if step == "+SEARCH" && !left {
				left = true
				return omitError(item)
			}
			return nil
		})
		r.start(false)
		r.copies(0)
		r.has("INBOX", mails(0, 5)...)
		if !left {
			t.Error("nothing was left out")
		}
		r.stop()
	}
}

// TestAllLookGivesWay: a client is about to rename a folder of which all messages are about to be compared. It does not wait for that.
func TestAllLookGivesWay(t *testing.T) {
	t.Parallel()
	r := newRigIn(t, inMemory(t))
	r.silent = true
	for n := range 40 {
		r.pair.old.deliver("INBOX", mail(n))
	}
	r.start(false)
	r.copies(40)
	r.aDayLater()
	a, leave, err := r.engine.registry.acquire(t.Context(), r.account.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	var held []*folders.Folder
	resting := make(chan []<-chan struct{}, 1)
	listings := 0
	r.pair.old.fail(func(step string) error {
		switch {
		case step == "-HEADS" && held == nil:
			return a.jobs.Do(t.Context(), func() {
				var rest []<-chan struct{}
				held, rest = a.mail.Folders.Hold([]string{"INBOX"}, '/')
				resting <- rest
			})
		case step == "+LISTING" && held != nil:
			listings++
		}
		return nil
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.engine.Sync(t.Context(), nil, nil) //nolint:errcheck // its end is not of interest
	}()
	select {
	case rest := <-resting:
		for _, rests := range rest {
			<-rests
		}
	case <-ended:
		t.Fatal("all messages were not compared")
	}
	r.pair.old.fail(noFault)
	if listings > 0 {
		t.Errorf("%d listings before it gave way", listings)
	}
	if err := a.jobs.Do(t.Context(), func() { folders.LetGo(held) }); err != nil {
		t.Fatal(err)
	}
	<-ended
	r.quietPass()
}
