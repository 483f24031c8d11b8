package treesync

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/session"
	"postferry/upstream"
)

func TestPlainName(t *testing.T) {
	m := newMaker(nil, foldertree.Tree{Namespace: upstream.Namespace{Prefix: "INBOX.", Delim: '.'}},
		[]store.Folder{{Old: "x", New: "INBOX.taken_"}}, &foldertree.TreePlan{}, zerolog.Nop())
	for name, want := range map[string]string{
		"INBOX.a%.b|c":     "INBOX.a%.b_c",
		"INBOX.B&APw-ro":   "INBOX.B&APw-ro",
		"INBOX.&2D3eAA- x": "INBOX._ x",
		"INBOX.a&-b":       "INBOX.a&-b",
	} {
		if got := m.plain(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	first := m.plain("INBOX.Taken%")
	if first == "INBOX.Taken_" || first != m.plain("INBOX.Taken%") {
		t.Errorf("got %s", first)
	}
}

func TestShortName(t *testing.T) {
	m := newMaker(nil, foldertree.Tree{Namespace: upstream.Namespace{Prefix: "INBOX.", Delim: '.'}}, nil, &foldertree.TreePlan{}, zerolog.Nop())
	long := strings.Repeat("x", 100)
	for name, want := range map[string]string{
		"INBOX.a":            "INBOX.a",
		"INBOX.a.b":          "INBOX.b_" + foldertree.ShortHash("INBOX.a.b"),
		"INBOX.a.B&APw-ro|x": "INBOX.B&APw-ro_x_" + foldertree.ShortHash("INBOX.a.B&APw-ro|x"),
		"INBOX." + long:      "INBOX." + long[:shortest] + "_" + foldertree.ShortHash("INBOX."+long),
	} {
		if got := m.short(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// caseless is a new server that makes folders and may ignore their case or
// refuse long names. What else it can do is nobody's business here.
type caseless struct {
	session.Target
	ignores bool
	longest int
	names   []string
}

func (c *caseless) find(name string) string {
	for _, n := range c.names {
		if n == name || c.ignores && foldedKey(n) == foldedKey(name) {
			return n
		}
	}
	return ""
}

func (c *caseless) Create(_ context.Context, name string, _ imap.MailboxAttr) error {
	if len(name) > c.longest {
		return refusedCreate()
	}
	if c.find(name) == "" {
		c.names = append(c.names, name)
	}
	return nil
}

func (c *caseless) CreateAll(ctx context.Context, folders []upstream.NewFolder) (made []bool, err error) {
	for _, f := range folders {
		made = append(made, c.Create(ctx, f.Name, f.Use) == nil)
	}
	return made, nil
}

func (c *caseless) Subscribe(context.Context, []string) error { return nil }

func (c *caseless) Status(_ context.Context, names []string) (map[string]upstream.Status, error) {
	found := map[string]upstream.Status{}
	for _, n := range names {
		if c.find(n) != "" {
			found[n] = upstream.Status{}
		}
	}
	return found, nil
}

func (c *caseless) tree() foldertree.Tree {
	side := foldertree.Tree{Namespace: upstream.Namespace{Delim: '/'}}
	for _, n := range c.names {
		side.Mailboxes = append(side.Mailboxes, upstream.Mailbox{Name: n, Delim: '/'})
	}
	return side
}

// No two folders become one, whether the new server minds the case or not, and
// they stay where they are.
func TestCaseCollisions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		server := &caseless{ignores: rapid.Bool().Draw(t, "ignores case"), longest: 40, names: []string{"INBOX"}}
		part := rapid.SampledFrom([]string{"a", "A", "aA", "Aa", "b", "B", strings.Repeat("a", 30)})
		name := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(part, 1, 3).Draw(t, "parts"), "/")
		})
		for _, n := range rapid.SliceOfN(name, 0, 3).Draw(t, "there") {
			_ = server.Create(context.Background(), n, "")
		}
		old := folderList(append([]string{"INBOX"}, rapid.SliceOfNDistinct(name, 0, 8, rapid.ID).Draw(t, "old")...)...)
		rows := map[string]store.Folder{}
		for range 2 {
			var known []store.Folder
			for _, f := range rows {
				known = append(known, f)
			}
			side := server.tree()
			plan := plannedFor(old, side, known)
			changed, err := newMaker(server, side, known, &plan, zerolog.Nop()).apply(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range changed {
				if was, ok := rows[f.Old]; ok && (was.State != store.FolderPlanned || was.New != f.New) {
					t.Fatalf("%+v became %+v", was, f)
				}
				if f.ID == 0 {
					f.ID = store.FolderID(len(rows) + 1)
				}
				rows[f.Old] = f
			}
		}
		owner := map[string]string{}
		for _, f := range rows {
			there := server.find(f.New)
			if f.State != store.FolderPresent || there == "" {
				t.Fatalf("%+v, there %q", f, server.names)
			}
			if other := owner[there]; other != "" {
				t.Fatalf("%q and %q are one folder: %q", other, f.Old, there)
			}
			owner[there] = f.Old
		}
	})
}

// Names that the new server refuses at every level of a deep tree are each replaced, and
// all below them follow.
func TestRefusedAtEveryLevel(t *testing.T) {
	const deep, many = 40, 500
	chain := strings.Repeat("%/", deep-1) + "%"
	old := folderList("INBOX")
	for i := range deep {
		old.Mailboxes = append(old.Mailboxes, folderList(chain[:2*i+1]).Mailboxes...)
	}
	for i := range many {
		old.Mailboxes = append(old.Mailboxes, folderList(fmt.Sprintf("%s/%d", chain, i)).Mailboxes...)
	}
	plan := planned(t, old, onlyInbox)
	m := newMaker(nil, onlyInbox, nil, &plan, zerolog.Nop())
	for i := range deep {
		c := &plan.Create[i]
		name := c.Name[:len(c.Name)-1] + "_"
		if !m.free(c.Name, name) {
			t.Fatalf("%q is taken", name)
		}
		m.rename(c, name, ErrNotMade)
	}
	for _, f := range plan.Folders[1:] {
		if strings.Contains(f.New, "%") || m.meant[foldedKey(f.New)] != 1 {
			t.Errorf("%q is called %q, which %d are", f.Old, f.New, m.meant[foldedKey(f.New)])
		}
	}
}
