package wayback

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// candidate is a message of the new folder that may have to be copied back.
type candidate struct {
	upstream.Message
	fingerprint store.Fingerprint
}

// candidates are the messages of the new folder that are new, and no copies as far as the folder's ledger
// knows, in the order of their UIDs.
func (j *Job) candidates(ctx context.Context) ([]candidate, error) {
	from, renumbered := j.way.Next, j.newSel.UIDValidity != j.way.UIDValidity || j.wentBack()
	if renumbered {
		from = 1
	}
	known := session.NewUIDs(j.ledger, j.newSel.UIDValidity)
	var wanted imap.UIDSet
	listed := map[imap.UID]upstream.Message{}
	take := func(m upstream.Message) error {
		if _, is := known[m.UID]; is || !j.wants(m, renumbered) {
			return nil
		}
		wanted.AddNum(m.UID)
		listed[m.UID] = m
		return nil
	}
	for _, set := range j.ranges(from) {
		if err := j.new.ListMessages(ctx, set, 0, take); err != nil {
			return nil, err
		}
	}
	var found []candidate
	if len(wanted) == 0 {
		return nil, nil
	}
	err := j.new.Headers(ctx, wanted, func(m upstream.Message, header []byte) error {
		if line, ok := listed[m.UID]; ok {
			found = append(found, candidate{line, message.Fingerprint(header, line.Size)})
			delete(listed, m.UID)
		}
		return nil
	})
	return sortedByUID(found), err
}

// ranges are what has to be listed: messages from a UID on, and returns below it.
func (j *Job) ranges(from imap.UID) []imap.UIDSet {
	var below imap.UIDSet
	for k, r := range j.returns {
		if k.UIDValidity == j.newSel.UIDValidity && k.UID < from && (unproved(&r) || r.State == store.ReturnRefused && j.mayTry(&r)) {
			below.AddNum(k.UID)
		}
	}
	var sets []imap.UIDSet
	if len(below) > 0 {
		sets = append(sets, below)
	}
	for ; from < j.newSel.UIDNext; from += session.ListWindow {
		sets = append(sets, imap.UIDSet{imap.UIDRange{Start: from, Stop: min(from+session.ListWindow, j.newSel.UIDNext) - 1}})
	}
	return sets
}

// wants tells whether a message that is no known copy may go back. What its user is about to remove, or is
// still writing, does not. Where the new server has numbered its messages anew, only their dates tell which of them are new.
func (j *Job) wants(m upstream.Message, renumbered bool) bool {
	switch r, known := j.returns[store.ReturnKey{UIDValidity: j.newSel.UIDValidity, UID: m.UID}]; {
	case message.ContainsFlag(m.Flags, imap.FlagDeleted), message.ContainsFlag(m.Flags, imap.FlagDraft):
		return false
	case known:
		return unproved(&r) || r.State == store.ReturnRefused && j.mayTry(&r)
	case renumbered:
		return !m.Date.Before(j.way.Since)
	}
	return true
}

// place is where a copy is on the new server, as a ledger says.
type place struct {
	folder store.FolderID
	store.Entry
}

// withoutCopies leaves out messages that are copies which their users have moved: a line of some folder's
// ledger has the same fingerprint, and what it stands for is not where it was. A message that has come in addition is no
// such copy, such as one that its sender has got back from a list.
func (j *Job) withoutCopies(ctx context.Context, found []candidate) ([]candidate, error) {
	if len(found) == 0 {
		return nil, nil
	}
	places, twice, err := j.places(ctx, found)
	if err != nil {
		return nil, err
	}
	gone, err := j.moved(ctx, places)
	if err != nil {
		return nil, err
	}
	rest := found[:0:0]
	for _, c := range found {
		switch {
		case j.sent(c.UID):
		case twice[c.fingerprint]:
			continue
		case gone[c.fingerprint] > 0:
			gone[c.fingerprint]--
			continue
		}
		rest = append(rest, c)
	}
	// The folder is opened again, as others may have been meanwhile.
	again, err := j.new.Examine(ctx, j.Folder.New)
	if err == nil && again.UIDValidity != j.newSel.UIDValidity {
		err = ErrNotNow
	}
	return rest, err
}

// sent tells whether a message has been given to the old server before.
func (j *Job) sent(uid imap.UID) bool {
	_, ok := j.returns[store.ReturnKey{UIDValidity: j.newSel.UIDValidity, UID: uid}]
	return ok
}

// places are the lines of all of the account's ledgers with the fingerprints of messages. twice are the
// fingerprints of what the new server was given again, so that it may have stored it twice.
func (j *Job) places(ctx context.Context, found []candidate) (all []place, twice map[store.Fingerprint]bool, err error) {
	twice = map[store.Fingerprint]bool{}
	wanted := make(map[store.Fingerprint]bool, len(found))
	for _, c := range found {
		wanted[c.fingerprint] = true
	}
	folders, err := j.Store.Folders(ctx, j.Account)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range folders {
		l, err := j.Store.Ledger(ctx, j.Account, f.ID)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range l.Entries {
			if wanted[e.Fingerprint] {
				all = append(all, place{f.ID, e})
			}
		}
		for _, lost := range l.Lost {
			twice[lost.Fingerprint] = true
		}
		for _, in := range l.Intents { // it may be there; a pull will tell
			if wanted[in.Fingerprint] {
				return nil, nil, ErrNotNow
			}
		}
	}
	return all, twice, nil
}

// moved counts the copies that are not where they were, by fingerprint.
func (j *Job) moved(ctx context.Context, places []place) (map[store.Fingerprint]int, error) {
	folders, err := j.Store.Folders(ctx, j.Account)
	if err != nil {
		return nil, err
	}
	gone := map[store.Fingerprint]int{}
	for _, f := range folders {
		there, validity, err := j.present(ctx, &f, places)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			if p.folder == f.ID && (p.UIDValidity != validity || p.UID == 0 || !there[p.UID]) {
				gone[p.Fingerprint]++
			}
		}
	}
	return gone, nil
}

// present tells which of the copies are in a folder of the new server.
func (j *Job) present(ctx context.Context, f *store.Folder, places []place) (there map[imap.UID]bool, validity uint32, err error) {
	there = map[imap.UID]bool{}
	var set imap.UIDSet
	for _, p := range places {
		if p.folder == f.ID && p.UID != 0 {
			set.AddNum(p.UID)
		}
	}
	if len(set) == 0 || f.New == "" {
		return there, 0, nil
	}
	sel, err := j.new.Examine(ctx, f.New)
	if link.ClassOf(err) == link.Refused {
		return there, 0, nil // it is gone with all that was in it
	}
	if err != nil {
		return nil, 0, err
	}
	return there, sel.UIDValidity, j.new.ListMessages(ctx, set, 0, func(m upstream.Message) error {
		there[m.UID] = true
		return nil
	})
}
