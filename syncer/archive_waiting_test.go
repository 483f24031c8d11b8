package syncer

import (
	"errors"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/report"
	"postferry/upstream/link"
)

// TestArchivedBeforeItWasCopied: a message lies in a folder that can't be pulled just now when all mail is looked through, and is archived
// at the old server before it can. It goes to the archive then; and if it stays where it is, to its folder, once.
func TestArchivedBeforeItWasCopied(t *testing.T) {
	for name, rigOf := range allMailRigs {
		for reason, hinder := range hindrances {
			for _, archived := range []bool{true, false} {
				t.Run(name+", "+reason+map[bool]string{true: ", archived"}[archived], func(t *testing.T) {
					t.Parallel()
					inBubble(t, func(t *testing.T) {
						r := rigOf(t)
						r.firstPass()
						free := hinder(r)
						r.arrives(5, "Work")
						r.arrives(8)
						r.sync()
						r.has("Archive", 7, 8)
						if archived {
							r.pair.old.remove("Work", mail(5))
						}
						free()
						r.pass(1)
						if archived {
							r.has("Work", 2)
							r.has("Archive", 5, 7, 8)
						} else {
							r.has("Work", 2, 5)
							r.has("Archive", 7, 8)
						}
						r.pass(0)
						r.allLookedThrough()
					})
				})
			}
		}
	}
}

// allLookedThrough wants all mail to be looked through up to its end.
func (r *allMailRig) allLookedThrough() {
	r.t.Helper()
	if row := r.folderRow("All"); row.Checkpoint.UIDNext != r.pair.old.folder("All").next {
		r.t.Errorf("all mail is looked through up to %d, there is mail up to %d", row.Checkpoint.UIDNext, r.pair.old.folder("All").next)
	}
}

// hindrances keep Work from being pulled, until the function that they return is called.
var hindrances = map[string]func(*allMailRig) (free func()){
	"missing": func(r *allMailRig) func() {
		r.pair.new.mu.Lock()
		defer r.pair.new.mu.Unlock()
		r.pair.new.hidden["Work"] = r.pair.new.folders["Work"]
		delete(r.pair.new.folders, "Work")
		return func() {
			r.pair.new.mu.Lock()
			defer r.pair.new.mu.Unlock()
			r.pair.new.folders["Work"] = r.pair.new.hidden["Work"]
		}
	},
	"refused for now": func(r *allMailRig) func() {
		r.pair.new.mu.Lock()
		defer r.pair.new.mu.Unlock()
		r.pair.new.refuse = func(body []byte) error {
			if string(body) == mail(5) {
				return &link.Error{Server: "fake", Op: "APPEND", Class: link.Later, Code: imap.ResponseCodeInUse, Text: "later", Err: errors.New("NO")}
			}
			return nil
		}
		return func() {
			r.pair.new.mu.Lock()
			defer r.pair.new.mu.Unlock()
			r.pair.new.refuse = func([]byte) error { return nil }
		}
	},
}

// TestArchivedWhereFolderWasDeleted: what lies in a folder that its user has deleted stays out, and does not hold up all mail.
func TestArchivedWhereFolderWasDeleted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newAllMailRig(t)
		r.arrives(1, "INBOX")
		r.arrives(2, "Work")
		r.start(false)
		r.pass(2)
		r.newLoses("Work")
		r.arrives(5, "Work")
		r.sync()
		if err := r.engine.DecideFolder(t.Context(), r.account.ID, r.folderRow("Work").ID, report.FolderDeleted); err != nil {
			t.Fatal(err)
		}
		r.arrives(8)
		r.pass(1)
		r.pass(0)
		r.has("Archive", 8)
		if got := r.leftOutOf(); got["Work"] != 1 || slices.Contains(r.pair.new.bodies("Archive"), mail(5)) {
			t.Errorf("left out %v", got)
		}
		r.allLookedThrough()
	})
}
