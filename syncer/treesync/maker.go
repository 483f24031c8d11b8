package treesync

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// ErrNotMade says that a folder's mail stays behind because the new server won't have it.
var ErrNotMade = problem.New(store.FolderNotMade, store.NewSide, "the new server refuses to make the folder")

var (
	// errMadeOtherwise is why a folder gets another name that the server itself has given it.
	errMadeOtherwise = errors.New("the new server spells the name in another way")
	// errMadeInVain is why a folder gets another name that the server said it had made.
	errMadeInVain = errors.New("the new server said that it had made the folder, and does not know it")
)

// errSameFolder is why a folder gets another name on a server that ignores case.
var errSameFolder = errors.New("the new server ignores case, and another folder has the name")

// maker makes an account's folders on the new server.
type maker struct {
	session session.Target
	space   upstream.Namespace
	plan    *foldertree.TreePlan
	known   []store.Folder
	log     zerolog.Logger
	there   map[string][]string // raw names on the new server, by foldedKey
	meant   map[string]int      // how many rows have a name, by foldedKey
	made    map[string]bool     // raw names
	numbers map[string]uint32   // UIDVALIDITY of folders just made, by raw name
	now     time.Time
}

// newMaker takes the names into account that exist or are meant for a folder.
func newMaker(s session.Target, new foldertree.Tree, known []store.Folder, plan *foldertree.TreePlan, log zerolog.Logger) *maker {
	m := &maker{
		session: s, space: new.Namespace, plan: plan, known: known, log: log,
		there: map[string][]string{}, meant: map[string]int{}, made: map[string]bool{}, numbers: map[string]uint32{}, now: time.Now(),
	}
	for _, b := range new.Mailboxes {
		if foldertree.Selectable(b) {
			m.exists(b.Name)
		}
	}
	rows := map[string]string{} // new names by old ones
	for _, list := range [][]store.Folder{known, plan.Folders} {
		for _, f := range list {
			rows[f.Old] = f.New
		}
	}
	for _, name := range slices.Compact(slices.Sorted(maps.Values(rows))) { // an archive may be two rows'
		m.meant[foldedKey(name)]++
	}
	return m
}

func (m *maker) exists(name string) {
	key := foldedKey(name)
	m.there[key] = append(m.there[key], name)
}

// title is what people call the folder that is to get a name.
func (m *maker) title(name string) string {
	for i := range m.plan.Folders {
		if f := &m.plan.Folders[i]; f.New == name {
			return f.Title
		}
	}
	return foldertree.DecodeName(name)
}

// taken tells whether a name is another folder's, whatever the case.
func (m *maker) taken(name string) bool {
	key := foldedKey(name)
	return m.meant[key] > 0 || len(m.there[key]) > 0
}

