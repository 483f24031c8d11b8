package syncer

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/lab"
	"postferry/store"
)

// foundOn compares a folder of the old server with the one it must be on the new one, and wants
// each of its messages there once.
func (r *oddRig) foundOn(old, new string) {
	r.t.Helper()
	there := map[string]int{}
	for _, m := range r.new.Messages(new) {
		there[oddIdentity(m)]++
	}
	missing := 0
	for _, m := range r.old.Messages(old) {
		switch n := there[oddIdentity(m)]; n {
		case 0:
			missing++
		case 1:
		default:
			r.t.Errorf("%s UID %d: %d times in %s", old, m.UID, n, new)
		}
	}
	if missing > 0 {
		r.t.Errorf("%d of %d messages of %s are not in %s; there are %q", missing, len(r.old.Messages(old)), old, new, r.new.Folders())
	}
}

// folderRow is what the store has of a folder.
func (r *rig) folderRow(old string) store.Folder {
	r.t.Helper()
	folders, err := r.store.Folders(r.t.Context(), r.account.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range folders {
		if f.Old == old {
			return f
		}
	}
	r.t.Fatalf("no folder %q", old)
	return store.Folder{}
}

// late delivers messages to a folder of the old server.
func (r *oddRig) late(folder string, numbers ...int) {
	for _, n := range numbers {
		r.old.Deliver(folder, oddMail(folder, n), oddDay(n))
	}
}

// places are folders of the new server after people changed them there, by old folder.
type places map[string]string

// TestRenamedElsewhere: folders that people rename at the new server itself are followed,
// whatever has been copied into them by then.
func TestRenamedElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name    string
		folders map[string]int
		change  func(new *lab.Odd, anew bool)
		want    places
	}{
		{"one", nil, func(new *lab.Odd, anew bool) { new.Rename("Work", "Projects", anew) }, places{"Work": "Projects", "Archive": "Archive"}},
		{"two", nil, func(new *lab.Odd, anew bool) {
			new.Rename("Work", "Projects", anew)
			new.Rename("Archive", "Older", anew)
		}, places{"Work": "Projects", "Archive": "Older"}},
		{"swapped", nil, func(new *lab.Odd, anew bool) {
			new.Rename("Work", "x", anew)
			new.Rename("Archive", "Work", anew)
			new.Rename("x", "Archive", anew)
		}, places{"Work": "Archive", "Archive": "Work"}},
		{"in a circle", map[string]int{"INBOX": 3, "a": 6, "b": 7, "c": 8}, func(new *lab.Odd, anew bool) {
			new.Rename("a", "x", anew)
			new.Rename("c", "a", anew)
			new.Rename("b", "c", anew)
			new.Rename("x", "b", anew)
		}, places{"a": "b", "b": "c", "c": "a"}},
		{"and another made in its place", nil, func(new *lab.Odd, anew bool) {
			new.Rename("Work", "Projects", anew)
			new.Create("Work")
			new.Deliver("Work", oddMail("mine", 1), oddDay(1))
		}, places{"Work": "Projects"}},
		{"to the name of one that was deleted", nil, func(new *lab.Odd, anew bool) {
			new.Delete("Archive")
			new.Rename("Work", "Archive", anew)
		}, places{"Work": "Archive"}},
		{"with what is below", map[string]int{"INBOX": 3, "a": 4, "a/b": 5, "a/b/c": 6}, func(new *lab.Odd, anew bool) {
			new.Rename("a", "z", anew)
			new.Rename("a/b", "z/b", anew)
			new.Rename("a/b/c", "z/b/c", anew)
		}, places{"a": "z", "a/b": "z/b", "a/b/c": "z/b/c"}},
		{"with some messages deleted", nil, func(new *lab.Odd, anew bool) {
			for n := 10; n <= 12; n++ {
				new.Remove("Work", oddMail("Work", n))
			}
			new.Rename("Work", "Projects", anew)
		}, places{}},
		{"beside a folder with copies of a few", nil, func(new *lab.Odd, anew bool) {
			new.Create("Important")
			new.Deliver("Important", oddMail("Work", 1), oddDay(0))
			new.Rename("Work", "Projects", anew)
		}, places{"Work": "Projects"}},
	} {
		for _, anew := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, numbered anew %v", tt.name, anew), func(t *testing.T) {
				t.Parallel()
				folders := tt.folders
				if folders == nil {
					folders = oddFolders
				}
				r := newOddRigWith(t, lab.OddOptions{}, lab.OddOptions{}, folders)
				r.start(false)
				if res := r.sync(); !res.Pass.Complete {
					t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
				}
				tt.change(r.new, anew)
				before := r.new.Folders()
				for folder := range tt.want {
					r.late(folder, 90, 91)
				}
				if len(tt.want) == 0 {
					r.late("Work", 90, 91)
				}
				if res := r.sync(); !res.Pass.Complete || res.Problem != nil {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
				for old, new := range tt.want {
					r.foundOn(old, new)
				}
				if len(tt.want) == 0 && len(r.new.Messages("Projects")) != 11 {
					t.Errorf("%d messages in Projects, want 9 and 2 late ones", len(r.new.Messages("Projects")))
				}
				if now := r.new.Folders(); !slices.Equal(before, now) {
					t.Errorf("folders %q became %q", before, now)
				}
				r.complete(0)
			})
		}
	}
}

