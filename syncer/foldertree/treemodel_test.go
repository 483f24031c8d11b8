package foldertree

import (
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/config"
	"postferry/store"
	"postferry/upstream"
)

// treeModel is an account over its life: two servers' folders and the rows.
// Its new server tells apart what differs in case.
type treeModel struct {
	old, new Tree
	rows     []store.Folder
	wish     config.Folders
}

var (
	partGen = rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b", "A", "Sent", "Sent Items", "Gesendet", "Trash", "INBOX", "inbox", "[Gmail]", "a.b", "a_b", "a/b",
			"x ", "_", "", ".", "shared", enc("Entwürfe"), enc("Cafe\u0301"), enc("Café"), "\xff"}),
		rapid.StringOfN(rapid.SampledFrom([]rune("ab./_ ~#&\x01")), 0, 4, -1),
	)
	attrGen = rapid.SampledFrom([]imap.MailboxAttr{"", "", "", "", "", "", "", "",
		imap.MailboxAttrSent, imap.MailboxAttrTrash, imap.MailboxAttrDrafts, imap.MailboxAttrNoSelect, imap.MailboxAttrAll})
	oldSpaceGen = rapid.SampledFrom([]upstream.Namespace{
		{Delim: '/'}, {Delim: '.'}, {Prefix: "INBOX.", Delim: '.', Others: []string{"shared.", "user."}},
		{Prefix: "INBOX.", Delim: '.', Others: []string{"user.", ""}}, {Delim: '/', Others: []string{"shared/"}}, {},
	})
	newSpaceGen = rapid.SampledFrom([]upstream.Namespace{
		{Delim: '/'}, {Delim: '.'}, {Prefix: "INBOX.", Delim: '.'}, {Delim: '/', Others: []string{"shared/"}}, {Delim: '_'}, {},
	})
)

// drawWish is a configuration of folders. No two go to the same name.
func drawWish(t *rapid.T) config.Folders {
	titles := []string{"a", "b", "A", "Sent", "Trash", "a/b", "INBOX/a", "[Gmail]/a", "shared/a", "user/b"}
	targets := rapid.Permutation([]string{"a", "X", "Sent", "Y/Z", "Gesendet", "a b/c", "INBOX/q"}).Draw(t, "targets")
	w := config.Folders{
		Map:       map[string]string{},
		Skip:      rapid.SliceOfN(rapid.SampledFrom([]string{"a", "a/*", "*/b", "S*", "[Gmail]", "*", "shared", "_"}), 0, 2).Draw(t, "skip"),
		CopyViews: rapid.Bool().Draw(t, "views"), CopyShared: rapid.Bool().Draw(t, "shared"),
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "mapped") {
		w.Map[rapid.SampledFrom(titles).Draw(t, "from")] = targets[i]
	}
	return w
}

func newTreeModel(t *rapid.T) *treeModel {
	m := &treeModel{old: Tree{Namespace: oldSpaceGen.Draw(t, "old namespace")}, new: Tree{Namespace: newSpaceGen.Draw(t, "new namespace")}}
	m.old.Mailboxes = []upstream.Mailbox{{Name: "INBOX", Delim: m.old.Namespace.Delim}}
	m.new.Mailboxes = []upstream.Mailbox{{Name: "INBOX", Delim: m.new.Namespace.Delim}}
	for range rapid.IntRange(0, 4).Draw(t, "folders there") {
		addFolder(t, &m.new)
	}
	return m
}

// addFolder gives a server a folder that it did not have.
func addFolder(t *rapid.T, side *Tree) {
	ns := side.Namespace
	parts := rapid.SliceOfN(partGen, 1, 3).Draw(t, "name")
	name := strings.Join(parts, string(rune(ns.Delim)))
	if rapid.IntRange(0, 4).Draw(t, "prefixed") > 0 {
		name = ns.Prefix + name
	}
	same := func(m upstream.Mailbox) bool {
		return CanonicalInbox(DecodeName(m.Name)) == CanonicalInbox(DecodeName(name))
	}
	if name == "" || slices.ContainsFunc(side.Mailboxes, same) {
		return
	}
	box := upstream.Mailbox{Name: name, Delim: ns.Delim, Subscribed: rapid.Bool().Draw(t, "subscribed")}
	// A server has one folder \All, as it is all of the mail: where it has gone and there is another, the archive
	// that it led to takes one look more.
	another := func(m upstream.Mailbox) bool { return slices.Contains(m.Attrs, imap.MailboxAttrAll) }
	if attr := attrGen.Draw(t, "attribute"); attr != "" && (attr != imap.MailboxAttrAll || !slices.ContainsFunc(side.Mailboxes, another)) {
		box.Attrs = []imap.MailboxAttr{attr}
	}
	side.Mailboxes = append(side.Mailboxes, box)
}

