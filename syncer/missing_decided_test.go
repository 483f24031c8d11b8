package syncer

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"postferry/internal/lab"
	"postferry/report"
	"postferry/store"
)

// TestDecideFolder: a person says what a missing folder is.
func TestDecideFolder(t *testing.T) {
	missing := func(t *testing.T) (*oddRig, store.FolderID) {
		r := newOddRigInMemory(t, lab.OddOptions{}, lab.OddOptions{})
		r.start(false)
		r.complete(oddTotal())
		r.new.Delete("Work")
		r.late("Work", 90, 91)
		if res := r.sync(); res.Pass.Complete {
			t.Fatalf("%+v", res.Pass)
		}
		return r, r.folderRow("Work").ID
	}
	decide := func(r *oddRig, id store.FolderID, v report.FolderVerdict) {
		r.t.Helper()
		if err := r.engine.DecideFolder(r.t.Context(), r.account.ID, id, v); err != nil {
			r.t.Fatal(err)
		}
	}
	t.Run("deleted", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r, id := missing(t)
			decide(r, id, report.FolderDeleted)
			for range 2 {
				r.complete(0)
			}
			if row := r.folderRow("Work"); row.State != store.FolderDeleted || row.LeftOut != 2 || row.Missing != (store.Missing{}) {
				t.Errorf("%+v", row)
			}
			if slices.Contains(r.new.Folders(), "Work") {
				t.Error("Work was made again")
			}
		})
	})
	t.Run("made again", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r, id := missing(t)
			decide(r, id, report.FolderRecreate)
			r.complete(14)
			r.arrived(nil)
			r.complete(0)
		})
	})
	t.Run("made again, after a restart", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r, id := missing(t)
			decide(r, id, report.FolderRecreate)
			r.stop()
			r.start(false)
			r.complete(14)
			r.arrived(nil)
		})
	})
	t.Run("made again, where another has its name", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r, id := missing(t)
			r.new.Rename("Archive", "Work", false)
			r.late("Archive", 90)
			if res := r.sync(); res.Pass.Complete {
				t.Errorf("%+v", res.Pass)
			}
			decide(r, id, report.FolderRecreate)
			r.complete(14)
			r.foundOn("Archive", "Work")
			row := r.folderRow("Work")
			if row.New == "Work" {
				t.Errorf("%+v", row)
			}
			r.foundOn("Work", row.New)
		})
	})
	t.Run("nothing to decide", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r, id := missing(t)
			inbox := r.folderRow("INBOX").ID
			for folder, want := range map[store.FolderID]error{inbox: report.ErrNotMissing, 999: report.ErrNoFolder} {
				for _, v := range []report.FolderVerdict{report.FolderDeleted, report.FolderRecreate} {
					if err := r.engine.DecideFolder(t.Context(), r.account.ID, folder, v); !errors.Is(err, want) {
						t.Errorf("%d %s: %v, want %v", folder, v, err, want)
					}
				}
			}
			if err := r.engine.DecideFolder(t.Context(), r.account.ID, id, "perhaps"); err == nil {
				t.Error("no error for a verdict that there is not")
			}
		})
	})
	t.Run("gone from the old server", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			var hold atomic.Bool
			hold.Store(true)
			r := newOddRigInMemory(t, lab.OddOptions{}, holdsBack("Work", &hold))
			r.start(false)
			r.sync()
			r.old.Delete("Work")
			hold.Store(false)
			if res := r.sync(); res.Pass.Complete || res.Problem.Kind != store.FolderLeftOld {
				t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
			}
			decide(r, r.folderRow("Work").ID, report.FolderDeleted)
			r.complete(0)
		})
	})
}
