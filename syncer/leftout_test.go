package syncer

import (
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/leftout"
	"postferry/upstream"
)

// leftOutOf is what the rows say of each folder, by old name.
func (r *rig) leftOutOf() map[string]uint64 {
	r.t.Helper()
	rows, err := r.store.Folders(r.t.Context(), r.account.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	all := map[string]uint64{}
	for _, f := range rows {
		all[f.Old] = f.LeftOut
	}
	return all
}

// TestLeftOut: what lies only in folders that are left alone is counted, once for each message.
func TestLeftOut(t *testing.T) {
	for name, tt := range map[string]struct {
		attr    imap.MailboxAttr
		folders config.Folders
		both    []int // in INBOX and in the folder
		lone    []int // in the folder only
		want    uint64
	}{
		"flagged view":         {attr: imap.MailboxAttrFlagged, both: []int{1, 2}, lone: []int{7}, want: 1},
		"nothing of its own":   {attr: imap.MailboxAttrFlagged, both: []int{1, 2}},
		"important view":       {attr: imap.MailboxAttrImportant, both: []int{1}, lone: []int{7, 8, 9}, want: 3},
		"empty view":           {attr: imap.MailboxAttrImportant},
		"left alone by a rule": {folders: config.Folders{Skip: []string{"Other"}}, both: []int{1}, lone: []int{7, 8}, want: 3},
		"view and rule":        {attr: imap.MailboxAttrFlagged, folders: config.Folders{Skip: []string{"Other"}}, both: []int{1}, lone: []int{7, 8}, want: 2},
		"copied":               {attr: imap.MailboxAttrFlagged, folders: config.Folders{CopyViews: true}, both: []int{1}, lone: []int{7, 8}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.cfg.Domains[0].Folders = tt.folders
			old := r.pair.old
			for n := range 5 {
				old.deliver("INBOX", mail(n))
			}
			if box := old.add("Other"); tt.attr != "" {
				box.attrs = []imap.MailboxAttr{tt.attr}
			}
			for _, n := range append(tt.both, tt.lone...) {
				old.deliver("Other", mail(n))
			}
			r.start(false)
			if res := r.sync(); !res.Pass.Complete {
				t.Fatalf("%+v", res)
			}
			if got := r.leftOutOf(); got["Other"] != tt.want || got["INBOX"] != 0 {
				t.Errorf("left out %v, want %d", got, tt.want)
			}
		})
	}
}

// TestLeftOutLater: the number follows the folders from pass to pass.
func TestLeftOutLater(t *testing.T) {
	r := newRig(t)
	old := r.pair.old
	old.add("Stars").attrs = []imap.MailboxAttr{imap.MailboxAttrFlagged}
	old.deliver("INBOX", mail(1))
	old.deliver("Stars", mail(1))
	old.deliver("Stars", mail(2))
	r.start(false)
	wants := func(want uint64, when string) {
		t.Helper()
		if res := r.sync(); !res.Pass.Complete {
			t.Fatalf("%s: %+v", when, res)
		}
		if got := r.leftOutOf()["Stars"]; got != want {
			t.Errorf("%s: %d are left out, want %d", when, got, want)
		}
	}
	wants(1, "at first")
	old.deliver("Stars", mail(3))
	wants(2, "after one came to the view")
	old.remove("INBOX", mail(1))
	old.deliver("Stars", mail(4))
	old.deliver("INBOX", mail(4))
	wants(2, "after one that was copied lies in the view only")
	old.remove("Stars", mail(2))
	wants(1, "after one was removed")
}

// TestLeftOutUnchanged: a view that has not changed is not read again.
func TestLeftOutUnchanged(t *testing.T) {
	r := newRig(t)
	old := r.pair.old
	old.add("Stars").attrs = []imap.MailboxAttr{imap.MailboxAttrFlagged}
	old.deliver("Stars", mail(1))
	r.start(false)
	for pass := range 3 {
		if res := r.sync(); !res.Pass.Complete || r.leftOutOf()["Stars"] != 1 {
			t.Fatalf("%+v, left out %v", res, r.leftOutOf())
		}
		if n := headersAsked(old); n != 1 {
			t.Errorf("pass %d: headers were asked for %d times, want once in all", pass, n)
		}
	}
}

// headersAsked is how often headers were asked for.
func headersAsked(f *fakeServer) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, op := range f.log {
		if op == "HEADERS" {
			n++
		}
	}
	return n
}

// TestLeftOutDeleted: late mail for a folder that its user deleted is counted, what was copied is not.
func TestLeftOutDeleted(t *testing.T) {
	r := newRig(t)
	old := r.pair.old
	old.add("Work")
	old.deliver("Work", mail(1))
	old.deliver("Work", mail(2))
	r.start(false)
	r.sync()
	rows, err := r.store.Folders(t.Context(), r.account.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rows {
		if f.Old != "Work" {
			continue
		}
		if err := r.engine.Changed(t.Context(), r.account.ID, "DELETE", f.New, ""); err != nil {
			t.Fatal(err)
		}
	}
	r.sync()
	old.deliver("Work", mail(3))
	r.sync()
	if got := r.leftOutOf(); got["Work"] != 1 {
		t.Errorf("left out %v, want 1 of Work", got)
	}
}

// TestLeftOutOf: what counts of a folder that is no view.
func TestLeftOutOf(t *testing.T) {
	st := upstream.Status{UIDValidity: 3, UIDNext: 21, Messages: 20}
	checked := store.Checkpoint{UIDValidity: 3, UIDNext: 11, Checked: time.Unix(1, 0)}
	for name, tt := range map[string]struct {
		row  store.Folder
		want uint64
	}{
		"never copied":        {store.Folder{State: store.FolderSkipped}, 20},
		"copied in part":      {store.Folder{State: store.FolderSkipped, Copied: 5}, 15},
		"copied to its end":   {store.Folder{State: store.FolderSkipped, Copied: 5, Checkpoint: checked}, 10},
		"deleted":             {store.Folder{State: store.FolderDeleted, Copied: 5, Checkpoint: checked}, 10},
		"more than there are": {store.Folder{State: store.FolderDeleted, Copied: 50}, 0},
		"present":             {store.Folder{State: store.FolderPresent}, 0},
		"planned":             {store.Folder{State: store.FolderPlanned}, 0},
	} {
		if got := leftout.Of(&tt.row, st); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