// apply does to the model what a plan asks for, as its documentation says.
func (m *treeModel) apply(t *rapid.T, plan TreePlan) {
	created := map[string]bool{}
	for _, c := range plan.Create {
		if created[c.Name] {
			t.Fatalf("%q is created twice", c.Name)
		}
		created[c.Name] = true
		m.create(t, c)
	}
	for _, name := range plan.Subscribe {
		i := slices.IndexFunc(m.new.Mailboxes, func(b upstream.Mailbox) bool { return b.Name == name })
		if i < 0 {
			t.Fatalf("%q is subscribed and does not exist", name)
		}
		m.new.Mailboxes[i].Subscribed = true
	}
	for _, f := range plan.Folders {
		if f.State == store.FolderPlanned && created[f.New] {
			f.State = store.FolderPresent
		}
		m.put(f)
	}
}

// create makes a folder, also where there is a directory of that name.
func (m *treeModel) create(t *rapid.T, c FolderCreate) {
	box := upstream.Mailbox{Name: c.Name, Delim: m.new.Namespace.Delim}
	if c.Use != "" {
		box.Attrs = []imap.MailboxAttr{c.Use}
	}
	for i, b := range m.new.Mailboxes {
		if b.Name == c.Name {
			if Selectable(b) {
				t.Fatalf("%q is created and exists", c.Name)
			}
			m.new.Mailboxes[i] = box
			return
		}
	}
	m.new.Mailboxes = append(m.new.Mailboxes, box)
}

func (m *treeModel) put(f store.Folder) {
	if f.ID == 0 {
		f.ID = store.FolderID(len(m.rows) + 1)
		m.rows = append(m.rows, f)
		return
	}
	m.rows[f.ID-1] = f
}

// sync plans and applies, and checks what must hold of every plan.
func (m *treeModel) sync(t *rapid.T) {
	before := slices.Clone(m.rows)
	plan := planTree(m.old, m.new, m.rows, m.wish)
	for _, c := range plan.Create {
		for _, f := range before {
			if f.State == store.FolderDeleted && f.New == c.Name {
				t.Fatalf("%q was deleted and is created again", c.Name)
			}
		}
	}
	m.apply(t, plan)
	m.check(t, before)
	again := planTree(m.old, m.new, m.rows, m.wish)
	if len(again.Create)+len(again.Subscribe)+len(again.Folders) > 0 {
		t.Fatalf("planned again: %q\nafter: %q", brief(again), brief(plan))
	}
}

func (m *treeModel) check(t *rapid.T, before []store.Folder) {
	for i, f := range before {
		if got := m.rows[i]; got.Old != f.Old || f.New != "" && got.New != f.New {
			t.Fatalf("row %d changed from %v to %v", i, f, got)
		}
		if f.State == store.FolderDeleted && m.rows[i].State != store.FolderDeleted {
			t.Fatalf("%q came back to life", f.New)
		}
	}
	owner := map[string]string{}
	for _, f := range m.rows {
		if f.State == store.FolderDeleted || f.State == store.FolderSkipped && f.New == "" {
			continue
		}
		if f.State == store.FolderMissing {
			continue // it has the name that it had: somebody may have given that to another folder since
		}
		if f.AllMail {
			continue // the archive may be another's, and of several
		}
		if other, ok := owner[f.New]; ok {
			t.Fatalf("%q and %q both go to %q", other, f.Old, f.New)
		}
		owner[f.New] = f.Old
		for _, other := range m.new.Namespace.Others {
			if strings.HasPrefix(f.New, other) {
				t.Fatalf("%q goes into the shared namespace: %q", f.Old, f.New)
			}
		}
	}
	m.checkNothingForgotten(t)
}

