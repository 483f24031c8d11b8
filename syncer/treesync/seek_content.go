package treesync

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/message"
	"postferry/upstream"
	"postferry/upstream/link"
)

const (
	// aFewUIDs is how far back from a checkpoint a folder's newest copies are looked
	// for in its ledger.
	aFewUIDs = 1000
	// sampleSize is how many messages of a folder are compared with a ledger at each end.
	sampleSize = 25
	// seekEvery is how long a missing folder rests before folders are read again for it.
	seekEvery = time.Hour
	// readMost is how many folders are read in search of one.
	readMost = 50
)

// readTail reads the newest lines of a folder's ledger.
func (k *seeker) readTail(ctx context.Context, w *sought) error {
	c := w.row.Checkpoint
	from := imap.UID(1)
	if c.UIDNext > aFewUIDs {
		from = c.UIDNext - aFewUIDs
	}
	tail, err := k.store.LedgerFrom(ctx, k.account, w.row.ID, message.IMAPKey(c.UIDValidity, from))
	if err != nil {
		return err
	}
	w.tail = tail.Ledger
	for _, e := range slices.Backward(tail.Entries) {
		if e.UID != 0 {
			w.last = e
			break
		}
	}
	return nil
}

// sample compares some of the copies that a folder with the right numbers must hold with
// what it has under their UIDs; 0 if it is another folder.
func (k *seeker) sample(ctx context.Context, w *sought, name string) (evidence, error) {
	want := map[imap.UID]store.Fingerprint{}
	var set imap.UIDSet
	for _, e := range someOf(w.tail.Entries) {
		if e.UID != 0 && e.UIDValidity == k.status[name].UIDValidity {
			want[e.UID] = e.Fingerprint
			set.AddNum(e.UID)
		}
	}
	behind := w.behind(k.status[name])
	if len(want) == 0 && !behind {
		return byNumber, nil
	}
	same, others := 0, 0
	err := k.look(ctx, name, func(imap.UIDSet) imap.UIDSet { return set }, func(m upstream.Message, fp store.Fingerprint) {
		switch known, asked := want[m.UID]; {
		case !asked:
		case known == fp:
			same++
		default:
			others++
		}
	})
	switch {
	case err != nil:
		return 0, err
	case others > same:
		return 0, nil
	case same > 0:
		return byBoth, nil
	case behind: // then its number alone is no proof
		return 0, nil
	}
	return byNumber, nil // its user has removed them all
}

// someOf is the beginning and the end of a list.
func someOf[S ~[]E, E any](list S) S {
	if len(list) <= 2*sampleSize {
		return list
	}
	return slices.Concat(list[:sampleSize], list[len(list)-sampleSize:])
}

// mayRead tells whether folders are to be read in search of one, which is more work: when
// it was just found gone, and then now and again.
func (k *seeker) mayRead(w *sought) bool {
	return w.row.State != store.FolderMissing || past(k.now, w.row.Missing.Last, seekEvery)
}

// readAll looks for the folders that hold what the one looked for held, under whatever UIDs.
func (k *seeker) readAll(ctx context.Context, w *sought, candidates []string) error {
	ledger, err := k.store.Ledger(ctx, k.account, w.row.ID)
	if err != nil || len(ledger.Entries) == 0 {
		return err
	}
	held := make(map[store.Fingerprint]bool, len(ledger.Entries))
	for i := range ledger.Entries {
		held[ledger.Entries[i].Fingerprint] = true
	}
	read, kept, there := 0, false, slices.ContainsFunc(candidates, func(name string) bool { return k.isOwn(w, name) })
	for _, name := range k.ownFirst(w, candidates) {
		own := k.isOwn(w, name)
		kept = kept || own && k.status[name].Messages == 0
		// People who copy a few messages into a folder of their own have not renamed one.
		if _, known := w.at[name]; known || k.isTaken(name) || 2*int(k.status[name].Messages) < len(held) || read == readMost || k.isAnothers(w, name) && (kept || there && !k.othersHeld(w, name)) {
			continue
		}
		read++
		same, others, err := k.holds(ctx, name, held)
		switch {
		case err != nil:
			return err
		case same > others && own: // it was only numbered anew
			w.found = name
			return nil
		case same > others:
			w.at[name] = byContent
		case own:
			kept = same > 0
		}
	}
	return nil
}

// holds counts of what a folder holds what another one held, and what it didn't.
func (k *seeker) holds(ctx context.Context, name string, held map[store.Fingerprint]bool) (same, others int, err error) {
	err = k.look(ctx, name, ends, func(_ upstream.Message, fp store.Fingerprint) {
		if held[fp] {
			same++
		} else {
			others++
		}
	})
	return same, others, err
}

// isAnothers tells whether a folder is called as another one of those looked for was: if nothing that the folder of the own
// name holds speaks against it, both were numbered anew, and mail was moved between them.
func (k *seeker) isAnothers(w *sought, name string) bool {
	return slices.ContainsFunc(k.sought, func(o *sought) bool { return o != w && k.isOwn(o, name) })
}

// othersHeld tells whether anything can speak against a folder's being the other one that is called so: that one had copies.
func (k *seeker) othersHeld(w *sought, name string) bool {
	return slices.ContainsFunc(k.sought, func(o *sought) bool { return o != w && k.isOwn(o, name) && o.row.Copied > 0 })
}

// isOwn tells whether a folder is called as the one looked for was.
func (k *seeker) isOwn(w *sought, name string) bool {
	return k.planner.Key(name) == k.planner.Key(w.row.New)
}

// ownFirst are the candidates, the one of the folder's own name before the others.
func (k *seeker) ownFirst(w *sought, candidates []string) []string {
	i := slices.IndexFunc(candidates, func(name string) bool { return k.isOwn(w, name) })
	if i < 0 {
		return candidates
	}
	return slices.Concat(candidates[i:i+1], candidates[:i], candidates[i+1:])
}

// ends are the first and the last UIDs of a set.
func ends(all imap.UIDSet) (some imap.UIDSet) {
	var first, last []imap.UID
	for _, r := range all {
		for uid := r.Start; uid <= r.Stop && len(first) < sampleSize; uid++ {
			first = append(first, uid)
		}
	}
	for _, r := range slices.Backward(all) {
		for uid := r.Stop; uid >= r.Start && uid > 0 && len(last) < sampleSize; uid-- {
			last = append(last, uid)
		}
	}
	some.AddNum(first...)
	some.AddNum(last...)
	return some
}

// look reads the fingerprints of some of a folder's messages; choose picks them from all
// there are. A folder that can't be read proves nothing.
func (k *seeker) look(ctx context.Context, name string, choose func(all imap.UIDSet) imap.UIDSet, tell func(m upstream.Message, fp store.Fingerprint)) error {
	_, err := k.session.Examine(ctx, name)
	var all imap.UIDSet
	if err == nil {
		all, err = k.session.Search(ctx, "UID 1:*")
	}
	if set := choose(all); err == nil && len(all) > 0 && len(set) > 0 {
		err = k.session.Headers(ctx, set, func(m upstream.Message, header []byte) error {
			tell(m, message.Fingerprint(header, m.Size))
			return nil
		})
	}
	return k.proveNothing(err, name)
}

// proveNothing is the error of a folder that is read, unless it is only about that folder.
func (k *seeker) proveNothing(err error, name string) error {
	if e, ok := errors.AsType[*link.Error](err); ok && e.Class == link.Refused {
		k.log.Info().Err(err).Str("name", foldertree.DecodeName(name)).Msg("the folder can't be compared with one that is looked for")
		return nil
	}
	return err
}
