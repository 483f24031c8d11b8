package recovery

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/upstream"
)

// A message that is moved on the old server, or that its server gives another UID, has a new
// key. It is the same message all the same: its copy is where it was, or was removed there by its
// user. So a message with an unknown key is compared with the lines of the ledger, in all of the
// account's folders, whose messages are not on the old server any more, before it is copied; each
// line stands for one message. Two that are there both are two.
//
// It costs nothing as long as each folder has at least the messages that its ledger knows.

// Thin is a folder of which the ledger may have lines whose messages are gone from the old server.
type Thin struct {
	ID       store.FolderID
	Old      string   // its raw name there
	Listed   bool     // it was there when the old server last told its folders
	Pulled   bool     // it is copied, so that it is told and tried again if it doesn't open
	Validity uint32   // UIDVALIDITY there when it was pulled last
	Next     imap.UID // likewise UIDNEXT; 0 if it wasn't
	AllMail  bool     // it has what lay in no other folder: if that is in another now, it is the same message
}

// Moves are the lines that messages with unknown keys are compared with.
type Moves struct {
	*Folder
	Rekeyed   bool // lines of the folder have got other keys
	late      Late // of its sources those that are not among the others
	taking    *sync.Mutex
	sources   []Thin
	Waiting   []imap.UID     // messages that are perhaps on their way to the new server from where they were
	own       store.FolderID // the folder that is pulled, if it is among them
	fresh     bool           // its lines of former keys are looked through by somebody else
	loaded    bool
	lines     []movedLine // by fingerprint and size
	sizes     map[int64]struct{}
	lateSizes map[int64]struct{} // of lines that only messages which have come late are compared with
	sought    map[int64]bool     // sizes for which those have been read
	repaired  map[store.Elsewhere]store.Repaired
}

// movedLine is one of them.
type movedLine struct {
	message.Wanted
	store.Elsewhere
	doubt bool // the message is on its way just now, or its arrival is in doubt
}

func compareMoved(a, b movedLine) int {
	return cmp.Or(slices.Compare(a.Fingerprint[:], b.Fingerprint[:]), cmp.Compare(a.Size, b.Size))
}

// PrepareMoves finds out which folders newcomers of this one may have been moved from; nil for none.
// taking is held while lines of the account's ledger are given other keys.
func (f *Folder) PrepareMoves(ctx context.Context, thinned []Thin, late Late, taking *sync.Mutex) (*Moves, error) {
	cp, sel := f.Row.Checkpoint, f.Selected
	if !sel.Traits.StableUIDs || Fleeting(&sel.Selected) || sel.Early != nil || sel.UIDNext <= cp.UIDNext {
		return nil, nil
	}
	mv := &Moves{Folder: f, taking: taking, sources: slices.Clone(thinned), sizes: map[int64]struct{}{}, repaired: map[store.Elsewhere]store.Repaired{},
		lateSizes: map[int64]struct{}{}, sought: map[int64]bool{}}
	arrived := uint64(sel.UIDNext - max(cp.UIDNext, 1))
	if len(f.Known.Stale) > 0 || uint64(f.Known.Count())+arrived > uint64(sel.Messages) && f.Known.Count() > 0 {
		mv.own = f.Row.ID
		mv.sources = append([]Thin{{ID: mv.own}}, mv.sources...)
	}
	if late.arrived(&sel.Selected) {
		mv.late = late.without(mv.sources)
	}
	if len(mv.sources)+len(mv.late.Sources) == 0 {
		return nil, nil
	}
	if mv.own == 0 || f.Known.Before == 0 {
		return mv, nil
	}
	if err := f.ReadLedger(ctx); err != nil {
		return nil, err
	}
	f.Begin()
	return mv, nil
}

// Thin tells whether the ledger has lines of messages that the old folder doesn't have any more.
func (f *Folder) Thin() bool {
	return f.Selected.Traits.StableUIDs && (len(f.Known.Stale) > 0 || f.Known.Count() > int(f.Selected.Messages))
}

// WithoutStale leaves out lines of former keys, which are looked through by somebody else.
func (mv *Moves) WithoutStale() {
	if mv != nil {
		mv.fresh = true
	}
}

// load reads the lines that messages could be.
func (mv *Moves) load(ctx context.Context, missing []upstream.Message) error {
	if err := mv.loadLate(ctx, missing); err != nil || mv.loaded {
		return err
	}
	mv.loaded = true
	for _, s := range mv.sources {
		l := mv.Ledger
		if s.ID != mv.own {
			var err error
			if l, err = mv.Store.Ledger(ctx, mv.Account, s.ID); err != nil {
				return err
			}
		} else if mv.fresh {
			l.Entries = mv.Known.Entries
		}
		mv.add(s.ID, l)
	}
	slices.SortStableFunc(mv.lines, compareMoved)
	return nil
}

func (mv *Moves) add(folder store.FolderID, l store.Ledger) {
	l.Intents = nil
	for _, line := range mv.linesOf(folder, l) {
		mv.lines = append(mv.lines, line)
		mv.sizes[line.Size] = struct{}{}
	}
}

// alike are the lines that messages could be.
func (mv *Moves) alike(want []message.Wanted) (lines []movedLine) {
	for _, w := range slices.CompactFunc(slices.SortedFunc(slices.Values(want), compareWanted), func(a, b message.Wanted) bool { return a == b }) {
		at, _ := slices.BinarySearchFunc(mv.lines, movedLine{Wanted: w}, compareMoved)
		for ; at < len(mv.lines) && mv.lines[at].Wanted == w; at++ {
			lines = append(lines, mv.lines[at])
		}
	}
	return lines
}

func compareWanted(a, b message.Wanted) int {
	return compareMoved(movedLine{Wanted: a}, movedLine{Wanted: b})
}