// checkNothingForgotten: every personal folder with mail has its row, and the
// folder is there unless somebody deleted it.
func (m *treeModel) checkNothingForgotten(t *rapid.T) {
	for _, b := range m.old.Mailboxes {
		_, _, personal := Locate(b.Name, b.Delim, m.old.Namespace)
		if !personal || !Selectable(b) {
			continue
		}
		i := slices.IndexFunc(m.rows, func(f store.Folder) bool { return f.Old == CanonicalName(b.Name) })
		if i < 0 {
			t.Fatalf("%q was forgotten", b.Name)
		}
		if f := m.rows[i]; f.State == store.FolderPresent && !m.has(f.New) || f.State == store.FolderPlanned {
			t.Fatalf("%q is %s and not there as %q", b.Name, f.State, f.New)
		}
	}
}

func (m *treeModel) has(name string) bool {
	return slices.ContainsFunc(m.new.Mailboxes, func(b upstream.Mailbox) bool {
		return strings.EqualFold(DecodeName(b.Name), DecodeName(name)) && Selectable(b)
	})
}

// pick draws a folder of a side that is not INBOX; ok is false if there is none.
func pick(t *rapid.T, side *Tree) (i int, ok bool) {
	if len(side.Mailboxes) < 2 {
		return 0, false
	}
	return rapid.IntRange(1, len(side.Mailboxes)-1).Draw(t, "folder"), true
}

// change is something that people do between two looks.
func (m *treeModel) change(t *rapid.T) {
	switch rapid.IntRange(0, 7).Draw(t, "change") {
	case 0, 1:
		addFolder(t, &m.old)
	case 2:
		addFolder(t, &m.new)
	case 3:
		if i, ok := pick(t, &m.old); ok {
			m.old.Mailboxes = slices.Delete(m.old.Mailboxes, i, i+1)
		}
	case 4:
		if i, ok := pick(t, &m.new); ok {
			m.new.Mailboxes = slices.Delete(m.new.Mailboxes, i, i+1)
		}
	case 5:
		if i, ok := pick(t, &m.old); ok {
			m.old.Mailboxes[i].Subscribed = !m.old.Mailboxes[i].Subscribed
		}
	case 6:
		m.rename(t)
	case 7:
		m.wish = drawWish(t)
	}
}

// rename renames a folder on the new server with its children, and the rows
// with it, as the relay reports it.
func (m *treeModel) rename(t *rapid.T) {
	i, ok := pick(t, &m.new)
	if !ok {
		return
	}
	from, to := m.new.Mailboxes[i].Name, m.new.Namespace.Prefix+"renamed"
	below := func(b upstream.Mailbox) bool { return strings.HasPrefix(b.Name, to) }
	if slices.ContainsFunc(m.new.Mailboxes, below) {
		return
	}
	renamed := func(name string) string {
		if rest, ok := strings.CutPrefix(name, from+string(rune(m.new.Namespace.Delim))); ok && m.new.Namespace.Delim != 0 {
			return to + string(rune(m.new.Namespace.Delim)) + rest
		}
		if name == from {
			return to
		}
		return name
	}
	for i := range m.new.Mailboxes {
		m.new.Mailboxes[i].Name = renamed(m.new.Mailboxes[i].Name)
	}
	for i, f := range m.rows {
		switch {
		case f.State != store.FolderPresent && !IsHalted(&f):
		case strings.HasPrefix(f.New, to): // it was deleted since the last look, or the new name would not be free
			m.rows[i].State = store.FolderDeleted
		default:
			m.rows[i].New = renamed(f.New)
		}
	}
}

func TestPlanTreeModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newTreeModel(t)
		for range rapid.IntRange(1, 4).Draw(t, "looks") {
			for range rapid.IntRange(0, 8).Draw(t, "changes") {
				m.change(t)
			}
			m.sync(t)
		}
	})
}

// The same names come out, whatever the order of the lists.
func TestPlanTreeOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newTreeModel(t)
		for range rapid.IntRange(0, 12).Draw(t, "folders") {
			addFolder(t, &m.old)
		}
		m.wish = drawWish(t)
		want := brief(planTree(m.old, m.new, nil, m.wish))
		m.old.Mailboxes = rapid.Permutation(m.old.Mailboxes).Draw(t, "old order")
		m.new.Mailboxes = rapid.Permutation(m.new.Mailboxes).Draw(t, "new order")
		if got := brief(planTree(m.old, m.new, nil, m.wish)); !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
