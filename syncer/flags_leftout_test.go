package syncer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// TestFlagsWhileAMessageIsLeftOut: a changed flag reaches the copy, whatever message one of the answers lacks while it is carried over, and
// whichever answer that is; at the latest when all flags are compared.
func TestFlagsWhileAMessageIsLeftOut(t *testing.T) {
	for name, world := range map[string]func(r *rig){
		"CONDSTORE":            func(r *rig) { r.pair.old.condstor = true },
		"no CONDSTORE":         func(*rig) {},
		"UIDs that don't last": func(r *rig) { r.pair.new.fleeting = true },
	} {
		for _, side := range []string{"old", "new"} {
			t.Run(fmt.Sprintf("%s, %s server", name, side), func(t *testing.T) {
				t.Parallel()
				nth := 1
				for flagsLeftOut(t, world, side, nth, 1) {
					flagsLeftOut(t, world, side, nth, 2)
					nth++
				}
				atLeast(t, 2, nth-1)
			})
		}
	}
}

// flagsLeftOut makes a pass in which the answer of that number lacks an item, and tells whether there was one.
func flagsLeftOut(t *testing.T, world func(*rig), side string, nth, item int) (struck bool) {
	t.Helper()
	r := rigOf(t, 4)
	world(r)
	r.sync()
	for i := range 3 {
		r.pair.old.setFlags("INBOX", mail(i), imap.FlagFlagged)
	}
	r.pair.old.deliver("INBOX", mail(4))
	left := nth
	at := map[string]*fakeServer{"old": r.pair.old, "new": r.pair.new}[side]
	at.fail(func(step string) error {
		if !slices.Contains(tellsMessages, step) {
			return nil
		}
		if left--; left != 0 {
			return nil
		}
		struck = true
		return omitError(item)
	})
	r.sync()
	at.fail(noFault)
	r.aDayLater()
	r.sync()
	for i := range 5 {
		if was, is := r.pair.old.flags("INBOX", mail(i)), r.pair.new.flags("INBOX", mail(i)); !slices.Equal(was, is) {
			t.Errorf("answer %d, item %d: message %d has flags %v, want %v", nth, item, i, is, was)
		}
	}
	return struck
}
