package syncer

import (
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/report"
	"postferry/store"
)

// allMailRig is a rig whose old server has a folder that shows all mail.
type allMailRig struct{ *rig }

func newAllMailRig(t *testing.T) *allMailRig {
	t.Helper()
	r := &allMailRig{newRig(t)}
	r.pair.old.add("All").attrs = []imap.MailboxAttr{imap.MailboxAttrAll}
	return r
}

// arrives delivers a message to folders and to all mail.
func (r *allMailRig) arrives(n int, folders ...string) {
	r.t.Helper()
	for _, name := range append(folders, "All") {
		r.pair.old.mu.Lock()
		if r.pair.old.folders[name] == nil {
			r.pair.old.addLocked(name)
		}
		r.pair.old.mu.Unlock()
		r.pair.old.deliver(name, mail(n))
	}
}

// pass makes a pass that must be complete and copy so many messages.
func (r *allMailRig) pass(copied uint64) {
	r.t.Helper()
	if res := r.sync(); !res.Pass.Complete || res.Problem != nil || res.Pass.Copied != copied {
		r.t.Fatalf("copied %d, want %d: %+v", res.Pass.Copied, copied, res)
	}
}

// firstPass copies a message of INBOX, one of Work, and one that lies in all mail only.
func (r *allMailRig) firstPass() {
	r.t.Helper()
	r.silent = true
	r.arrives(1, "INBOX")
	r.arrives(2, "Work")
	r.arrives(7)
	r.start(false)
	r.pass(3)
}

// has compares what a folder of the new server holds, whatever the order.
func (r *allMailRig) has(folder string, want ...int) {
	r.t.Helper()
	var bodies []string
	for _, n := range want {
		bodies = append(bodies, mail(n))
	}
	if got := sorted(r.pair.new.bodies(folder)); !slices.Equal(got, sorted(bodies)) {
		r.t.Errorf("%s has %q, want %d messages: %v", folder, got, len(want), want)
	}
}

// newLoses deletes a folder of the new server.
func (r *rig) newLoses(name string) {
	r.pair.new.mu.Lock()
	defer r.pair.new.mu.Unlock()
	delete(r.pair.new.folders, name)
}

// TestArchived: what lies in all mail only goes to the archive, once, and what lies in another folder
// as well does not.
func TestArchived(t *testing.T) {
	for name, tt := range map[string]struct {
		folders config.Folders
		before  func(r *allMailRig)
		copied  uint64
		archive string
		want    []int
		left    map[string]uint64
	}{
		"no archive anywhere": {before: func(*allMailRig) {}, copied: 4, archive: "Archive", want: []int{7, 8}},
		"an old archive": {before: func(r *allMailRig) {
			r.arrives(5, "Archive")
		}, copied: 5, archive: "Archive", want: []int{5, 7, 8}},
		"an archive on the new server only": {before: func(r *allMailRig) {
			r.pair.new.add("Archiv").attrs = []imap.MailboxAttr{imap.MailboxAttrArchive}
		}, copied: 4, archive: "Archiv", want: []int{7, 8}},
		"already there": {before: func(r *allMailRig) {
			r.pair.new.add("Archive")
			r.pair.new.deliver("Archive", mail(8))
		}, copied: 3, archive: "Archive", want: []int{7, 8}},
		"one that has come twice": {before: func(r *allMailRig) { r.arrives(7) }, copied: 5, archive: "Archive", want: []int{7, 7, 8}},
		"left alone by a rule":    {folders: config.Folders{Skip: []string{"all"}}, before: func(*allMailRig) {}, copied: 2, left: map[string]uint64{"All": 2}},
		"copied as it is":         {folders: config.Folders{CopyViews: true}, before: func(*allMailRig) {}, copied: 6, archive: "All", want: []int{1, 2, 7, 8}},
		"mapped":                  {folders: config.Folders{Map: map[string]string{"All": "Everything"}}, before: func(*allMailRig) {}, copied: 6, archive: "Everything", want: []int{1, 2, 7, 8}},
		"in a folder that is left alone": {folders: config.Folders{Skip: []string{"Lists"}}, before: func(r *allMailRig) {
			r.arrives(5, "Lists")
		}, copied: 4, archive: "Archive", want: []int{7, 8}, left: map[string]uint64{"Lists": 1}},
		"starred": {before: func(r *allMailRig) {
			r.pair.old.add("Stars").attrs = []imap.MailboxAttr{imap.MailboxAttrFlagged}
			r.pair.old.deliver("Stars", mail(7))
		}, copied: 4, archive: "Archive", want: []int{7, 8}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newAllMailRig(t)
			r.cfg.Domains[0].Folders = tt.folders
			r.arrives(1, "INBOX")
			r.arrives(7)
			r.arrives(2, "Work")
			r.arrives(8)
			tt.before(r)
			r.start(false)
			r.pass(tt.copied)
			r.has("INBOX", 1)
			r.has("Work", 2)
			r.has(tt.archive, tt.want...)
			for folder, n := range r.leftOutOf() {
				if n != tt.left[folder] {
					t.Errorf("%d of %s are left out, want %d", n, folder, tt.left[folder])
				}
			}
			r.pass(0)
			r.has(tt.archive, tt.want...)
		})
	}
}

