package treesync

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"postferry/internal/pause"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// That CREATE was answered OK does not mean that the folder is there: of several nodes of a
// server the one that is asked next may hear of it seconds later, some spell the name in another
// way, some take names that they don't find again. A folder counts as made once its
// STATUS, or LIST, tells of it.

// MadePatience is within what time a folder should be known after it was made; then it gets another name.
const MadePatience = 4 * session.SettleQuiet

// prove keeps of the folders just made those that the new server knows. The others stay
// planned, with a note of since when they have been made in vain.
func (m *maker) prove(ctx context.Context) error {
	unknown, err := m.ask(ctx, m.creations())
	if err != nil || len(unknown) == 0 {
		return err
	}
	if err := pause.For(ctx, session.SettleQuiet/6); err != nil {
		return err
	}
	if unknown, err = m.ask(ctx, unknown); err != nil || len(unknown) == 0 {
		return err
	}
	tree, err := session.ReadTree(ctx, m.session, false)
	if err != nil {
		return err
	}
	for _, c := range unknown {
		if err := m.settle(ctx, c, tree); err != nil {
			return err
		}
	}
	return nil
}

// creations are those of the plan that CREATE said OK to.
func (m *maker) creations() (made []*foldertree.FolderCreate) {
	for i := range m.plan.Create {
		if c := &m.plan.Create[i]; m.made[c.Name] {
			made = append(made, c)
		}
	}
	return made
}

// ask asks for the status of folders and returns those that the server does not know.
func (m *maker) ask(ctx context.Context, made []*foldertree.FolderCreate) (unknown []*foldertree.FolderCreate, err error) {
	names := make([]string, len(made))
	for i, c := range made {
		names[i] = c.Name
	}
	if len(names) == 0 {
		return nil, nil
	}
	told, err := m.session.Status(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, c := range made {
		if st, ok := told[c.Name]; ok {
			m.numbers[c.Name] = st.UIDValidity
		} else {
			unknown = append(unknown, c)
		}
	}
	return unknown, nil
}

// settle deals with a folder that was made and isn't known: it may be listed, under this name or
// as the server spells it, or come to be known soon; after a while it gets another name.
func (m *maker) settle(ctx context.Context, c *foldertree.FolderCreate, tree foldertree.Tree) error {
	listed := slices.ContainsFunc(tree.Mailboxes, func(b upstream.Mailbox) bool {
		return foldertree.Selectable(b) && foldertree.CanonicalInbox(foldertree.DecodeName(b.Name)) == foldertree.CanonicalInbox(foldertree.DecodeName(c.Name))
	})
	if listed {
		return nil
	}
	delete(m.made, c.Name)
	if name := m.appeared(c.Name, tree); name != "" {
		m.rename(c, name, errMadeOtherwise)
		m.made[name] = true
		m.exists(name)
		return nil
	}
	row := m.rowOf(c.Name)
	if row == nil || row.Missing.Looks == 0 || m.now.Sub(row.Missing.Since) < MadePatience {
		m.log.Warn().Str("folder", m.title(c.Name)).Str("name", foldertree.DecodeName(c.Name)).
			Msg("the new server says that it has made the folder, and does not know it yet")
		m.waitFor(row)
		return nil
	}
	return m.tryOthers(ctx, c, row)
}

// waitFor notes that a folder was made and isn't known.
func (m *maker) waitFor(row *store.Folder) {
	if row == nil {
		return
	}
	now := m.now.UTC()
	if row.Missing.Looks == 0 || row.Missing.Since.After(now) { // the clock was put back
		row.Missing.Since = now
	}
	row.Missing.Looks++
	row.Missing.Last = now
}

// tryOthers makes the folder under other names until the server knows one.
func (m *maker) tryOthers(ctx context.Context, c *foldertree.FolderCreate, row *store.Folder) error {
	tried := []string{c.Name}
	for _, other := range append(m.plainer(), func(name string) string { return m.hashed(name, name) }) {
		name := other(c.Name)
		if slices.Contains(tried, name) || !m.free(c.Name, name) {
			continue
		}
		tried = append(tried, name)
		err := m.session.Create(ctx, name, c.Use)
		if session.IsLeft(err) || link.ClassOf(err) == link.Refused && err != nil {
			continue
		}
		if err != nil {
			return err
		}
		made := &foldertree.FolderCreate{Name: name}
		if unknown, err := m.ask(ctx, []*foldertree.FolderCreate{made}); err != nil {
			return err
		} else if len(unknown) > 0 {
			continue
		}
		m.rename(c, name, errMadeInVain)
		m.made[name] = true
		m.exists(name)
		return nil
	}
	m.waitFor(row)
	return nil
}

// rowOf is the planned row of a new name, nil if there is none.
func (m *maker) rowOf(name string) *store.Folder {
	for i := range m.plan.Folders {
		if f := &m.plan.Folders[i]; f.New == name && f.State == store.FolderPlanned {
			return f
		}
	}
	return nil
}

// appeared is the name of a folder that is listed since, and was not before, and has the
// letters and digits of the one that was made; "" if there is none, or more than one.
func (m *maker) appeared(name string, tree foldertree.Tree) (as string) {
	for _, b := range tree.Mailboxes {
		key := foldedKey(b.Name)
		if !foldertree.Selectable(b) || bare(b.Name) != bare(name) || m.meant[key] > 0 && (key != foldedKey(name) || m.meant[key] > 1) || m.wasThere(b.Name) {
			continue
		}
		if as != "" {
			return ""
		}
		as = b.Name
	}
	return as
}

// wasThere tells whether a folder was on the new server before.
func (m *maker) wasThere(name string) bool { return slices.Contains(m.there[foldedKey(name)], name) }

// bare is what is left of a name in any spelling.
func bare(raw string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, foldertree.DecodeName(raw))
}

// isMade completes the rows of the folders that were made.
func (m *maker) isMade(f *store.Folder) {
	f.State, f.NewUIDValidity, f.Missing = store.FolderPresent, m.numbers[f.New], store.Missing{}
}

// UnknownFor tells since when a planned folder was made without being known; zero if it wasn't made.
func UnknownFor(f *store.Folder) time.Time {
	if f.State != store.FolderPlanned {
		return time.Time{}
	}
	return f.Missing.Since
}
