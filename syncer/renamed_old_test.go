package syncer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// TestFolderRenamedOnOldServer: a folder that is renamed there goes on in the folder that has its copies, whatever
// becomes of its UIDVALIDITY; late mail and changed flags arrive, and nothing is made anew.
func TestFolderRenamedOnOldServer(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(r *rig)
		late string            // the old folder that gets late mail
		want map[string]string // old folder -> new folder that has its mail
	}{
		"renamed": {
			do:   func(r *rig) { r.pair.old.rename("Work", "Project") },
			late: "Project", want: map[string]string{"Project": "Work"},
		},
		"renamed, with another UIDVALIDITY": {
			do: func(r *rig) {
				r.pair.old.rename("Work", "Project")
				r.pair.old.renumber("Project")
			},
			late: "Project", want: map[string]string{"Project": "Work"},
		},
		"renamed, and its name used again": {
			do: func(r *rig) {
				r.pair.old.rename("Work", "Project")
				r.pair.old.add("Work")
				r.pair.old.deliver("Work", mail(500))
			},
			late: "Project", want: map[string]string{"Project": "Work"},
		},
		"two that are swapped": {
			do: func(r *rig) {
				r.pair.old.rename("Work", "tmp")
				r.pair.old.rename("Other", "Work")
				r.pair.old.rename("tmp", "Other")
			},
			late: "Other", want: map[string]string{"Other": "Work", "Work": "Other"},
		},
		"three in a circle": {
			do: func(r *rig) {
				r.pair.old.rename("Work", "tmp")
				r.pair.old.rename("Other", "Work")
				r.pair.old.rename("Third", "Other")
				r.pair.old.rename("tmp", "Third")
			},
			late: "Third", want: map[string]string{"Third": "Work", "Work": "Other", "Other": "Third"},
		},
		"a chain, the last one deleted": {
			do: func(r *rig) {
				r.pair.old.mu.Lock()
				delete(r.pair.old.folders, "Other")
				r.pair.old.mu.Unlock()
				r.pair.old.rename("Work", "Other")
			},
			late: "Other", want: map[string]string{},
		},
		"deleted, and another one made": {
			do: func(r *rig) {
				r.pair.old.mu.Lock()
				delete(r.pair.old.folders, "Work")
				r.pair.old.mu.Unlock()
				r.pair.old.add("Project")
				r.pair.old.deliver("Project", mail(501))
			},
			late: "Project", want: map[string]string{"Project": "Project"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for i, folder := range []string{"Work", "Other", "Third"} {
				r.pair.old.add(folder)
				for n := range 5 {
					r.pair.old.deliver(folder, mail(100*i+n))
				}
			}
			r.start(false)
			r.copies(15)
			r.pair.new.remove("Work", mail(3))
			c.do(r)
			r.pair.old.deliver(c.late, mail(900))
			r.pair.old.setFlags(c.late, mail(2), imap.FlagFlagged)
			for range 2 {
				if res := r.sync(); !res.Pass.Complete {
					t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
				}
			}
			var all []string
			for name := range r.pair.new.folders {
				all = append(all, r.pair.new.bodies(name)...)
			}
			for _, n := range []int{0, 1, 2, 4, 100, 204, 900} {
				if got := count(all, mail(n)); got != 1 {
					t.Errorf("message %d is there %d times", n, got)
				}
			}
			if count(all, mail(3)) > 0 {
				t.Error("what was removed is back")
			}
			for old, want := range c.want {
				if row := r.folderRow(old); row.New != want || row.Title != old || row.State != store.FolderPresent {
					t.Errorf("%s: %+v, want it in %s", old, row, want)
				}
			}
			if in := c.want[c.late]; in == "Work" {
				if got := r.pair.new.flags("Work", mail(2)); !slices.Contains(got, imap.FlagFlagged) || count(r.pair.new.bodies("Work"), mail(900)) != 1 {
					t.Errorf("flags %v, Work has %q", got, r.pair.new.bodies("Work"))
				}
			}
			r.quietPass()
		})
	}
}

func count(all []string, body string) (n int) {
	for _, b := range all {
		if b == body {
			n++
		}
	}
	return n
}

// TestUnknownFolderUnderAnotherName: the ledger was lost, or put back to before it knew a folder, and that has been renamed on the
// new server since: it is not copied again.
func TestUnknownFolderUnderAnotherName(t *testing.T) {
	for _, all := range []bool{true, false} {
		t.Run(fmt.Sprintf("all is lost %t", all), func(t *testing.T) {
			r := newRig(t)
			for i := range 5 {
				r.pair.old.deliver("INBOX", mail(i))
			}
			before := func() *rig {
				other := newRig(t)
				other.pair = r.pair
				return other
			}
			other := before()
			if !all {
				other.start(false)
				other.copies(5)
				other.stop()
			}
			r.pair.old.add("Later")
			for i := range 40 {
				r.pair.old.deliver("Later", mail(100+i))
			}
			r.start(false)
			if res := r.sync(); !res.Pass.Complete {
				t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
			}
			r.stop()
			r.pair.new.rename("Later", "Projects")
			r.pair.new.add("Mine")
			r.pair.new.deliver("Mine", mail(100)) // its user has copied one into a folder of their own
			for i := range 30 {
				r.pair.new.deliver("Mine", mail(700+i))
			}
			r.pair.old.deliver("Later", mail(140))
			other.start(false)
			other.copies(1)
			other.has("Projects", mails(100, 141)...)
			if other.pair.new.folders["Later"] != nil {
				t.Error("the folder was made anew")
			}
			other.quietPass()
		})
	}
}
