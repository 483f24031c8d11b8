package syncer

import (
	"postferry/store"
	"time"

	"github.com/emersion/go-imap/v2"
)

// known is a folder's ledger as a pull reads it: what is dealt with under the
// keys that the old folder's messages have now, and what is left from former ones.
type known struct {
	keys    keyring
	entries []store.Entry                  // of the present keys, by key
	before  int                            // so many more of them, below the checkpoint, were not read
	stale   []store.Entry                  // of former ones
	refused map[imap.UID]uint32            // quarantined: attempts so far
	again   map[imap.UID]store.Quarantined // of these, those to be tried again now
	handed  map[imap.UID]struct{}
}

func newKnown(l store.Ledger, keys keyring) *known {
	k := &known{keys: keys, refused: map[imap.UID]uint32{}, again: map[imap.UID]store.Quarantined{}, handed: map[imap.UID]struct{}{}}
	k.entries, k.stale = keys.split(l.Entries)
	for _, q := range l.Quarantine {
		if uid, ok := keys.uid(q.Key); ok {
			k.refused[uid] = q.Attempts
			if q.Again {
				k.again[uid] = q
			}
		}
	}
	return k
}

// entry returns the ledger's line of a message.
func (k *known) entry(uid imap.UID) (store.Entry, bool) {
	return findEntry(k.entries, k.keys.key(uid))
}

// has tells whether a message is dealt with or on its way.
func (k *known) has(uid imap.UID) bool {
	if _, ok := k.handed[uid]; ok {
		return true
	}
	if _, ok := k.refused[uid]; ok {
		return true
	}
	_, ok := k.entry(uid)
	return ok
}

// hand notes that a message is on its way.
func (k *known) hand(uid imap.UID) { k.handed[uid] = struct{}{} }

// count is how many messages are dealt with or on their way.
func (k *known) count() int { return len(k.entries) + k.before + len(k.refused) + len(k.handed) }

// newUIDs is the set of the new folder's messages that the ledger stands for.
func newUIDs(l store.Ledger, uidValidity uint32) map[imap.UID]struct{} {
	set := make(map[imap.UID]struct{}, len(l.Entries))
	for i := range l.Entries {
		if e := &l.Entries[i]; e.UIDValidity == uidValidity && e.UID != 0 {
			set[e.UID] = struct{}{}
		}
	}
	return set
}

// A message that a server can't deal with at the moment, or at which a
// connection breaks each time, must not hold up the others. It goes to
// quarantine marked to be tried again, and each pass tries it once more, until
// againMost; then it waits for a person.
const againMost = 100

// once makes a quarantine's entry of one that was tried before go on from
// there, and tells whether it was.
func (k *known) once(q *store.Quarantined) (more bool) {
	uid, ok := k.keys.uid(q.Key)
	if !ok {
		return false
	}
	was, more := k.again[uid]
	if more {
		q.Since, q.Attempts, q.Last = was.Since, was.Attempts+1, time.Now()
		q.Again = q.Again && q.Attempts < againMost
	}
	return more
}
