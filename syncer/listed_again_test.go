package syncer

import (
	"fmt"
	"testing"

	"postferry/store"
)

// TestListedAgainAndThere: mail that another program has brought to the new server before is not on the old one when its folder is first copied, and is
// there again later, under the UID that it had: the old server was put back to a backup. It is on the new server already.
func TestListedAgainAndThere(t *testing.T) {
	for _, killed := range []int{0, 1, 2, 3} {
		t.Run(fmt.Sprintf("killed %d", killed), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for n := range 5 {
				r.pair.old.deliver("INBOX", mail(n))
				r.pair.new.deliver("INBOX", mail(n))
			}
			putBack := r.pair.old.keep("INBOX")
			r.pair.old.remove("INBOX", mail(1))
			disk := &faultyStore{Store: r.store, unproved: newUnproved()}
			r.store = disk
			disk.set(noFault)
			r.start(false)
			r.copies(0)
			putBack()
			r.aDayLater()
			if killed > 0 {
				f := &trouble{faults: []fault{{after: killed, kind: "crash", where: func(s string) bool { return s == "-COMMIT" }}}}
				r.failAll(disk, f.strike)
				r.sync()
				r.stop()
				r.failAll(disk, noFault)
				r.start(false)
				if !f.crashed() {
					t.Error("nothing was killed")
				}
			}
			r.copies(0)
			r.copies(0)
			r.has("INBOX", mails(0, 5)...)
			if row := r.folderRow("INBOX"); row.Copied != 5 || row.State != store.FolderPresent {
				t.Errorf("%+v", row)
			}
		})
	}
}
