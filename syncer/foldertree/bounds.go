package foldertree

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/problem"
	"postferry/upstream"
)

// Bounds on the names of an old server's folders. What is beyond them is left
// alone and told: real servers have nothing like it, and what is done with a name grows
// with its length multiplied by the number of its parts.
const (
	maxName   = 2 << 10 // octets of a raw name
	maxLevels = 100     // its parts
	// maxLong is how many of such folders have rows, so that status can name them.
	maxLong = 100
	// shownName is how much of such a name is kept and shown. Octets.
	shownName = 200
)

// ErrOmitted says that folders stay behind because there are too many.
var ErrOmitted = problem.New(store.TooManyFolders, "", "the old server has more folders than are made for one account (sync.max_folders)")

// tooLong is why a folder is left alone for its name, "" if it isn't.
func tooLong(m upstream.Mailbox) reason.Reason {
	switch {
	case m.Cut || len(m.Name) > maxName:
		return reason.Of(reason.LeftLong)
	case m.Delim != 0 && strings.Count(m.Name, string(rune(m.Delim))) >= maxLevels:
		return reason.Of(reason.LeftDeep)
	}
	return ""
}

// withinBounds parts a server's folders by their names.
func withinBounds(all []upstream.Mailbox) (fine, long []upstream.Mailbox) {
	fine = make([]upstream.Mailbox, 0, len(all))
	for _, m := range all {
		if tooLong(m) == "" {
			fine = append(fine, m)
		} else {
			long = append(long, m)
		}
	}
	return fine, long
}

// KnownAs is what the row of a folder calls it that has a long name.
func KnownAs(name string) string {
	if len(name) <= maxName {
		return name
	}
	return name[:shownName] + "... " + longHash(name)
}

// ShownAs is what people are shown of a long name.
func ShownAs(name string) string {
	if len(name) <= shownName {
		return DecodeName(name)
	}
	return DecodeName(name[:shownName]) + "..."
}

// leaveLong leaves the folders alone whose names are too long.
func (p *Planner) leaveLong() {
	rows := 0
	for _, m := range p.long {
		if !Selectable(m) {
			continue
		}
		why := tooLong(m)
		f := &folder{box: m, was: p.known[m.Name], place: place{raw: []string{m.Name}, parts: []string{ShownAs(m.Name)}}}
		if f.was == nil {
			f.box.Name = KnownAs(m.Name)
			f.was = p.known[f.box.Name]
		}
		if rows++; f.was == nil && rows > maxLong {
			p.omit(f, why)
			continue
		}
		p.leave(f, why, "", true)
	}
}

// omit leaves a folder alone without a row that would say so.
func (p *Planner) omit(f *folder, why reason.Reason) {
	p.plan.Rowless[f.box.Name] = why
	if p.plan.Omitted++; p.plan.FirstOmitted == "" {
		p.plan.FirstOmitted = f.Title()
	}
}

// crowded tells whether so many folders of one's own are left alone that this one gets
// no row.
func (p *Planner) crowded(f *folder) bool {
	if f.was == nil {
		p.left++
	}
	return f.was == nil && p.wish.MaxFolders > 0 && p.left > p.wish.MaxFolders
}

// limit keeps as many of the folders that need names as may still be made. The rest
// gets neither a name nor a row: those that lie deepest first.
func (p *Planner) limit(fresh []*folder) []*folder {
	if p.wish.MaxFolders <= 0 {
		return fresh
	}
	var kept, others []*folder
	for _, f := range fresh {
		if f.was != nil && f.was.New != "" || len(f.raw) == 1 && f.inbox() {
			kept = append(kept, f)
		} else {
			others = append(others, f)
		}
	}
	room := max(p.wish.MaxFolders-p.made, 0)
	if len(others) <= room {
		return fresh
	}
	slices.SortStableFunc(others, p.compareWorth)
	omitted := make(map[*folder]bool, len(others)-room)
	for _, f := range others[room:] {
		omitted[f] = true
		p.omit(f, reason.Of(reason.LeftOmitted))
	}
	p.note(reason.NoteOmitted, others[room].Title(), len(omitted), p.wish.MaxFolders)
	p.folders = slices.DeleteFunc(p.folders, func(f *folder) bool { return omitted[f] })
	return append(kept, others[:room]...)
}

// compareWorth puts those first that people would miss most: folders that the
// configuration names, then special ones, then those near the top.
func (p *Planner) compareWorth(a, b *folder) int {
	rank := func(f *folder) int {
		switch {
		case f.to != "":
			return 0
		case f.use != "":
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(a.parts), len(b.parts)), strings.Compare(a.name(), b.name()))
}

// glance is how many folders are dealt with before ctx is asked again.
const glance = 256

// each calls fn for each element, as long as ctx has not ended.
func each[T any](ctx context.Context, list []T, fn func(T)) error {
	for i, v := range list {
		if i%glance == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		fn(v)
	}
	return ctx.Err()
}
