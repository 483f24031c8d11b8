package syncer

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"postferry/internal/lab"
	"postferry/report"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/verify"
)

// breaksAt answers commands about a folder with text; "" hangs up without a word.
func breaksAt(folder, text string, verbs ...string) func(c *lab.OddConn) string {
	return func(c *lab.OddConn) string {
		if !slices.Contains(verbs, c.Verb) || c.Folder() != folder {
			return ""
		}
		if text == "" {
			c.LoseAnswer()
			return "NO gone"
		}
		return text
	}
}

// breaksInList makes a server that breaks the connection in the middle of its list: before
// the folder it can't tell of.
func breaksInList(folders []string, at string) func(c *lab.OddConn) string {
	return func(c *lab.OddConn) string {
		if c.Verb != "LIST" || len(c.Args) < 2 || c.Args[1] != "*" {
			return ""
		}
		for _, name := range folders {
			if name == at {
				c.HangUp()
				return "* LIST () \"/\" {7"
			}
			c.Tell("* LIST () \"/\" " + name + "\r\n")
		}
		return "OK done"
	}
}

// TestBreaksAtOneFolder: a folder at which the connection breaks each time is left out, by name,
// and its neighbours go on; once it doesn't break any more, the folder comes as well.
func TestBreaksAtOneFolder(t *testing.T) {
	const bye = "* BYE internal error"
	old := func(text string, verbs ...string) lab.OddOptions {
		return lab.OddOptions{Caps: capsWithout("LIST-STATUS"), Answer: breaksAt("Work", text, verbs...)}
	}
	fresh := func(text string, verbs ...string) lab.OddOptions {
		return lab.OddOptions{Answer: breaksAt("Work", text, verbs...)}
	}
	status := func(c *lab.OddConn) string { // LIST-STATUS, at the folder
		if c.Verb == "LIST" && strings.Contains(strings.Join(c.Args, " "), "STATUS") {
			c.Tell("* LIST () \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 30 UIDNEXT 31 UIDVALIDITY 1001)\r\n")
			c.LoseAnswer()
			return "NO gone"
		}
		return breaksAt("Work", "", "STATUS")(c)
	}
	for _, tt := range []struct {
		name     string
		old, new lab.OddOptions
		arrives  bool // all the same
		folder   string
	}{
		{name: "STATUS hangs up", old: old("", "STATUS"), arrives: true},
		{name: "STATUS BYE", old: old(bye, "STATUS"), arrives: true},
		{name: "STATUS BYE later", old: old("* BYE [UNAVAILABLE] try again later", "STATUS"), arrives: true},
		{name: "STATUS and EXAMINE hang up", old: old("", "STATUS", "EXAMINE"), folder: "Work"},
		{name: "EXAMINE BYE later", old: old("* BYE [UNAVAILABLE] try again later", "EXAMINE"), folder: "Work"},
		{name: "LIST-STATUS hangs up", old: lab.OddOptions{Answer: status}, arrives: true},
		{name: "CREATE hangs up", new: fresh("", "CREATE"), folder: "Work"},
		{name: "CREATE BYE", new: fresh(bye, "CREATE"), folder: "Work"},
		{name: "CREATE BYE later", new: fresh("* BYE [UNAVAILABLE] try again later", "CREATE"), folder: "Work"},
		{name: "CREATE not now", new: fresh("NO [UNAVAILABLE] try again later", "CREATE"), folder: "Work"},
		{name: "new STATUS hangs up", new: fresh("", "STATUS"), folder: "Work"},
		{name: "new STATUS BYE", new: fresh(bye, "STATUS"), folder: "Work"},
		{name: "new SUBSCRIBE", new: fresh(bye, "SUBSCRIBE"), arrives: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newOddRigInMemoryWith(t, tt.old, tt.new, map[string]int{"INBOX": 30, "Archive": 5, "Work": 12, "Zoo": 7})
				r.start(false)
				for range 2 {
					res := r.sync()
					if tt.arrives {
						if !res.Pass.Complete {
							t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
						}
						continue
					}
					if p := res.Problem; res.Pass.Complete || p == nil || p.Folder != tt.folder || p.Advice != store.RetryLater {
						t.Errorf("%+v, problem %+v", res.Pass, p)
					}
				}
				r.arrived(func(folder, _ string) bool { return folder == tt.folder })
				for _, s := range []*lab.Odd{r.old, r.new} {
					s.Change(func(opt *lab.OddOptions) { opt.Answer = nil })
				}
				if res := r.sync(); !res.Pass.Complete {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
				if row := r.folderRow("Work"); row.State != store.FolderPresent {
					t.Errorf("%+v", row)
				}
				r.foundOn("Work", foldertree.DecodeName(r.folderRow("Work").New))
				r.complete(0)
			})
		})
	}
}