// TestArchivedCounts: messages that lie in other folders are counted once.
func TestArchivedCounts(t *testing.T) {
	r := newAllMailRig(t)
	for n := range 10 {
		r.arrives(n, "INBOX")
	}
	r.arrives(20)
	r.start(false)
	for range 2 {
		r.sync()
		sum, err := r.store.Summary(t.Context(), r.account.ID)
		if err != nil || sum.Messages != 11 || sum.Copied != 11 || sum.LeftOut != 0 {
			t.Errorf("%+v, %v", sum, err)
		}
		live, err := r.engine.Folders(t.Context(), r.account.ID)
		if err != nil {
			t.Fatal(err)
		}
		row := r.folderRow("All")
		for _, f := range live {
			if told := f.FolderProgress; f.ID == row.ID && told != (report.FolderProgress{}) && (told.Done != 1 || told.Total != 1) {
				t.Errorf("%+v", f)
			}
		}
	}
}

// TestArchivedLater: what happens to archived mail after it was copied, on either side.
func TestArchivedLater(t *testing.T) {
	begin := func(t *testing.T) *allMailRig {
		r := newAllMailRig(t)
		r.arrives(1, "INBOX")
		r.arrives(2, "INBOX")
		r.arrives(7)
		r.start(false)
		r.pass(3)
		return r
	}
	t.Run("archived at the old server", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := begin(t)
			r.pair.old.remove("INBOX", mail(1))
			r.arrives(8)
			r.pass(1)
			r.has("INBOX", 1, 2)
			r.has("Archive", 7, 8)
		})
	})
	t.Run("archived after it was deleted at the new server", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := begin(t)
			r.pair.new.remove("INBOX", mail(1))
			r.pair.old.remove("INBOX", mail(1))
			r.pair.old.renumber("All")
			r.pass(0)
			r.has("INBOX", 2)
			r.has("Archive", 7)
		})
	})
	t.Run("deleted at the new server", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := begin(t)
			r.pair.new.remove("Archive", mail(7))
			r.arrives(8)
			r.pass(1)
			r.has("Archive", 8)
		})
	})
	t.Run("deleted at the new server, all mail numbered anew", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := begin(t)
			r.pair.new.remove("Archive", mail(7))
			r.pair.old.renumber("All")
			r.arrives(8)
			r.pass(1)
			r.has("Archive", 8)
			r.pass(0)
		})
	})
	t.Run("its folder was deleted at the old server", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := begin(t)
			r.arrives(4, "Work")
			r.pass(1)
			r.pair.old.mu.Lock()
			delete(r.pair.old.folders, "Work")
			r.pair.old.mu.Unlock()
			r.pair.old.renumber("All")
			r.pass(0)
			r.has("Work", 4)
			r.has("Archive", 7)
		})
	})
	t.Run("back in a folder at the old server", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := begin(t)
			r.pair.old.deliver("INBOX", mail(7))
			r.pass(0)
			r.has("INBOX", 1, 2)
			r.has("Archive", 7)
			r.pass(0)
		})
	})
	t.Run("in a new folder at the old server", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := begin(t)
			r.pair.old.add("Work")
			r.pair.old.deliver("Work", mail(7))
			r.pass(0)
			r.has("Archive", 7)
		})
	})
	t.Run("the archive was renamed at the new server", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := begin(t)
			r.pair.new.rename("Archive", "Archiv")
			r.arrives(8)
			r.pass(1)
			r.has("Archiv", 7, 8)
		})
	})
	t.Run("the archive was deleted by a client", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := begin(t)
			r.newLoses("Archive")
			if err := r.engine.Changed(t.Context(), r.account.ID, "DELETE", "Archive", ""); err != nil {
				t.Fatal(err)
			}
			r.arrives(8)
			r.pass(0)
			if got := r.leftOutOf(); got["All"] != 1 || r.pair.new.bodies("Archive") != nil {
				t.Errorf("left out %v", got)
			}
		})
	})
	t.Run("the archive is missing", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := begin(t)
			r.newLoses("Archive")
			r.arrives(3, "INBOX")
			r.pass(1) // nothing stays behind because of it
			r.arrives(8)
			if res := r.sync(); res.Pass.Complete || r.leftOutOf()["All"] != 1 {
				t.Errorf("%+v, left out %v", res, r.leftOutOf())
			}
		})
	})
	t.Run("flags", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			r := begin(t)
			r.pair.old.setFlags("All", mail(7), imap.FlagFlagged)
			r.pass(0)
			if got := r.pair.new.flags("Archive", mail(7)); !slices.Equal(got, []imap.Flag{imap.FlagFlagged}) {
				t.Errorf("flags %v", got)
			}
		})
	})
}

