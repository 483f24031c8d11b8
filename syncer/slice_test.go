package syncer

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/session"
)

// sliceOverAt makes a pass whose time is over when the old server has taken a step, or is about to.
func (r *rig) sliceOverAt(step string) passResult {
	r.t.Helper()
	a, leave, err := r.engine.registry.acquire(r.t.Context(), r.account.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	defer leave()
	struck := errors.New("it was not taken")
	over := sync.OnceFunc(func() {
		struck = a.jobs.Do(r.t.Context(), func() {
			a.passes.pass.options.until = time.Now()
			a.passes.sliceOver()
		})
	})
	r.pair.old.fail(func(s string) error {
		if s == step {
			over()
		}
		return nil
	})
	defer r.pair.old.fail(noFault)
	res, err := r.engine.scheduler.passOver(r.t.Context(), r.account.ID, passOptions{until: time.Now().Add(time.Hour)})
	if err != nil || struck != nil || !res.yielded {
		r.t.Fatalf("%+v, %v; %s: %v", res, err, step, struck)
	}
	return res
}

// TestSliceCutsCopying: a pass that has had its time stops copying a folder, and the next one goes on from there.
func TestSliceCutsCopying(t *testing.T) {
	t.Parallel()
	r := newRigIn(t, inMemory(t))
	r.silent = true
	for n := range 40 {
		if n == 20 { // so far apart that they are listed, and copied, one after the other
			r.pair.old.folders["INBOX"].next += 10 * session.ListWindow
		}
		r.pair.old.deliver("INBOX", mail(n))
	}
	r.start(false)
	if res := r.sliceOverAt("+BODY"); res.pass.Copied != 20 || !r.folderRow("INBOX").Checkpoint.Checked.IsZero() {
		t.Errorf("copied %d", res.pass.Copied)
	}
	r.sync()
	r.has("INBOX", mails(0, 40)...)
}

// TestSliceTooShortToCompareAll: a pass has had its time while all of a complete folder is compared. It is through with that all the
// same: the next one would begin anew, be cut in its turn, and nothing new would ever be copied.
func TestSliceTooShortToCompareAll(t *testing.T) {
	for name, condstore := range map[string]bool{"once a day": true, "in each pass": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRigIn(t, inMemory(t))
			r.silent = true
			r.pair.old.condstor = condstore
			for n := range 40 {
				r.pair.old.deliver("INBOX", mail(n))
			}
			r.start(false)
			r.copies(40)
			if condstore {
				r.aDayLater()
			}
			was := r.folderRow("INBOX").Checkpoint.Checked
			r.pair.old.deliver("INBOX", mail(40))
			r.pair.old.setFlags("INBOX", mail(3), imap.FlagSeen)
			r.sliceOverAt("-HEADS")
			r.has("INBOX", mails(0, 41)...)
			if got := r.pair.new.flags("INBOX", mail(3)); len(got) != 1 || !r.folderRow("INBOX").Checkpoint.Checked.After(was) {
				t.Errorf("flags %v; looked at %v", got, r.folderRow("INBOX").Checkpoint.Checked)
			}
			r.quietPass()
		})
	}
}