// holdsBack refuses APPEND to a folder as long as it is told to.
func holdsBack(folder string, hold *atomic.Bool) lab.OddOptions {
	return lab.OddOptions{Answer: func(c *lab.OddConn) string {
		if hold.Load() && c.Verb == "APPEND" && c.Folder() == folder {
			return "NO [UNAVAILABLE] not now"
		}
		return ""
	}}
}

// TestMadeNotFilled: a folder that was only made is followed when it is renamed, and is not
// taken for deleted with all its mail.
func TestMadeNotFilled(t *testing.T) {
	hold := func(t *testing.T) (*oddRig, *atomic.Bool) {
		var held atomic.Bool
		held.Store(true)
		r := newOddRigInMemory(t, lab.OddOptions{}, holdsBack("Work", &held))
		r.start(false)
		r.sync()
		if n := len(r.new.Messages("Work")); n != 0 {
			t.Fatalf("%d messages in Work", n)
		}
		held.Store(false)
		return r, &held
	}
	release := func(r *oddRig) {
		r.sync() // what was put aside is tried again
	}
	t.Run("renamed", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r, _ := hold(t)
			r.new.Rename("Work", "Projects", false)
			release(r)
			r.foundOn("Work", "Projects")
			r.complete(0)
		})
	})
	t.Run("renamed with what is below, numbered anew", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			var held atomic.Bool
			held.Store(true)
			refuse := func(c *lab.OddConn) string {
				if held.Load() && c.Verb == "APPEND" && strings.HasPrefix(c.Folder(), "a") {
					return "NO [UNAVAILABLE] not now"
				}
				return ""
			}
			r := newOddRigInMemoryWith(t, lab.OddOptions{}, lab.OddOptions{Answer: refuse}, map[string]int{"INBOX": 2, "a": 2, "a/b": 3})
			r.start(false)
			r.sync()
			held.Store(false)
			r.new.Rename("a", "z", false)
			r.new.Rename("a/b", "z/b", true)
			release(r)
			r.foundOn("a", "z")
			r.foundOn("a/b", "z/b")
		})
	})
	t.Run("deleted", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r, _ := hold(t)
			r.new.Delete("Work")
			for range 2 {
				res := r.sync()
				if p := res.Problem; res.Pass.Complete || p == nil || p.Kind != store.MissingFolder || p.Folder != "Work" || !strings.Contains(p.Summary.String(), "12 messages") {
					t.Errorf("%+v, problem %+v", res.Pass, p)
				}
				if row := r.folderRow("Work"); row.State != store.FolderMissing || row.LeftOut != 12 || row.Missing.Looks != 1 {
					t.Errorf("%+v", row)
				}
			}
			if slices.Contains(r.new.Folders(), "Work") {
				t.Error("Work was made again")
			}
			r.new.Create("Work") // somebody wants it after all
			release(r)
			r.foundOn("Work", "Work")
			r.complete(0)
			if row := r.folderRow("Work"); row.State != store.FolderPresent || row.LeftOut != 0 || row.Missing != (store.Missing{}) {
				t.Errorf("%+v", row)
			}
		})
	})
}