// TestArchivedTogether: an old archive and all mail go to one folder, wherever that goes.
func TestArchivedTogether(t *testing.T) {
	r := newAllMailRig(t)
	r.arrives(5, "Archive")
	r.arrives(7)
	r.start(false)
	r.pass(2)
	r.has("Archive", 5, 7)
	r.pair.new.rename("Archive", "Ablage")
	r.arrives(6, "Archive")
	r.arrives(8)
	r.pass(2)
	r.has("Ablage", 5, 6, 7, 8)
	if all, archive := r.folderRow("All"), r.folderRow("Archive"); all.New != "Ablage" || archive.New != "Ablage" || all.State != store.FolderPresent {
		t.Errorf("%+v\n%+v", all, archive)
	}
	r.pair.new.renumber("Ablage")
	r.arrives(9)
	r.pass(1)
	r.has("Ablage", 5, 6, 7, 8, 9)
}

// TestArrivesMeanwhile: what arrives while a pass runs is not taken for archived, wherever the pass is.
func TestArrivesMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, step := range []string{"-LIST", "+EXAMINE", "-BODIES", "+HEADERS", "-HEADERS", "-APPEND", "+STATUS"} {
			for nth := 1; nth <= 4; nth++ {
				r := newAllMailRig(t)
				r.arrives(1, "INBOX")
				r.arrives(2, "Work")
				r.arrives(7)
				old := r.pair.old
				seen := 0
				fault := func(got string) error { // with the server's lock held
					if got != step {
						return nil
					}
					if seen++; seen == nth {
						for _, name := range []string{"INBOX", "All"} {
							old.folders[name].append([]byte(mail(3)), nil, old.folders[name].messages[0].date)
						}
					}
					return nil
				}
				old.fail(fault)
				r.start(false)
				for range 5 {
					r.sync()
				}
				r.has("INBOX", slices.Concat([]int{1}, map[bool][]int{true: {3}}[seen >= nth])...)
				r.has("Work", 2)
				r.has("Archive", 7)
				r.stop()
				if t.Failed() {
					t.Fatalf("arrived at the %d. %s", nth, step)
				}
			}
		}
	})
}

// TestArchivedInTrouble: a folder that can't be pulled keeps all mail from nothing, and none of its mail
// comes to the archive.
func TestArchivedInTrouble(t *testing.T) {
	r := newAllMailRig(t)
	r.arrives(1, "INBOX")
	r.arrives(2, "Work")
	r.arrives(7)
	r.pair.new.refuse = func(body []byte) error {
		if string(body) == mail(2) {
			return refusedError("APPEND", imap.ResponseCodeCannot)
		}
		return nil
	}
	r.start(false)
	if res := r.sync(); res.Pass.Quarantined != 1 {
		t.Errorf("%+v", res)
	}
	r.has("Archive", 7)
	if row := r.folderRow("All"); row.Quarantined != 0 || row.Copied != 1 {
		t.Errorf("%+v", row)
	}
}
