package treesync

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"postferry/internal/pause"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream"
)

// A folder of the new server is found by its name, but the name alone proves nothing:
// people rename folders in a webmail, swap two of them, or delete one and make another of
// the name. Whoever is not where it was, or has another UIDVALIDITY there, is looked for
// among the folders that are nobody's: by UIDVALIDITY, which many servers keep when a
// folder is renamed (RFC 9051 section 6.3.6 leaves it open), and by the copies it held. One
// that can't be told for sure is not taken for renamed.

// seeker looks for an account's folders on the new server.
type seeker struct {
	account store.AccountID
	store   Store
	session session.Target
	new     foldertree.Tree
	rows    []store.Folder // changed in place
	doubted map[store.FolderID]bool
	before  []string // raw names of the folders that were nobody's at the last look
	now     time.Time
	log     zerolog.Logger

	planner *foldertree.Planner
	status  map[string]upstream.Status // of the new server's folders, by raw name
	sought  []*sought
}

// sought is a folder that is looked for.
type sought struct {
	row   *store.Folder
	tail  store.Ledger        // its newest entries
	last  store.Entry         // one of the newest copies with a UID; its UID is 0 if there is none
	at    map[string]evidence // raw names of the folders it may be
	found string              // the one it is; "" for none
}

// evidence is what speaks for a folder.
type evidence int

const (
	byNumber  evidence = iota + 1 // its UIDVALIDITY, and nothing it holds speaks against it
	byContent                     // the copies it holds, under other UIDs
	byBoth
)

// LastLook is what a look at the trees has to know of what was seen before.
type LastLook struct {
	Doubted map[store.FolderID]bool // folders that seem to be others under their names
	strays  []string                // raw names of the folders that were nobody's
	counted map[store.FolderID]leftCount
}