// TestMissingFolder: a folder that is not listed for a while, or for good.
func TestMissingFolder(t *testing.T) {
	start := func(t *testing.T) *oddRig {
		r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{})
		r.start(false)
		r.complete(oddTotal())
		return r
	}
	hide := func(r *oddRig, names ...string) {
		r.new.Change(func(opt *lab.OddOptions) { opt.Unlisted = hides(names...) })
	}
	t.Run("nothing stays behind", func(t *testing.T) {
		r := start(t)
		r.new.Delete("Work")
		for range 2 {
			r.complete(0)
		}
		if row := r.folderRow("Work"); row.State != store.FolderMissing || row.LeftOut != 0 {
			t.Errorf("%+v", row)
		}
	})
	t.Run("late mail, and it comes back", func(t *testing.T) {
		r := start(t)
		hide(r, "Work")
		r.late("Work", 90, 91, 92)
		r.late("Archive", 90)
		res := r.sync()
		if p := res.Problem; res.Pass.Complete || res.Pass.Copied != 1 || p == nil || p.Kind != store.MissingFolder || !strings.Contains(p.Summary.String(), "3 messages") {
			t.Errorf("%+v, problem %+v", res.Pass, p)
		}
		r.foundOn("Archive", "Archive")
		hide(r)
		r.complete(3)
		r.arrived(nil)
	})
	t.Run("late mail that was deleted again", func(t *testing.T) {
		r := start(t)
		hide(r, "Work")
		r.late("Work", 90)
		r.old.Remove("Work", oddMail("Work", 90))
		r.complete(0)
	})
	t.Run("found under another name later", func(t *testing.T) {
		r := start(t)
		hide(r, "Work", "Projects")
		r.new.Rename("Work", "Projects", false)
		r.late("Work", 90)
		if res := r.sync(); res.Pass.Complete {
			t.Errorf("%+v", res.Pass)
		}
		hide(r)
		r.complete(1)
		r.foundOn("Work", "Projects")
	})
	afterwards := func(name string, test func(t *testing.T, r *oddRig)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newOddRigInMemory(t, lab.OddOptions{}, lab.OddOptions{})
				r.start(false)
				r.complete(oddTotal())
				test(t, r)
			})
		})
	}
	afterwards("looks are counted by the hour", func(t *testing.T, r *oddRig) {
		hide(r, "Work")
		for want := range uint32(3) {
			r.complete(0)
			time.Sleep(20 * time.Minute)
			r.complete(0)
			if row := r.folderRow("Work"); row.Missing.Looks != want+1 {
				t.Errorf("%+v", row.Missing)
			}
			time.Sleep(time.Hour)
		}
	})
	afterwards("numbered anew meanwhile, and found by what it holds", func(t *testing.T, r *oddRig) {
		hide(r, "Work", "Projects")
		r.complete(0)
		r.new.Rename("Work", "Projects", true)
		r.late("Work", 90)
		hide(r)
		time.Sleep(time.Hour)
		r.complete(1)
		r.foundOn("Work", "Projects")
	})
}

// TestDeletedByClient: a folder that a client deletes is deleted, with what is in it by then; what
// had not come is left out and told. One that no mail of it has ever been in is missing.
func TestDeletedByClient(t *testing.T) {
	for _, tt := range []struct {
		name     string
		held     int // messages that don't come: none of Work, or those after the fifth
		late     int // those that come to the old server once it has been filled
		want     store.FolderState
		left     uint64
		complete bool
		empty    bool
	}{
		{"filled", 0, 0, store.FolderDeleted, 0, true, false},
		{"filled, and late mail", 0, 3, store.FolderDeleted, 3, true, false},
		{"only made", 12, 0, store.FolderMissing, 12, false, false},
		{"one message", 11, 0, store.FolderDeleted, 11, true, false},
		{"half filled", 7, 0, store.FolderDeleted, 7, true, false},
		{"all but one", 1, 0, store.FolderDeleted, 1, true, false},
		{"half filled, and late mail", 7, 2, store.FolderDeleted, 9, true, false},
		{"empty", 0, 0, store.FolderDeleted, 0, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			folders := map[string]int{"INBOX": 3, "Work": 12}
			if tt.empty {
				folders["Work"] = 0
			}
			var hold atomic.Bool
			hold.Store(true)
			r := newOddRigWith(t, lab.OddOptions{}, lab.OddOptions{Append: func(c *lab.OddConn, m *lab.OddMessage) string {
				if hold.Load() && c.Folder() == "Work" && mailNumber(m.Body) > 12-tt.held {
					return "NO [UNAVAILABLE] not now"
				}
				return ""
			}}, folders)
			r.start(false)
			r.sync()
			for n := range tt.late {
				r.late("Work", 90+n)
			}
			r.new.Delete("Work")
			if err := r.engine.Changed(t.Context(), r.account.ID, "DELETE", "Work", ""); err != nil {
				t.Fatal(err)
			}
			if row := r.folderRow("Work"); row.State != tt.want {
				t.Errorf("at once: %+v", row)
			}
			hold.Store(false)
			for range 2 {
				res := r.sync()
				if row := r.folderRow("Work"); row.State != tt.want || row.LeftOut != tt.left || res.Pass.Complete != tt.complete {
					t.Errorf("%+v, problem %+v, row %+v", res.Pass, res.Problem, row)
				}
				if slices.Contains(r.new.Folders(), "Work") {
					t.Error("Work was made again")
				}
			}
			r.foundOn("INBOX", "INBOX")
		})
	}
}

// mailNumber is the number of a message of oddMail.
func mailNumber(body string) (n int) {
	_, subject, _ := strings.Cut(body, "Subject: ")
	fmt.Sscanf(subject, "number %d of", &n)
	return n
}
