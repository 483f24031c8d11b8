package syncer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"postferry/store"
	"postferry/wire"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// nameAll gives each new folder its name on the new server, no two the same.
// INBOX, the folders that the configuration has a name for, and the special ones
// that the new server has choose first, then parents before children, and names
// that can stay as they are before those that can't. All mail's archive may be any of those.
func (p *planner) nameAll(ctx context.Context, fresh []*folder) error {
	var others, rest, archives []*folder
	for _, f := range fresh {
		switch {
		case f.all:
			archives = append(archives, f)
		case len(f.raw) == 1 && f.inbox():
			p.give(f, inboxName)
		case f.to != "":
			p.giveMapped(f)
		default:
			others = append(others, f)
		}
	}
	for _, f := range others {
		if !p.giveByUse(f) {
			rest = append(rest, f)
		}
	}
	slices.SortStableFunc(rest, p.compareClaims)
	if err := each(ctx, rest, func(f *folder) {
		p.give(f, p.unique(p.nameOf(f.place, len(f.parts)-1), f.name()))
		p.noteName(f)
	}); err != nil {
		return err
	}
	return each(ctx, archives, p.giveArchive)
}

// giveMapped gives a folder the name that the configuration has for it. Only a
// folder that has it already goes before.
func (p *planner) giveMapped(f *folder) {
	if f.was != nil && p.taken[p.key(f.was.New)] == f.name() {
		delete(p.taken, p.key(f.was.New))
	}
	p.give(f, p.unique(p.rawName(f.to), f.name()))
	if f.row.Note = p.otherwise(f); f.row.Note == "" {
		p.note(NoteCalledMapped, f.title(), p.title(f.row.New))
	}
}

// rawName is a name of the configuration as the new server spells it.
func (p *planner) rawName(title string) string {
	parts := strings.Split(title, "/")
	name := p.topName(parts[0])
	for _, part := range parts[1:] {
		name += p.joint() + wire.EncodeMailbox(legalPart(part, p.new.Namespace.Delim, false))
	}
	return name
}

// giveByUse maps a special folder to the one the new server has for it, unless
// that is another folder's already.
func (p *planner) giveByUse(f *folder) bool {
	target := p.newUses[f.use]
	if f.use == "" || target == "" || p.taken[p.key(target)] != "" {
		return false
	}
	p.give(f, target)
	if there := p.title(target); there != f.title() {
		p.note(NoteSpecialUse, f.title(), there, f.use)
	}
	return true
}

// give settles a folder's name. An existing folder is used as the server
// spells it.
func (p *planner) give(f *folder, name string) {
	key := p.key(name)
	if m, ok := p.there[key]; ok {
		name = m.Name
	}
	f.row.New = name
	p.names[f.name()] = name
	p.taken[key] = f.name()
}

func (p *planner) compareClaims(a, b *folder) int {
	return cmp.Or(
		cmp.Compare(len(a.parts), len(b.parts)),
		cmp.Compare(p.altered(a), p.altered(b)),
		strings.Compare(a.name(), b.name()),
	)
}

// altered is 1 if the last part of the folder's name can't stay as it is.
func (p *planner) altered(f *folder) int {
	if legalPart(f.last(), p.new.Namespace.Delim, len(f.parts) == 1) == f.last() {
		return 0
	}
	return 1
}

// nameOf is the raw name on the new server of the folder at depth i of a
// place: the one it has, or else its last part below its parent's.
func (p *planner) nameOf(where place, i int) string {
	raw := where.raw[i]
	if wire.IsInbox(raw) {
		return inboxName
	}
	if name, ok := p.names[raw]; ok {
		return name
	}
	if to := p.policy.mapped(where, i); to != "" {
		return p.rawName(to) // holds no mail itself; what is below it follows
	}
	top := i == 0 || i == 1 && (p.hoisted(where) || inGmail(where) && p.oldUses[raw] != "")
	if top {
		return p.topName(where.parts[i])
	}
	part := legalPart(where.parts[i], p.new.Namespace.Delim, false)
	return p.nameOf(where, i-1) + p.joint() + wire.EncodeMailbox(part)
}

// hoisted reports whether a child of INBOX becomes a folder of the first level.
func (p *planner) hoisted(where place) bool {
	if where.raw[0] != inboxName {
		return false
	}
	return wire.IsInbox(strings.TrimSuffix(p.new.Namespace.Prefix, p.joint())) ||
		hasAttr(p.there[inboxName], imap.MailboxAttrNoInferiors)
}

// topName is a name of the first level. It keeps out of the namespaces of
// others, where private mail could be read by them.
func (p *planner) topName(part string) string {
	ns := p.new.Namespace
	part = legalPart(part, ns.Delim, true)
	name := ns.Prefix + wire.EncodeMailbox(part)
	if p.reserved(name) {
		name = ns.Prefix + substitute(ns.Delim) + wire.EncodeMailbox(part)
	}
	return name
}

func (p *planner) reserved(name string) bool {
	below := name + p.joint()
	return slices.ContainsFunc(p.new.Namespace.Others, func(other string) bool {
		return len(other) > len(p.new.Namespace.Prefix) && (strings.HasPrefix(below, other) || strings.HasPrefix(other, below))
	})
}

// joint stands between a folder's name and its child's. A flat server has
// none, so that a tree becomes a row of longer names.
func (p *planner) joint() string {
	if p.new.Namespace.Delim == 0 {
		return substitute(0)
	}
	return string(rune(p.new.Namespace.Delim))
}

// unique adds to a name what keeps it from being another folder's. The same
// old name always gets the same addition.
func (p *planner) unique(name, old string) string {
	free := name
	for n := 0; p.taken[p.key(free)] != ""; n++ {
		hash := shortHash(old)
		if n > 0 { // there are but 65,536 of the short ones
			hash = longHash(fmt.Sprintf("%s %d", old, n))
		}
		free = name + substitute(p.new.Namespace.Delim) + hash
	}
	return free
}

// noteName reports a folder whose own name changed; children that only follow
// their parent are not worth a line.
func (p *planner) noteName(f *folder) {
	title := p.title(f.row.New)
	follows := p.altered(f) == 0 && strings.HasSuffix(title, f.last()) && p.new.Namespace.Delim != 0
	if title == f.title() || follows {
		return
	}
	p.note(NoteCalled, f.title(), title)
}

// title is a raw name on the new server for people.
func (p *planner) title(raw string) string {
	where, _, personal := locate(raw, p.new.Namespace.Delim, p.new.Namespace)
	if !personal {
		return decodeName(raw)
	}
	return where.title()
}

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }

// isThere tells whether a folder is listed under a name it may have, whatever the case.
func (p *planner) isThere(row *store.Folder) bool {
	key := p.key(p.newName(row))
	_, there := p.there[key]
	_, spelled := p.folded[strings.ToLower(key)]
	return there || spelled
}
