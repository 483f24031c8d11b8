package foldertree

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/wire"
)

// nameAll gives each new folder its name on the new server, no two the same.
// INBOX, the folders that the configuration has a name for, and the special ones
// that the new server has choose first, then parents before children, and names
// that can stay as they are before those that can't. All mail's archive may be any of those.
func (p *Planner) nameAll(ctx context.Context, fresh []*folder) error {
	var others, rest, archives []*folder
	for _, f := range fresh {
		switch {
		case f.all:
			archives = append(archives, f)
		case len(f.raw) == 1 && f.inbox():
			p.give(f, InboxName)
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
	p.archive = p.oldArchive()
	return each(ctx, archives, p.giveArchive)
}

// giveMapped gives a folder the name that the configuration has for it. Only a
// folder that has it already goes before.
func (p *Planner) giveMapped(f *folder) {
	if f.was != nil && p.taken[p.Key(f.was.New)] == f.name() {
		delete(p.taken, p.Key(f.was.New))
	}
	p.give(f, p.unique(p.rawName(f.to), f.name()))
	if f.row.Note = p.otherwise(f); f.row.Note == "" {
		p.note(reason.NoteCalledMapped, f.Title(), p.title(f.row.New))
	}
}

// rawName is a name of the configuration as the new server spells it.
func (p *Planner) rawName(title string) string {
	parts := strings.Split(title, "/")
	name := p.topName(parts[0])
	for _, part := range parts[1:] {
		name += p.joint() + wire.EncodeMailbox(legalPart(part, p.new.Namespace.Delim, false))
	}
	return name
}

// giveByUse maps a special folder to the one the new server has for it, unless
// that is another folder's already.
func (p *Planner) giveByUse(f *folder) bool {
	target := p.newUses[f.use]
	if f.use == "" || target == "" || p.taken[p.Key(target)] != "" {
		return false
	}
	p.give(f, target)
	if there := p.title(target); there != f.Title() {
		p.note(reason.NoteSpecialUse, f.Title(), there, f.use)
	}
	return true
}

// give settles a folder's name. An existing folder is used as the server
// spells it.
func (p *Planner) give(f *folder, name string) {
	key := p.Key(name)
	if m, ok := p.There[key]; ok {
		name = m.Name
	}
	f.row.New = name
	p.names[f.name()] = name
	p.taken[key] = f.name()
}

func (p *Planner) compareClaims(a, b *folder) int {
	return cmp.Or(
		cmp.Compare(len(a.parts), len(b.parts)),
		cmp.Compare(p.altered(a), p.altered(b)),
		strings.Compare(a.name(), b.name()),
	)
}

// altered is 1 if the last part of the folder's name can't stay as it is.
func (p *Planner) altered(f *folder) int {
	if legalPart(f.last(), p.new.Namespace.Delim, len(f.parts) == 1) == f.last() {
		return 0
	}
	return 1
}

// nameOf is the raw name on the new server of the folder at depth i of a
// place: the one it has, or else its last part below its parent's.
func (p *Planner) nameOf(where place, i int) string {
	raw := where.raw[i]
	if wire.IsInbox(raw) {
		return InboxName
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
func (p *Planner) hoisted(where place) bool {
	if where.raw[0] != InboxName {
		return false
	}
	return wire.IsInbox(strings.TrimSuffix(p.new.Namespace.Prefix, p.joint())) ||
		hasAttr(p.There[InboxName], imap.MailboxAttrNoInferiors)
}

// topName is a name of the first level. It keeps out of the namespaces of
// others, where private mail could be read by them.
func (p *Planner) topName(part string) string {
	ns := p.new.Namespace
	part = legalPart(part, ns.Delim, true)
	name := ns.Prefix + wire.EncodeMailbox(part)
	if p.reserved(name) {
		name = ns.Prefix + Substitute(ns.Delim) + wire.EncodeMailbox(part)
	}
	return name
}

func (p *Planner) reserved(name string) bool {
	below := name + p.joint()
	return slices.ContainsFunc(p.new.Namespace.Others, func(other string) bool {
		return len(other) > len(p.new.Namespace.Prefix) && (strings.HasPrefix(below, other) || strings.HasPrefix(other, below))
	})
}

// joint stands between a folder's name and its child's. A flat server has
// none, so that a tree becomes a row of longer names.
func (p *Planner) joint() string {
	if p.new.Namespace.Delim == 0 {
		return Substitute(0)
	}
	return string(rune(p.new.Namespace.Delim))
}

// unique adds to a name what keeps it from being another folder's. The same
// old name always gets the same addition.
func (p *Planner) unique(name, old string) string {
	free := name
	for n := 0; p.taken[p.Key(free)] != ""; n++ {
		hash := ShortHash(old)
		if n > 0 { // there are but 65,536 of the short ones
			hash = longHash(fmt.Sprintf("%s %d", old, n))
		}
		free = name + Substitute(p.new.Namespace.Delim) + hash
	}
	return free
}

// noteName reports a folder whose own name changed; children that only follow
// their parent are not worth a line.
func (p *Planner) noteName(f *folder) {
	title := p.title(f.row.New)
	follows := p.altered(f) == 0 && strings.HasSuffix(title, f.last()) && p.new.Namespace.Delim != 0
	if title == f.Title() || follows {
		return
	}
	p.note(reason.NoteCalled, f.Title(), title)
}

// title is a raw name on the new server for people.
func (p *Planner) title(raw string) string {
	where, _, personal := Locate(raw, p.new.Namespace.Delim, p.new.Namespace)
	if !personal {
		return DecodeName(raw)
	}
	return where.Title()
}

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }

// IsThere tells whether a folder is listed under a name it may have, whatever the case.
func (p *Planner) IsThere(row *store.Folder) bool {
	key := p.Key(p.NewName(row))
	_, there := p.There[key]
	_, spelled := p.folded[strings.ToLower(key)]
	return there || spelled
}
