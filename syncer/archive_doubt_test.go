package syncer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// TestInDoubtWhileAllMailIsLookedThrough: messages of a folder were given to the new server, which then refuses to tell whether it
// has them. All mail shows them as well, and they lie in that folder: they don't go to the archive, unless they were lost and are archived
// before they are copied once more.
func TestInDoubtWhileAllMailIsLookedThrough(t *testing.T) {
	for name, rigOf := range allMailRigs {
		for fate := range unclearAppends {
			for i := range 4 {
				fleeting, archived := i&1 != 0, i&2 != 0
				t.Run(fmt.Sprintf("%s, %s, UIDs last: %t, archived: %t", name, fate, !fleeting, archived), func(t *testing.T) {
					t.Parallel()
					inBubble(t, func(t *testing.T) {
						r := rigOf(t)
						r.silent = true
						r.pair.new.uidplus, r.pair.new.fleeting = false, fleeting
						r.arrives(1, "INBOX")
						r.arrives(2, "Work")
						archive := []int{8}
						if !fleeting { // else a pull would ask what is there already, which is refused as well
							r.arrives(7)
							archive = []int{7, 8}
						}
						r.start(false)
						r.pass(uint64(1 + len(archive)))
						r.arrives(5, "Work")
						r.arrives(6, "Work")
						r.arrives(8)
						free := r.doubt("Work", fate)
						r.sync()
						r.has("Archive", archive...)
						free()
						if archived {
							r.pair.old.remove("Work", mail(5))
						}
						r.sync()
						r.pass(0)
						if archived && fate == "never stored" {
							r.has("Work", 2, 6)
							r.has("Archive", append(archive, 5)...)
							return
						}
						r.has("Work", 2, 5, 6)
						r.has("Archive", archive...)
					})
				})
			}
		}
	}
}

// unclearAppends are what becomes of messages that are given to the new server: at which step it is decided, and whether the connection is lost.
var unclearAppends = map[string]struct {
	step string
	lost bool
}{
	"never stored":          {"+APPEND", true},
	"stored without a word": {"-APPEND", true},
	"taken, but not where":  {"-APPEND", false},
}

// doubt brings the next messages of a folder into doubt, and lets the new server refuse from then on whatever tells of
// them, until free is called.
func (r *allMailRig) doubt(folder, fate string) (free func()) {
	asked := []string{"+SEARCH", "+HEADERS", "+LISTING", "+GLANCE"}
	d, first, struck := unclearAppends[fate], mail(5), false
	has := func(box *fakeFolder) bool {
		return slices.ContainsFunc(box.messages, func(m *fakeMessage) bool { return string(m.body) == first })
	}
	r.pair.new.fail(func(step string) error { // the server is locked
		switch {
		case step == d.step && !struck && (step == "+APPEND" || has(r.pair.new.folders[folder])):
			if struck = true; d.lost {
				return lostError("APPEND")
			}
		case struck && slices.Contains(asked, step):
			return refusedError(step, imap.ResponseCodeServerBug)
		}
		return nil
	})
	return func() {
		r.pair.new.fail(noFault)
		r.pair.new.mu.Lock()
		defer r.pair.new.mu.Unlock()
		if !struck {
			r.t.Error("nothing was brought into doubt")
		}
	}
}

// TestLeftOutWhileAllMailIsLookedThrough: one answer of the old server lacks a message while all mail is looked through. What lies in another folder does
// not go to the archive because of that.
func TestLeftOutWhileAllMailIsLookedThrough(t *testing.T) {
	for name, rigOf := range allMailRigs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				for nth, more := 1, true; more; nth++ {
					for _, item := range []int{1, 2, 3} {
						r := rigOf(t)
						r.silent = true
						for n := range 3 {
							r.arrives(n, "INBOX")
						}
						r.arrives(5, "Work")
						r.arrives(7)
						struck, left := "", nth
						r.pair.old.fail(func(step string) error {
							if !slices.Contains(tellsMessages, step) {
								return nil
							}
							if left--; left != 0 {
								return nil
							}
							struck = step
							return omitError(item)
						})
						r.start(false)
						r.sync()
						r.pair.old.fail(noFault)
						r.aDayLater()
						r.sync()
						if got := r.pair.new.bodies("Archive"); !slices.Equal(got, []string{mail(7)}) {
							t.Errorf("answer %d (%s) lacked item %d: the archive has %q", nth, struck, item, got)
						}
						more = struck != ""
						r.stop()
					}
				}
			})
		})
	}
}