// TestBreaksEverywhere: where more than a few folders are in the way, it is the server.
func TestBreaksEverywhere(t *testing.T) {
	t.Parallel()
	r := newOddRigWith(t, lab.OddOptions{}, lab.OddOptions{Answer: func(c *lab.OddConn) string {
		if c.Verb == "CREATE" {
			return "* BYE internal error"
		}
		return ""
	}}, map[string]int{"INBOX": 3, "a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 1, "h": 1, "i": 1})
	r.start(false)
	before := r.new.Connections()
	if res := r.sync(); res.Pass.Complete || res.Problem == nil {
		t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
	if n := r.new.Connections() - before; n > 40 {
		t.Errorf("%d connections with a server that breaks them", n)
	}
	r.new.Change(func(opt *lab.OddOptions) { opt.Answer = nil })
	if res := r.sync(); !res.Pass.Complete {
		t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
	r.arrived(nil)
}

// TestBreaksInList: folders listed before the connection breaks are copied, and those known.
func TestBreaksInList(t *testing.T) {
	folders := map[string]int{"INBOX": 3, "Archive": 5, "Work": 6, "Zoo": 7}
	order := []string{"INBOX", "Archive", "Work", "Zoo"}
	t.Run("old, from the start", func(t *testing.T) {
		t.Parallel()
		r := newOddRigWith(t, lab.OddOptions{Caps: "IMAP4rev1", Answer: breaksInList(order, "Work")}, lab.OddOptions{}, folders)
		r.start(false)
		res := r.sync()
		if p := res.Problem; res.Pass.Complete || p == nil || p.Kind != store.FoldersUnlisted || p.Folder != "Archive" || p.Server != store.OldSide {
			t.Errorf("%+v, problem %+v", res.Pass, p)
		}
		r.arrived(func(folder, _ string) bool { return folder == "Work" || folder == "Zoo" })
		r.old.Change(func(opt *lab.OddOptions) { opt.Answer = nil })
		if res := r.sync(); !res.Pass.Complete {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
		r.arrived(nil)
	})
	t.Run("old, later", func(t *testing.T) {
		t.Parallel()
		r := newOddRigWith(t, lab.OddOptions{Caps: "IMAP4rev1"}, lab.OddOptions{}, folders)
		r.start(false)
		r.complete(21)
		r.old.Change(func(opt *lab.OddOptions) { opt.Answer = breaksInList(order, "Archive") })
		for _, folder := range order {
			r.late(folder, 90)
		}
		if res := r.sync(); res.Pass.Complete || res.Pass.Copied != 4 {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
		r.arrived(nil)
	})
	t.Run("new", func(t *testing.T) {
		t.Parallel()
		r := newOddRigWith(t, lab.OddOptions{}, lab.OddOptions{Caps: "IMAP4rev1 UIDPLUS"}, folders)
		r.start(false)
		r.complete(21)
		r.new.Change(func(opt *lab.OddOptions) { opt.Answer = breaksInList(order, "Work") })
		for _, folder := range order {
			r.late(folder, 90)
		}
		r.sync()
		r.arrived(nil)
		if row := r.folderRow("Zoo"); row.State != store.FolderPresent {
			t.Errorf("%+v", row)
		}
	})
	t.Run("a line that can't be read", func(t *testing.T) {
		t.Parallel()
		odd := func(c *lab.OddConn) string {
			if c.Verb == "LIST" && len(c.Args) > 1 && c.Args[1] == "*" {
				c.Tell("* LIST () \"/\" INBOX\r\n* LIST (\\HasNoChildren \"/\" Archive\r\n* LIST () \"/\" Work\r\n* LIST () \"/\" Zoo\r\n")
				return "OK done"
			}
			return ""
		}
		r := newOddRigWith(t, lab.OddOptions{Caps: "IMAP4rev1", Answer: odd}, lab.OddOptions{}, folders)
		r.start(false)
		if res := r.sync(); res.Pass.Complete || res.Problem == nil || res.Problem.Kind != store.FoldersUnlisted {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
		r.arrived(func(folder, _ string) bool { return folder == "Archive" })
	})
}

// verified is what a verification finds, by kind.
func (r *oddRig) verified() report.FindingCounts {
	r.t.Helper()
	found := report.FindingCounts{}
	v := verify.Verification{Config: r.cfg, Store: r.store, Log: zerolog.Nop(), Tell: func(e report.VerifyEvent) error {
		if e.Finding != nil {
			found[e.Finding.Kind]++
		}
		if e.Account != nil && e.Account.Problem != "" {
			r.t.Errorf("the account could not be verified: %s", e.Account.Problem)
		}
		return nil
	}}
	if err := v.Run(r.t.Context(), []store.AccountID{r.account.ID}); err != nil {
		r.t.Fatal(err)
	}
	return found
}

// TestVerifyPastBreaks: a verification goes on past what breaks connections, and tells.
func TestVerifyPastBreaks(t *testing.T) {
	folders := map[string]int{"INBOX": 3, "Archive": 5, "Work": 6, "Zoo": 7}
	for _, tt := range []struct {
		name   string
		answer func(c *lab.OddConn) string
		want   report.FindingCounts
	}{
		{"STATUS", breaksAt("Work", "", "STATUS"), report.FindingCounts{}},
		{"STATUS and EXAMINE", breaksAt("Work", "* BYE internal error", "STATUS", "EXAMINE"), report.FindingCounts{report.FolderUnread: 1}},
		{"in the list", breaksInList([]string{"INBOX", "Archive", "Work", "Zoo"}, "Work"), report.FindingCounts{report.FolderUnread: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newOddRigWith(t, lab.OddOptions{Caps: "IMAP4rev1"}, lab.OddOptions{}, folders)
			r.start(false)
			r.complete(21)
			r.old.Change(func(opt *lab.OddOptions) { opt.Answer = tt.answer })
			got := r.verified()
			maps.DeleteFunc(got, func(k report.FindingKind, _ uint64) bool { return k.Severity() == report.Harmless })
			if !maps.Equal(got, tt.want) {
				t.Errorf("found %v, want %v", got, tt.want)
			}
		})
	}
}

// TestVerifyMissing: a missing folder is damage as long as mail stays behind because of it, and
// doubtful otherwise; one that went from the old server before it was copied is not passed over.
func TestVerifyMissing(t *testing.T) {
	start := func(t *testing.T) *oddRig {
		r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{})
		r.start(false)
		r.complete(oddTotal())
		r.new.Delete("Work")
		return r
	}
	t.Run("all of it was copied", func(t *testing.T) {
		r := start(t)
		r.complete(0)
		if found := r.verified(); found[report.FolderAbsent] != 1 || found.Has(report.Damage) {
			t.Errorf("%v", found)
		}
	})
	t.Run("mail stays behind", func(t *testing.T) {
		r := start(t)
		r.late("Work", 90)
		r.sync()
		if found := r.verified(); found[report.FolderMissing] != 1 {
			t.Errorf("%v", found)
		}
	})
	t.Run("before a pass has missed it", func(t *testing.T) {
		if found := start(t).verified(); found[report.FolderMissing] != 1 {
			t.Errorf("%v", found)
		}
	})
	t.Run("its name is another's", func(t *testing.T) {
		r := start(t)
		r.new.Rename("Archive", "Work", false)
		r.late("Archive", 90)
		r.sync()
		if found := r.verified(); found[report.FolderAbsent] != 1 || found.Has(report.Damage) {
			t.Errorf("%v", found)
		}
	})
	t.Run("gone from the old server", func(t *testing.T) {
		var hold atomic.Bool
		hold.Store(true)
		r := newOddRig(t, lab.OddOptions{}, holdsBack("Work", &hold))
		r.start(false)
		r.sync()
		r.old.Delete("Work")
		if found := r.verified(); found[report.FolderUnread] != 1 {
			t.Errorf("%v", found)
		}
	})
}