// all makes the plan's folders, those of a level together, parents first: where a parent gets
// another name its children follow. What is refused is reported and does not keep the others
// from being made.
func (m *maker) all(ctx context.Context) error {
	for _, level := range m.levels() {
		if err := m.together(ctx, level); err != nil {
			return err
		}
		for _, c := range level {
			if m.made[c.Name] {
				continue
			}
			if err := m.make(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// levels are the folders to be made by how deep they lie, each in the order of the plan.
func (m *maker) levels() (levels [][]*foldertree.FolderCreate) {
	for i := range m.plan.Create {
		c, depth := &m.plan.Create[i], 0
		if m.space.Delim != 0 {
			depth = strings.Count(c.Name, string(m.space.Delim))
		}
		for depth >= len(levels) {
			levels = append(levels, nil)
		}
		levels[depth] = append(levels[depth], c)
	}
	return levels
}

// together makes folders without a round trip for each. Left for make are those that the server
// doesn't make, and those whose names may be the same to it.
func (m *maker) together(ctx context.Context, level []*foldertree.FolderCreate) error {
	alike := map[string]int{}
	for _, c := range level {
		alike[foldedKey(c.Name)]++
	}
	var plain []*foldertree.FolderCreate
	var ask []upstream.NewFolder
	for _, c := range level {
		if key := foldedKey(c.Name); alike[key] == 1 && len(m.there[key]) == 0 {
			plain = append(plain, c)
			ask = append(ask, upstream.NewFolder{Name: c.Name, Use: c.Use})
		}
	}
	if len(ask) < 2 {
		return nil
	}
	made, err := m.session.CreateAll(ctx, ask)
	for i, c := range plain {
		if made[i] {
			m.made[c.Name] = true
			m.exists(c.Name)
		}
	}
	return err
}

// make makes a folder. One whose name the new server refuses gets a plainer
// one (treeplain.go), which its row keeps; its children follow.
func (m *maker) make(ctx context.Context, c *foldertree.FolderCreate) error {
	if there, err := m.apart(ctx, c); err != nil || there {
		return err
	}
	err := m.session.Create(ctx, c.Name, c.Use)
	for _, other := range m.plainer() {
		name := other(c.Name)
		if session.IsLeft(err) || link.ClassOf(err) != link.Refused || name == c.Name {
			continue
		}
		if !m.free(c.Name, name) {
			name = m.hashed(name, c.Name)
		}
		why := err
		if err = m.session.Create(ctx, name, c.Use); err == nil {
			m.rename(c, name, why)
		}
	}
	switch {
	case err == nil:
		m.made[c.Name] = true
		m.exists(c.Name)
	case link.ClassOf(err) != link.Refused && !session.IsLeft(err):
		return err
	default:
		m.log.Warn().Err(err).Str("folder", m.title(c.Name)).Str("name", foldertree.DecodeName(c.Name)).Msg("the new server refuses to make this folder")
	}
	return nil
}

// apart keeps a folder from becoming one with another whose name differs only
// in case, on a server that ignores case: it gets another name. Where that
// other is nobody's it is the folder itself, and there is nothing to make.
func (m *maker) apart(ctx context.Context, c *foldertree.FolderCreate) (there bool, err error) {
	alike := m.there[foldedKey(c.Name)]
	if len(alike) == 0 || slices.Contains(alike, c.Name) {
		return false, nil
	}
	// If it answers to this name, too, it is the same folder.
	found, err := m.session.Status(ctx, []string{c.Name})
	if _, same := found[c.Name]; err != nil || !same {
		return false, err
	}
	if m.meant[foldedKey(c.Name)] == 1 && m.free(c.Name, alike[0]) {
		m.rename(c, alike[0], nil)
		m.made[c.Name] = true
		return true, nil
	}
	m.rename(c, m.hashed(c.Name, c.Name), errSameFolder)
	return false, nil
}

// hashed is a name that no other folder has but one that came from the same.
func (m *maker) hashed(name, from string) string {
	return name + foldertree.Substitute(m.space.Delim) + foldertree.ShortHash(from)
}

// moves are the new names of a folder and all below it, by their former ones,
// if it gets another. What is on the new server already stays.
func (m *maker) moves(from, to string) map[string]string {
	moves := map[string]string{}
	for _, c := range m.plan.Create {
		rest, ok := strings.CutPrefix(c.Name, from)
		if ok && !m.made[c.Name] && (rest == "" || m.space.Delim != 0 && rest[0] == m.space.Delim) {
			moves[c.Name] = to + rest
		}
	}
	return moves
}

// free tells whether a folder and all below it can get another name without
// one of them getting that of another folder.
func (m *maker) free(from, to string) bool {
	moves := m.moves(from, to)
	moved := make(map[string]bool, len(moves))
	for name := range maps.Values(moves) {
		moved[name] = true
	}
	for _, list := range [][]store.Folder{m.known, m.plan.Folders} {
		for i := range list {
			if name := list[i].New; strings.HasPrefix(name, to) && moved[name] && moves[name] == "" {
				return false
			}
		}
	}
	return true
}

// rename gives a folder that is about to be made, and all below it, another name.
func (m *maker) rename(c *foldertree.FolderCreate, name string, why error) {
	m.log.Warn().AnErr("cause", why).Str("folder", m.title(c.Name)).Str("name", foldertree.DecodeName(name)).
		Msg("the new server can't have the folder under its name; it got another one")
	from, moves := c.Name, m.moves(c.Name, name)
	// Most names don't begin with the former one; to look that up for each would take long.
	move := func(name *string) {
		if strings.HasPrefix(*name, from) && moves[*name] != "" {
			*name = moves[*name]
		}
	}
	for i := range m.plan.Create {
		move(&m.plan.Create[i].Name)
	}
	for i := range m.plan.Subscribe {
		move(&m.plan.Subscribe[i])
	}
	for i := range m.plan.Folders {
		f := &m.plan.Folders[i]
		if was := f.New; f.State == store.FolderPlanned {
			if move(&f.New); f.New != was {
				m.meant[foldedKey(was)]--
				m.meant[foldedKey(f.New)]++
			}
		}
	}
}

// foldedKey makes raw names comparable regardless of case.
func foldedKey(raw string) string {
	return strings.ToLower(foldertree.CanonicalInbox(foldertree.DecodeName(raw)))
}
