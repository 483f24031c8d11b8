package syncer

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/store"
	"postferry/syncer/foldertree"
)

// unknownWhile makes a server that says OK to CREATE of some folders and does not know them.
func unknownWhile(unknown func(folder string) bool) lab.OddOptions {
	return lab.OddOptions{Unlisted: unknown, Answer: func(c *lab.OddConn) string {
		if slices.Contains([]string{"STATUS", "SELECT", "EXAMINE", "APPEND"}, c.Verb) && unknown(c.Folder()) {
			return "NO [NONEXISTENT] no such folder"
		}
		if c.Verb == "CREATE" && unknown(c.Folder()) {
			return "OK done" // also if it is there already
		}
		return ""
	}}
}

// createsFor makes what CREATE is asked for appear under the name that as gives it.
func createsAs(new func() *lab.Odd, as func(name string) string) lab.OddOptions {
	return lab.OddOptions{Answer: func(c *lab.OddConn) string {
		if c.Verb != "CREATE" {
			return ""
		}
		new().Create(as(c.Folder()))
		return "OK done"
	}}
}

// TestMadeAndKnownLater: a folder that is known only a while after CREATE was answered OK is
// filled in the same pass, or the next, and never counts as deleted.
func TestMadeAndKnownLater(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		one   bool // pass is enough
	}{
		{"at once", 0, true}, {"soon", 10 * time.Millisecond, true}, {"later", 60 * time.Millisecond, true}, {"much later", 400 * time.Millisecond, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				var from atomic.Pointer[time.Time]
				opt := lab.OddOptions{}
				r := newOddRigInMemory(t, lab.OddOptions{}, opt)
				behind := unknownWhile(func(folder string) bool {
					at := from.Load()
					return folder == "Work" && (at == nil || time.Since(*at) < tt.after)
				})
				answer := behind.Answer
				behind.Answer = func(c *lab.OddConn) string {
					if c.Verb == "CREATE" && c.Folder() == "Work" && from.Load() == nil {
						now := time.Now()
						from.Store(&now)
						return "" // it is made
					}
					return answer(c)
				}
				r.new.Change(func(opt *lab.OddOptions) { *opt = withCaps(behind) })
				r.start(false)
				res := r.sync()
				if res.Pass.Complete != tt.one && tt.one {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
				if row := r.folderRow("Work"); row.State == store.FolderDeleted || row.State == store.FolderMissing {
					t.Errorf("%+v", row)
				}
				if !res.Pass.Complete {
					if p := res.Problem; p == nil || p.Folder != "Work" || p.Kind != store.FolderNotMade {
						t.Errorf("problem %+v", res.Problem)
					}
					time.Sleep(tt.after)
					if res = r.sync(); !res.Pass.Complete {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
				}
				r.foundOn("Work", foldertree.DecodeName(r.folderRow("Work").New))
				r.foundOn("Archive", "Archive")
				r.complete(0)
			})
		})
	}
}

func withCaps(o lab.OddOptions) lab.OddOptions {
	o.Caps = lab.OddCaps
	return o
}

// TestMadeInVain: where CREATE is answered OK and nothing comes of it, the folder gets another
// name, or is named as what does not get there.
func TestMadeInVain(t *testing.T) {
	for _, tt := range []struct {
		name    string
		unknown func(folder string) bool
		want    string // part of the new name; "" if there is none to be had
	}{
		{"below INBOX", func(f string) bool { return strings.HasPrefix(f, "INBOX/") }, "Bills"},
		{"one name", func(f string) bool { return f == "INBOX/Bills" }, "Bills"},
		{"whatever it is called", func(f string) bool { return strings.Contains(f, "Bills") }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newOddRigInMemoryWith(t, lab.OddOptions{}, withCaps(unknownWhile(tt.unknown)), map[string]int{"INBOX": 3, "INBOX/Bills": 4, "Work": 5})
				r.start(false)
				res := r.sync()
				r.foundOn("Work", "Work")
				row := r.folderRow("INBOX/Bills")
				if tt.want == "" {
					if p := res.Problem; res.Pass.Complete || p == nil || p.Folder != "INBOX/Bills" || !strings.Contains(p.Summary.String(), "does not know it") || row.State != store.FolderPlanned {
						t.Errorf("%+v, problem %+v, row %+v", res.Pass, p, row)
					}
					for range 2 {
						if res := r.sync(); res.Pass.Complete {
							t.Errorf("%+v", res.Pass)
						}
					}
					return
				}
				if !res.Pass.Complete || !strings.Contains(row.New, tt.want) || row.State != store.FolderPresent {
					t.Errorf("%+v, problem %+v, row %+v", res.Pass, res.Problem, row)
				}
				r.foundOn("INBOX/Bills", row.New)
				r.complete(0)
			})
		})
	}
}

// TestMadeOtherwise: a server that spells a name in its own way has made that folder.
func TestMadeOtherwise(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"v2.0", "v2 0"}, {"A&-B", "A+B"}, {"Notes", "notes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				var r *oddRig
				opt := createsAs(func() *lab.Odd { return r.new }, func(name string) string {
					if name == tt.name {
						return tt.want
					}
					return name
				})
				r = newOddRigInMemoryWith(t, lab.OddOptions{}, opt, map[string]int{"INBOX": 3, tt.name: 4})
				r.start(false)
				res := r.sync()
				if row := r.folderRow(tt.name); !res.Pass.Complete || row.New != tt.want {
					t.Errorf("%+v, problem %+v, row %+v; there %q", res.Pass, res.Problem, row, r.new.Folders())
				}
				r.foundOn(tt.name, tt.want)
				r.complete(0)
			})
		})
	}
}

// TestGoneAndBackInAPass: the node that is asked while a folder is filled may not know it yet, or for
// a moment; the pass goes on there once it does.
func TestGoneAndBackInAPass(t *testing.T) {
	for _, verb := range []string{"STATUS", "APPEND"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			times := 0
			r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{Answer: func(c *lab.OddConn) string {
				if c.Verb == verb && c.Folder() == "Work" {
					if times++; times == 2 || verb == "APPEND" && times == 1 {
						return "NO [TRYCREATE] no such folder"
					}
				}
				return ""
			}})
			r.start(false)
			r.complete(oddTotal())
			r.arrived(nil)
		})
	}
}