// Enter enters in the ledger those of missing that are known under other keys, and returns the
// others. Of which that can't be told yet are in Waiting.
func (mv *Moves) Enter(ctx context.Context, missing []upstream.Message) ([]upstream.Message, error) {
	if err := mv.load(ctx, missing); err != nil {
		return nil, err
	}
	var some, rest []upstream.Message
	for _, m := range missing {
		if mv.maybe(m) {
			some = append(some, m)
		} else {
			rest = append(rest, m)
		}
	}
	if len(some) == 0 {
		return missing, nil
	}
	want, err := mv.OldFingerprints(ctx, some)
	if err != nil {
		return nil, err
	}
	gone, unseen, err := mv.gone(ctx, mv.alike(want))
	if err != nil || len(gone)+len(unseen) == 0 {
		return missing, err
	}
	left, err := mv.enterMoved(ctx, some, want, gone)
	if err != nil {
		return nil, err
	}
	rest = append(rest, mv.await(left, some, want, unseen)...)
	slices.SortFunc(rest, func(a, b upstream.Message) int { return cmp.Compare(a.UID, b.UID) })
	return rest, err
}

// await has those of left wait that may be what lines stand for whose folders don't open now, and returns the others. want is what all can be recognised by.
func (mv *Moves) await(left, all []upstream.Message, want []message.Wanted, unseen []movedLine) (rest []upstream.Message) {
	open := map[message.Wanted]int{}
	for _, l := range unseen {
		open[l.Wanted]++
	}
	is := make(map[imap.UID]message.Wanted, len(all))
	for i, m := range all {
		is[m.UID] = want[i]
	}
	for _, m := range left {
		if w := is[m.UID]; open[w] > 0 {
			open[w]--
			mv.Waiting = append(mv.Waiting, m.UID)
		} else {
			rest = append(rest, m)
		}
	}
	return rest
}

// gone are those lines whose messages are not on the old server any more; unseen are those of folders that don't open at the moment.
func (mv *Moves) gone(ctx context.Context, lines []movedLine) (gone, unseen []movedLine, err error) {
	opened := false
	for _, s := range mv.all() {
		some := slices.DeleteFunc(slices.Clone(lines), func(l movedLine) bool { return l.Folder != s.ID })
		if len(some) == 0 {
			continue
		}
		var there map[store.Key]bool
		if s.AllMail {
			there = nil // what is there is what came
		} else if s.ID == mv.own {
			there, err = mv.present(ctx, mv.Selected.Keys, some)
		} else {
			opened = true
			there, err = mv.presentIn(ctx, s, some)
		}
		if errors.Is(err, errUnseen) {
			unseen = append(unseen, some...)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		gone = append(gone, slices.DeleteFunc(some, func(l movedLine) bool { return there[l.Key] })...)
	}
	if !opened {
		return gone, unseen, nil
	}
	return gone, unseen, mv.OpenAgain(ctx)
}

// enterMoved enters the messages that lines stand for, and returns the others. Other pulls of the account
// may be looking for lines as well: each is read again while nobody else can take it.
func (mv *Moves) enterMoved(ctx context.Context, msgs []upstream.Message, want []message.Wanted, gone []movedLine) (rest []upstream.Message, err error) {
	list := make([]message.Candidate, len(gone))
	for i, l := range gone {
		list[i] = message.Candidate{Fingerprint: l.Fingerprint, Size: l.Size, UID: imap.UID(i + 1)}
	}
	mv.taking.Lock()
	defer mv.taking.Unlock()
	batch := store.Batch{Account: mv.Account, Folder: mv.Row.ID}
	for i, c := range message.NewCandidates(list).TakeExact(want) {
		if c.UID == 0 {
			rest = append(rest, msgs[i])
			continue
		}
		line := gone[c.UID-1]
		was, err := mv.Store.Entries(ctx, mv.Account, line.Folder, []store.Key{line.Key})
		if err != nil {
			return nil, err
		}
		if len(was) == 0 && line.doubt {
			mv.Waiting = append(mv.Waiting, msgs[i].UID)
			continue
		}
		if len(was) == 0 {
			rest = append(rest, msgs[i])
			continue
		}
		mv.enterLine(&batch, msgs[i], was[0], line.Elsewhere)
	}
	if len(batch.Proofs) == 0 {
		return rest, nil
	}
	mv.Log.Info().Int("messages", len(batch.Proofs)).Msg("messages of this folder were moved here on the old server, or given other UIDs: they are not copied again")
	return rest, mv.Store.Commit(ctx, batch)
}

// enterLine makes a line stand for a message with another key. Where its copy is, is kept apart from it once the
// message has left its folder.
func (mv *Moves) enterLine(batch *store.Batch, m upstream.Message, was store.Entry, at store.Elsewhere) {
	entry := store.Entry{Key: mv.Selected.Keys.Key(m.UID), UIDValidity: mv.Target.UIDValidity, Flags: m.Flags, Fingerprint: was.Fingerprint, Size: was.Size}
	if at.Folder == mv.Row.ID {
		mv.SetUID(&entry, was.UIDValidity, was.UID)
		entry.Flags = message.BaseFlags(was.Flags, mv.Touched[was.Key], m.Flags)
		batch.Forget, batch.Drop = append(batch.Forget, was.Key), append(batch.Drop, was.Key)
		mv.RekeyedAway(batch, &was, entry.Key)
		mv.Rekeyed = true
	} else {
		batch.Moved = append(batch.Moved, store.Moved{Elsewhere: at, To: entry.Key})
	}
	if rep, ok := mv.repaired[at]; ok {
		rep.Key = entry.Key
		batch.Repaired = append(batch.Repaired, rep)
	}
	batch.Proofs = append(batch.Proofs, entry)
}
