package syncer

import (
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// TestAllMailAnewWhileItIsPulled: a message is archived at the old server, and turns out not to be in its folder at the new one while all mail is being
// pulled, which has passed it over. The next pass brings it to the archive.
func TestAllMailAnewWhileItIsPulled(t *testing.T) {
	for name, rigOf := range allMailRigs {
		for how, leaves := range map[string]func(*allMailRig) (meanwhile func()){
			"a person has it tried again": func(r *allMailRig) func() {
				r.refuses(imap.ResponseCodeUnknownCTE)
				r.arrives(5, "Work")
				r.arrives(3, "Work")
				r.sync()
				if n := len(r.quarantined("Work")); n != 1 {
					r.t.Fatalf("%d messages in quarantine", n)
				}
				r.pair.old.remove("Work", mail(5))
				r.sync()
				r.refuses("")
				return func() {
					r.retries()
					r.pair.old.deliver("Work", mail(4))
				}
			},
			"a client opens its folder, which was put back": func(r *allMailRig) func() {
				r.arrives(3, "Work")
				r.pass(1)
				putBack := r.pair.new.keep("Work")
				r.arrives(5, "Work")
				r.pass(1)
				r.pair.old.remove("Work", mail(5))
				r.pass(0)
				return func() {
					putBack()
					r.pair.old.deliver("Work", mail(4))
					time.Sleep(2 * visitFresh) // later it is looked at again
					r.visits("Work")
					time.Sleep(time.Minute) // nobody waits for that
					r.has("Work", 2, 3, 4)
				}
			},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					r := rigOf(t)
					r.firstPass()
					meanwhile := leaves(r)
					struck := false
					r.pair.new.slow(func(op string) time.Duration {
						if op == "APPEND" && !struck {
							struck = true
							meanwhile()
						}
						return 0
					})
					r.arrives(8)
					r.sync()
					if r.sync(); !struck {
						t.Error("nothing was given to the archive meanwhile")
					}
					r.has("Archive", 5, 7, 8)
					r.has("Work", 2, 3, 4)
					r.pass(0)
					r.allLookedThrough()
				})
			})
		}
	}
}
