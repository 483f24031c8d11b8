package syncer

import (
	"fmt"
	"testing"
)

// TestRepairedInTwoFoldersIsFound: with the ledger lost, the copies of a message that lies in two folders and was repaired are
// recognised in both, also if the connection breaks while the message is tried as it is.
func TestRepairedInTwoFoldersIsFound(t *testing.T) {
	for cut, lasting := range map[int]bool{0: true, 1: false, 2: false} {
		t.Run(fmt.Sprintf("UIDs last %t, cut %d times", lasting, cut), func(t *testing.T) {
			t.Parallel()
			repairedInTwoFolders(t, lasting, cut)
		})
	}
}

func repairedInTwoFolders(t *testing.T, lasting bool, cut int) {
	folders := []string{"Folder11", "Work"}
	r := newRig(t)
	r.pair.new.fleeting = !lasting
	for _, name := range folders {
		r.pair.old.add(name)
		for n := range 3 {
			r.pair.old.deliver(name, mail(n))
		}
		r.pair.old.deliver(name, nulMail)
	}
	r.pair.new.refuse = refuseLikeCyrus
	r.start(false)
	r.copies(8)
	late := newRig(t)
	late.cfg.Sync.NewConnections = 1
	late.pair = r.pair
	left := cut
	r.pair.new.fail(func(step string) error {
		if step != "+WAIT" || left == 0 {
			return nil
		}
		left--
		return lostError("APPEND")
	})
	late.start(false)
	if res := late.sync(); !res.Pass.Complete || left > 0 {
		t.Errorf("%+v, problem %+v; %d cuts to come", res.Pass, res.Problem, left)
	}
	for _, name := range folders {
		if n := len(r.pair.new.bodies(name)); n != 4 {
			t.Errorf("%s: %d messages", name, n)
		}
	}
}