// straysOf are the raw names of folders of the new server that no row has, in order.
func straysOf(new foldertree.Tree, rows []store.Folder) (names []string) {
	p := foldertree.NewPlanner(foldertree.Tree{}, new, rows, foldertree.Wishes{})
	owned := map[string]bool{}
	for i := range rows {
		if foldertree.HoldsName(&rows[i]) {
			owned[p.Key(p.NewName(&rows[i]))] = true
		}
	}
	for _, m := range new.Mailboxes {
		if key := p.Key(m.Name); foldertree.Selectable(m) && key != foldertree.InboxName && !owned[key] {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return names
}

// someGone tells whether there are rows whose folder is nowhere on the new server, and
// was there at the last look.
func someGone(new foldertree.Tree, known []store.Folder) bool {
	p := foldertree.NewPlanner(foldertree.Tree{}, new, known, foldertree.Wishes{})
	return p.Trusted && slices.ContainsFunc(known, func(row store.Folder) bool {
		return row.State != store.FolderMissing && mayBeGone(&row) && !p.IsThere(&row)
	})
}

// mayBeGone: the folder was on the new server once and may have gone from there.
func mayBeGone(row *store.Folder) bool {
	switch row.State {
	case store.FolderPresent, store.FolderMissing:
		return row.Old != foldertree.InboxName
	}
	return foldertree.IsHalted(row)
}

// worthALook tells whether anything is looked for.
func (k *seeker) worthALook() bool {
	return slices.ContainsFunc(k.rows, func(row store.Folder) bool { return k.seeks(&row) })
}

// seeks tells whether a folder is not where it was, or may be another one there. One that
// was missing before is looked for again when something is listed that is nobody's.
func (k *seeker) seeks(row *store.Folder) bool {
	switch {
	case !mayBeGone(row), foldertree.Sharer(k.rows, row) != nil: // then it goes where that one goes
		return false
	case k.doubted[row.ID], k.isOther(row):
		return true
	case !k.planner.Trusted:
		return false
	}
	_, there := k.planner.There[k.planner.Key(k.planner.NewName(row))]
	if row.State == store.FolderMissing && !there {
		return past(k.now, row.Missing.Last, seekEvery) || !slices.Equal(straysOf(k.new, k.rows), k.before)
	}
	return !there || row.State == store.FolderMissing
}

// isOther tells whether the folder of that name has another UIDVALIDITY than it had, as far as
// the list told.
func (k *seeker) isOther(row *store.Folder) bool {
	box := k.planner.There[k.planner.Key(k.planner.NewName(row))]
	return box.Status != nil && recovery.Differ(row.NewUIDValidity, box.Status.UIDValidity)
}

// askStatus asks for the numbers of all folders, as some of those that are where they
// were may be others.
func (k *seeker) askStatus(ctx context.Context) (err error) {
	k.status = map[string]upstream.Status{}
	var ask []string
	for _, m := range k.new.Mailboxes {
		switch {
		case !foldertree.Selectable(m):
		case m.Status != nil:
			k.status[m.Name] = *m.Status
		default:
			ask = append(ask, m.Name)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	more, err := k.session.Status(ctx, ask)
	maps.Copy(k.status, more)
	return err
}

// statusOf is a row's folder by name.
func (k *seeker) statusOf(row *store.Folder) (upstream.Status, bool) {
	box, ok := k.planner.There[k.planner.Key(k.planner.NewName(row))]
	if !ok {
		return upstream.Status{}, false
	}
	st, ok := k.status[box.Name]
	return st, ok
}

// doubtOthers doubts the folders that have another UIDVALIDITY than they had.
func (k *seeker) doubtOthers() {
	for i := range k.rows {
		row := &k.rows[i]
		st, there := k.statusOf(row)
		if mayBeGone(row) && there && recovery.Differ(row.NewUIDValidity, st.UIDValidity) {
			if k.doubted == nil {
				k.doubted = map[store.FolderID]bool{}
			}
			k.doubted[row.ID] = true
		}
	}
}

// gather reads what is known of the folders that are looked for.
func (k *seeker) gather(ctx context.Context) error {
	for i := range k.rows {
		row := &k.rows[i]
		if !k.seeks(row) {
			continue
		}
		w := &sought{row: row, at: map[string]evidence{}}
		if restless, err := k.restless(ctx, w); err != nil {
			return err
		} else if restless {
			row.NewUIDValidity = 0
			continue
		}
		if err := k.readTail(ctx, w); err != nil {
			return err
		}
		k.sought = append(k.sought, w)
	}
	return nil
}

// candidates are the raw names of the folders that may be one of those looked for, in order.
func (k *seeker) candidates() []string {
	owned := map[string]bool{}
	for i := range k.rows {
		if row := &k.rows[i]; foldertree.HoldsName(row) && !k.isSought(row) && foldertree.Sharer(k.rows, row) == nil {
			owned[k.planner.Key(k.planner.NewName(row))] = true
		}
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(k.status)) {
		if key := k.planner.Key(name); key != foldertree.InboxName && !owned[key] {
			names = append(names, name)
		}
	}
	return names
}

func (k *seeker) isSought(row *store.Folder) bool {
	return slices.ContainsFunc(k.sought, func(w *sought) bool { return w.row == row })
}

// compare looks for what speaks for each candidate.
func (k *seeker) compare(ctx context.Context) error {
	candidates := k.candidates()
	for _, w := range k.sought {
		for _, name := range candidates {
			if !w.numbered(k.status[name]) {
				continue
			}
			proof, err := k.sample(ctx, w, name)
			if err != nil {
				return err
			}
			if proof != 0 {
				w.at[name] = proof
			}
		}
	}
	k.assign()
	for _, w := range k.sought {
		if w.found == "" && k.mayRead(w) {
			if err := k.readAll(ctx, w, candidates); err != nil {
				return err
			}
		}
	}
	k.assign()
	k.assignBelow(candidates)
	return nil
}

// numbered tells whether a folder's numbers are those of the folder looked for. Its UIDNEXT may be
// lower, if the server was put back to an earlier state.
func (w *sought) numbered(st upstream.Status) bool {
	return st.UIDValidity != 0 && (st.UIDValidity == w.row.NewUIDValidity || w.last.UID != 0 && st.UIDValidity == w.last.UIDValidity)
}

// behind tells whether a folder with the right UIDVALIDITY can't have held the newest copy: it is
// another one then, or was put back to an earlier state.
func (w *sought) behind(st upstream.Status) bool {
	return w.last.UIDValidity == st.UIDValidity && st.UIDNext <= w.last.UID
}

// assign gives folders to rows, the best evidence first, and only where it points to one
// folder and that folder's to one row.
func (k *seeker) assign() {
	for level := byBoth; level >= byNumber; level-- {
		claims := map[string][]*sought{}
		for _, w := range k.sought {
			if name := w.only(level, k.isTaken); name != "" && (level > byNumber || k.tellsApart(w, name)) {
				claims[name] = append(claims[name], w)
			}
		}
		for name, by := range claims {
			if len(by) == 1 {
				by[0].found = name
			}
		}
	}
}

// only is the one folder for which there is evidence of a level; "" if there is none or
// more than one, or if the row has its folder.
func (w *sought) only(level evidence, taken func(string) bool) (name string) {
	if w.found != "" {
		return ""
	}
	for n, proof := range w.at {
		if proof != level || taken(n) {
			continue
		}
		if name != "" {
			return ""
		}
		name = n
	}
	return name
}

func (k *seeker) isTaken(name string) bool {
	return slices.ContainsFunc(k.sought, func(w *sought) bool { return w.found == name })
}

// tellsApart tells whether a UIDVALIDITY alone tells a folder from others: on some
// servers it is the second in which a folder was made, and those that the server makes by
// itself may have been made in the same.
func (k *seeker) tellsApart(w *sought, name string) bool {
	validity := k.status[name].UIDValidity
	for i := range k.rows {
		if row := &k.rows[i]; row != w.row && row.NewUIDValidity == validity && foldertree.Sharer(k.rows, row) == nil {
			return false
		}
	}
	for n, st := range k.status {
		if n != name && st.UIDValidity == validity {
			return false
		}
	}
	box := k.planner.There[k.planner.Key(name)]
	return foldertree.AttrUse(box) == "" || name == w.row.New
}

// assignBelow takes folders along with the one above them: it was renamed, and theirs
// is below its new name, with nothing that speaks against it.
func (k *seeker) assignBelow(candidates []string) {
	delim := k.new.Namespace.Delim
	if delim == 0 {
		return
	}
	moves := map[string]string{}
	for _, w := range k.sought {
		if w.found != "" && w.found != w.row.New {
			moves[w.row.New+string(rune(delim))] = w.found + string(rune(delim))
		}
	}
	for _, w := range k.sought {
		if w.found != "" {
			continue
		}
		for from, to := range moves {
			rest, below := strings.CutPrefix(w.row.New, from)
			if !below || !slices.Contains(candidates, to+rest) || k.isTaken(to+rest) {
				continue
			}
			st := k.status[to+rest]
			if w.numbered(st) || w.last.UID == 0 && st.Messages == 0 {
				w.found = to + rest
			}
		}
	}
}

// settle writes down what was found out.
func (k *seeker) settle() {
	shared := map[*store.Folder]*store.Folder{} // while names are what they were
	for i := range k.rows {
		if with := foldertree.Sharer(k.rows, &k.rows[i]); with != nil {
			shared[&k.rows[i]] = with
		}
	}
	for _, w := range k.sought {
		switch box, there := k.planner.There[k.planner.Key(k.planner.NewName(w.row))]; {
		case w.found != "":
			k.goesOn(w, w.found)
		case !there || w.row.State == store.FolderMissing && !k.mayTake(w, box.Name):
		case k.isTaken(box.Name):
			w.row.State = store.FolderMissing
		default:
			k.goesOn(w, box.Name) // numbered anew, or made anew under the name
		}
	}
	for row, with := range shared {
		k.goesAlong(row, with)
	}
}

// goesAlong lets a folder with all mail follow the one that its archive is as well.
func (k *seeker) goesAlong(row, with *store.Folder) {
	if row.State != store.FolderPresent && row.State != store.FolderMissing || with.State != store.FolderPresent && with.State != store.FolderMissing {
		return
	}
	row.New, row.Renaming, row.NewUIDValidity, row.State = with.New, with.Renaming, with.NewUIDValidity, with.State
}

// mayTake tells whether a missing folder goes on in one of its name that is listed again: not
// if that is another's.
func (k *seeker) mayTake(w *sought, name string) bool {
	if k.isTaken(name) {
		return false
	}
	return !slices.ContainsFunc(k.rows, func(row store.Folder) bool {
		return foldertree.HoldsName(&row) && row.ID != w.row.ID && foldertree.Sharer(k.rows, &row) == nil && k.planner.Key(k.planner.NewName(&row)) == k.planner.Key(name)
	})
}

// restless tells of the folder that has the doubted one's name whether its UIDs are good only
// while it is open (see renumber.go): its UIDVALIDITY means nothing then.
func (k *seeker) restless(ctx context.Context, w *sought) (bool, error) {
	box, there := k.planner.There[k.planner.Key(k.planner.NewName(w.row))]
	if !there || !k.doubted[w.row.ID] {
		return false, nil
	}
	sel, err := k.session.Examine(ctx, box.Name)
	if err != nil {
		return false, k.proveNothing(err, box.Name)
	}
	return recovery.Fleeting(sel), nil
}

// goesOn notes where a folder goes on.
func (k *seeker) goesOn(w *sought, name string) {
	row := w.row
	if k.planner.Key(name) != k.planner.Key(row.New) {
		k.log.Info().Str("folder", row.Title).Str("from", foldertree.DecodeName(row.New)).Str("name", foldertree.DecodeName(name)).
			Msg("the folder was renamed on the new server, not by way of the relay; it goes on under its new name")
		row.New, row.Renaming = name, ""
	}
	if st := k.status[name]; st.UIDValidity != 0 {
		row.NewUIDValidity = st.UIDValidity
	}
	if row.State == store.FolderMissing {
		row.State = store.FolderPresent
	}
}

// seekGone finds folders that are not where they were on the new server any more. That
// one is gone is believed only when the server says so twice: while a folder is
// renamed, a listing may have neither its former name nor its new one.
func (k *treeLook) seekGone(ctx context.Context, s session.Target, new foldertree.Tree, known []store.Folder, last LastLook) (foldertree.Tree, []store.Folder, error) {
	rows, err := k.seek(ctx, s, new, known, last)
	if err != nil || !someGone(new, rows) {
		return new, rows, err
	}
	if err := pause.For(ctx, session.SettleQuiet/6); err != nil {
		return new, nil, err
	}
	if new, err = session.ReadTree(ctx, s, true); err != nil {
		return new, nil, err
	}
	rows, err = k.seek(ctx, s, new, known, last)
	return new, rows, err
}

// seek returns the rows with what was found out about them: the names of those that are
// called otherwise now, the UIDVALIDITY of those that have another one, and as missing
// those whose name is another folder's.
func (k *treeLook) seek(ctx context.Context, s session.Target, new foldertree.Tree, known []store.Folder, last LastLook) ([]store.Folder, error) {
	w := &seeker{
		account: k.of.ID, store: k.of.Store, session: s, new: new, rows: slices.Clone(known), doubted: maps.Clone(last.Doubted),
		before: last.strays, now: k.now, log: k.of.Log,
	}
	w.planner = foldertree.NewPlanner(foldertree.Tree{}, new, w.rows, foldertree.Wishes{})
	if !w.worthALook() {
		return known, nil
	}
	if err := w.askStatus(ctx); err != nil {
		return nil, err
	}
	w.doubtOthers()
	if err := w.gather(ctx); err != nil {
		return nil, err
	}
	if err := w.compare(ctx); err != nil {
		return nil, err
	}
	for _, g := range w.sought {
		if g.found == "" {
			continue
		}
		if err := w.keepAstray(ctx, g, g.found); err != nil {
			return nil, err
		}
	}
	w.settle()
	return w.rows, nil
}
