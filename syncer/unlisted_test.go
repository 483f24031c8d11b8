package syncer

import (
	"strings"
	"sync/atomic"
	"testing"

	"postferry/internal/lab"
	"postferry/store"
)

// hides leaves folders out of what a server lists.
func hides(names ...string) func(string) bool {
	return func(folder string) bool {
		for _, n := range names {
			if n == folder {
				return true
			}
		}
		return false
	}
}

// TestUnlistedInbox: INBOX always exists (RFC 9051 section 5.1), listed or not.
func TestUnlistedInbox(t *testing.T) {
	noselect := func(c *lab.OddConn) string {
		if c.Verb == "LIST" && len(c.Args) > 1 && c.Args[1] == "*" {
			c.Tell("* LIST (\\Noselect) \"/\" INBOX\r\n* LIST () \"/\" Archive\r\n* LIST () \"/\" Work\r\n")
			return "OK done"
		}
		return ""
	}
	for _, tt := range []struct {
		name     string
		old, new lab.OddOptions
	}{
		{"old", lab.OddOptions{Unlisted: hides("INBOX")}, lab.OddOptions{}},
		{"old, without LIST-STATUS", lab.OddOptions{Unlisted: hides("INBOX"), Caps: capsWithout("LIST-STATUS")}, lab.OddOptions{}},
		{"old, without extensions", lab.OddOptions{Unlisted: hides("INBOX"), Caps: "IMAP4rev1"}, lab.OddOptions{}},
		{"old, as a directory", lab.OddOptions{Answer: noselect}, lab.OddOptions{}},
		{"new", lab.OddOptions{}, lab.OddOptions{Unlisted: hides("INBOX")}},
		{"both", lab.OddOptions{Unlisted: hides("INBOX")}, lab.OddOptions{Unlisted: hides("INBOX")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newOddRig(t, tt.old, tt.new)
			r.new.Create("Notes")
			r.start(false)
			r.complete(oddTotal())
			r.arrived(nil)
			r.old.Deliver("INBOX", oddMail("INBOX", 99), oddDay(1))
			r.complete(1)
			r.arrived(nil)
		})
	}
}

// TestListWithoutALine: an account without any folder is one whose server is in trouble.
func TestListWithoutALine(t *testing.T) {
	all := func(string) bool { return true }
	for _, tt := range []struct {
		name     string
		old, new lab.OddOptions
		ReadTree store.Side
	}{
		{"old", lab.OddOptions{Unlisted: all}, lab.OddOptions{}, store.OldSide},
		{"old, without extensions", lab.OddOptions{Unlisted: all, Caps: "IMAP4rev1"}, lab.OddOptions{}, store.OldSide},
		{"new", lab.OddOptions{}, lab.OddOptions{Unlisted: all}, store.NewSide},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newOddRig(t, tt.old, tt.new)
			r.start(false)
			res := r.sync()
			p := res.Problem
			if res.Pass.Complete || p == nil || p.Server != tt.ReadTree || p.Advice != store.RetryLater || !strings.Contains(p.Summary.String(), "not even INBOX") {
				t.Fatalf("%+v, problem %+v", res.Pass, p)
			}
			for _, s := range []*lab.Odd{r.old, r.new} {
				s.Change(func(opt *lab.OddOptions) { opt.Unlisted = nil })
			}
			r.complete(oddTotal())
			r.arrived(nil)
		})
	}
}

// TestKnownFolderUnlisted: what was on the old server is asked for although it is not listed.
func TestKnownFolderUnlisted(t *testing.T) {
	for _, caps := range []string{"", capsWithout("LIST-STATUS"), "IMAP4rev1"} {
		t.Run(caps, func(t *testing.T) {
			t.Parallel()
			r := newOddRig(t, lab.OddOptions{Caps: caps}, lab.OddOptions{})
			r.start(false)
			r.complete(oddTotal())
			r.old.Change(func(opt *lab.OddOptions) { opt.Unlisted = hides("Work") })
			r.old.Deliver("Work", oddMail("Work", 99), oddDay(1))
			r.complete(1)
			r.arrived(nil)
			r.old.Change(func(opt *lab.OddOptions) { opt.Unlisted = nil })
			r.complete(0)
			r.arrived(nil)
		})
	}
}

// TestUnlistedFolderNotCopied: mail of a folder that goes from the old server's list
// before it is copied is not left out in silence.
func TestUnlistedFolderNotCopied(t *testing.T) {
	for _, tt := range []struct {
		name   string
		remove func(old *lab.Odd)
		bring  func(old *lab.Odd)
	}{
		{"refused as well", func(old *lab.Odd) {
			old.Change(func(opt *lab.OddOptions) {
				opt.Unlisted = hides("Work")
				opt.Answer = func(c *lab.OddConn) string {
					if c.Verb == "STATUS" && c.Folder() == "Work" {
						return "NO [NONEXISTENT] no such folder"
					}
					return ""
				}
			})
		}, func(old *lab.Odd) {
			old.Change(func(opt *lab.OddOptions) { opt.Unlisted, opt.Answer = nil, nil })
		}},
		{"renamed", func(old *lab.Odd) { old.Rename("Work", "Elsewhere", false) },
			func(old *lab.Odd) { old.Rename("Elsewhere", "Work", false) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var refuse atomic.Bool
			refuse.Store(true)
			r := newOddRig(t, lab.OddOptions{Answer: func(c *lab.OddConn) string {
				if refuse.Load() && strings.HasSuffix(c.Verb, "EXAMINE") && c.Folder() == "Work" {
					return "NO [UNAVAILABLE] later"
				}
				return ""
			}}, lab.OddOptions{})
			r.start(false)
			if res := r.sync(); res.Pass.Complete || res.Problem == nil {
				t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
			}
			tt.remove(r.old)
			res := r.sync()
			if p := res.Problem; res.Pass.Complete || p == nil || p.Folder != "Work" || p.Server != store.OldSide || p.Kind != store.FolderLeftOld {
				t.Errorf("%+v, problem %+v", res.Pass, p)
			}
			refuse.Store(false)
			tt.bring(r.old)
			if res := r.sync(); !res.Pass.Complete {
				t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
			}
		})
	}
}
