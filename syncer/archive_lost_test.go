package syncer

import (
	"fmt"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/report"
	"postferry/store"
)

// TestArchivedThenLost: a message was copied from a folder, is archived at the old server, and its copy is lost: the new
// server is put back to a backup, which may number the folder anew, or the folder goes and is to be made again. It lies only in all mail by then, which had passed it
// over, and goes to the archive.
func TestArchivedThenLost(t *testing.T) {
	for name, rigOf := range allMailRigs {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, put back, restarted: %v", name, restarted), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					r := rigOf(t)
					r.archivedThenPutBack()
					if restarted {
						r.stop()
						r.start(false)
					}
					r.goesToTheArchive()
				})
			})
		}
		t.Run(name+", its folder was deleted at the old server", func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := rigOf(t)
				putBack := r.archivedThenPutBackTo()
				r.oldLoses("Work")
				r.pass(0)
				putBack()
				r.goesToTheArchive()
			})
		})
		t.Run(name+", several folders were deleted at the old server", func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := rigOf(t)
				r.silent = true
				folders := []string{"Trips", "Work"}
				for i, name := range folders {
					r.arrives(1+i, name)
				}
				r.arrives(7)
				r.start(false)
				r.pass(3)
				var putBack []func()
				for i, name := range folders {
					putBack = append(putBack, r.pair.new.keep(name))
					r.arrives(3+i, name)
				}
				r.pass(2)
				for i, name := range folders {
					r.pair.old.remove(name, mail(3+i))
				}
				r.pass(0)
				r.oldLoses(folders...)
				r.pass(0)
				for _, back := range putBack {
					back()
				}
				asked := r.pair.new.count("STATUS")
				r.pass(2)
				if n := r.pair.new.count("STATUS") - asked; n != 2 { // the archive is asked for as well, once it is pulled
					t.Errorf("folders are asked for %d times", n)
				}
				r.has("Trips", 1)
				r.has("Work", 2)
				r.has("Archive", 3, 4, 7)
				r.pass(0)
			})
		})
		t.Run(name+", its folder was deleted at the old server, and only its owner's own mail is lost", func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := rigOf(t)
				r.firstPass()
				putBack := r.pair.new.keep("Work")
				r.pair.new.deliver("Work", mail(30))
				r.pair.old.setFlags("Work", mail(2), imap.FlagSeen)
				r.pass(0)
				r.oldLoses("Work")
				r.pass(0)
				putBack()
				if row := r.folderRow("Work"); row.Checkpoint.NewUIDNext != 3 {
					t.Fatalf("%+v", row.Checkpoint)
				}
				asked := r.pair.new.count("STATUS")
				r.pass(0)
				if n := r.pair.new.count("STATUS") - asked; n > 0 {
					t.Errorf("nothing is to be looked for, and the folder is waited for and asked for %d times", n)
				}
			})
		})
		t.Run(name+", numbered anew, tried again", func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := rigOf(t)
				r.archivedThenPutBack()
				r.pair.new.renumber("Work")
				r.pass(0)
				row := r.folderRow("Work")
				l, err := r.store.Ledger(t.Context(), r.account.ID, row.ID)
				if err != nil || len(l.Quarantine) != 1 {
					t.Fatalf("%d in quarantine, %v", len(l.Quarantine), err)
				}
				if err := r.engine.Retry(t.Context(), r.account.ID, row.ID, []store.Key{l.Quarantine[0].Key}); err != nil {
					t.Fatal(err)
				}
				r.goesToTheArchive()
			})
		})
		t.Run(name+", made again", func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := rigOf(t)
				r.silent = true
				r.arrives(1, "INBOX")
				r.arrives(2, "Work")
				r.arrives(5, "Work")
				r.arrives(7)
				r.start(false)
				r.pass(4)
				r.pair.old.remove("Work", mail(5))
				r.newLoses("Work")
				r.sync()
				r.arrives(3, "Work")
				r.sync()
				row := r.folderRow("Work")
				if row.State != store.FolderMissing {
					t.Fatalf("%+v", row)
				}
				if err := r.engine.DecideFolder(t.Context(), r.account.ID, row.ID, report.FolderRecreate); err != nil {
					t.Fatal(err)
				}
				r.pass(3)
				r.has("Work", 2, 3)
				r.has("Archive", 5, 7)
				r.pass(0)
			})
		})
	}
}

// archivedThenPutBack copies a message from Work, archives it at the old server, and puts Work back at the new one to before it was copied.
func (r *allMailRig) archivedThenPutBack() {
	r.t.Helper()
	r.archivedThenPutBackTo()()
}

// archivedThenPutBackTo does all of that but the last.
func (r *allMailRig) archivedThenPutBackTo() (putBack func()) {
	r.t.Helper()
	r.firstPass()
	putBack = r.pair.new.keep("Work")
	r.arrives(5, "Work")
	r.pass(1)
	r.pair.old.remove("Work", mail(5))
	r.pass(0)
	return putBack
}

// oldLoses deletes folders at the old server.
func (r *rig) oldLoses(names ...string) {
	r.pair.old.mu.Lock()
	defer r.pair.old.mu.Unlock()
	for _, name := range names {
		delete(r.pair.old.folders, name)
	}
}

// goesToTheArchive runs a pass after which the message is in the archive instead, and another one that has nothing to do.
func (r *allMailRig) goesToTheArchive() {
	r.t.Helper()
	r.pass(1)
	r.has("Work", 2)
	r.has("Archive", 5, 7)
	r.pass(0)
}
