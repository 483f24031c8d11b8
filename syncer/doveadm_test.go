package syncer_test

import (
	"sync"
	"testing"

	"postferry/internal/lab"
)

// TestAdministratorTidiesUp: an administrator has indexes made anew, looks for doubles and purges at both servers while
// mail is copied: every message is there once.
func TestAdministratorTidiesUp(t *testing.T) {
	two := startTwo(t)
	two.deliver(two.old, "INBOX", 1, 400)
	two.deliver(two.old, "Work", 2, 100)
	var tidying sync.WaitGroup
	done := make(chan struct{})
	tidying.Go(func() {
		for {
			for _, s := range []*lab.Dovecot{two.old, two.new} {
				s.Doveadm("force-resync", "-u", anna, "*")
				s.Doveadm("deduplicate", "-u", anna, "mailbox", "INBOX", "ALL")
				s.Doveadm("purge", "-u", anna)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	r := two.try()
	close(done)
	tidying.Wait()
	if r.Problem != nil || !r.Pass.Complete || r.Pass.Copied != 500 {
		t.Errorf("%+v, %+v", r.Pass, r.Problem)
	}
	two.wantOnce(0)
	two.quiet()
}
