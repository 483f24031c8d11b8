package recovery

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/upstream"
)

// A pass may last for hours. What is moved meanwhile, from a folder that has been pulled to one that has not, shows in no number
// that was told when the pass began: but it has a UID from the UIDNEXT on that its folder had then. Such messages are compared with the
// lines of all folders. One that is on its way from its former folder just now, or of which it isn't known whether it has
// arrived, is left for the next pass.

// Late are messages that have come to a folder since the old server's folders were looked at.
type Late struct {
	From    imap.UID // the folder's UIDNEXT then; 0 if it was not told
	Sources []Thin   // what they may have been moved from
}

// arrived tells whether there are any.
func (l *Late) arrived(sel *upstream.Selected) bool {
	return l.From != 0 && sel.UIDNext > l.From && len(l.Sources) > 0
}

// without leaves out folders.
func (l *Late) without(folders []Thin) Late {
	return Late{From: l.From, Sources: slices.DeleteFunc(slices.Clone(l.Sources), func(s Thin) bool {
		return slices.ContainsFunc(folders, func(other Thin) bool { return other.ID == s.ID })
	})}
}

// AnyLate tells whether messages have come to the opened folder since then.
func (f *Folder) AnyLate(late Late) bool {
	return f.Selected.Traits.StableUIDs && !Fleeting(&f.Selected.Selected) && late.arrived(&f.Selected.Selected)
}

// all are the folders that messages may have been moved from.
func (mv *Moves) all() []Thin { return append(slices.Clip(mv.sources), mv.late.Sources...) }

func (mv *Moves) isLate(m upstream.Message) bool {
	return len(mv.late.Sources) > 0 && m.UID >= mv.late.From
}

// maybe tells whether a message has the size of one that it could be.
func (mv *Moves) maybe(m upstream.Message) bool {
	if _, ok := mv.sizes[m.Size]; ok {
		return true
	}
	_, ok := mv.lateSizes[m.Size]
	return ok && mv.isLate(m)
}

// loadLate reads the lines for messages that have come late, if there are any, and keeps those of their sizes.
func (mv *Moves) loadLate(ctx context.Context, missing []upstream.Message) error {
	want := map[int64]bool{}
	for _, m := range missing {
		if mv.isLate(m) && !mv.sought[m.Size] {
			want[m.Size], mv.sought[m.Size] = true, true
		}
	}
	if len(want) == 0 {
		return nil
	}
	for _, s := range mv.late.Sources {
		l, err := mv.Store.Ledger(ctx, mv.Account, s.ID)
		if err != nil {
			return err
		}
		for _, line := range mv.linesOf(s.ID, l) {
			if want[line.Size] {
				mv.lines = append(mv.lines, line)
				mv.lateSizes[line.Size] = struct{}{}
			}
		}
	}
	slices.SortStableFunc(mv.lines, compareMoved)
	return nil
}

// linesOf are a ledger's lines, with what is on its way.
func (mv *Moves) linesOf(folder store.FolderID, l store.Ledger) (lines []movedLine) {
	for _, r := range l.Repaired {
		mv.repaired[store.Elsewhere{Folder: folder, Key: r.Key}] = r
	}
	add := func(key store.Key, print store.Fingerprint, size uint32, doubt bool) {
		line := movedLine{Wanted: message.Wanted{Fingerprint: print, Size: int64(size)}, Elsewhere: store.Elsewhere{Folder: folder, Key: key}, doubt: doubt}
		if r, ok := mv.repaired[line.Elsewhere]; ok {
			line.Wanted = message.Wanted{Fingerprint: r.Fingerprint, Size: int64(r.Size)}
		}
		lines = append(lines, line)
	}
	for i := range l.Entries {
		add(l.Entries[i].Key, l.Entries[i].Fingerprint, l.Entries[i].Size, false)
	}
	for _, in := range l.Intents {
		if _, flags := message.FindEntry(l.Entries, in.Key); !flags {
			add(in.Key, in.Fingerprint, in.Size, true)
		}
	}
	return lines
}
