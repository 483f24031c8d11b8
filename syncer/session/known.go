package session

import (
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
)

// Known is a folder's ledger as a pull reads it: what is dealt with under the
// keys that the old folder's messages have now, and what is left from former ones.
type Known struct {
	Keys    Keyring
	Entries []store.Entry                  // of the present keys, by key
	Before  int                            // so many more of them, below the checkpoint, were not read
	Stale   []store.Entry                  // of former ones
	Refused map[imap.UID]uint32            // quarantined: attempts so far
	Again   map[imap.UID]store.Quarantined // of these, those to be tried again now
	Gone    map[imap.UID]struct{}          // quarantined although they have an entry: their copies are gone, and a person has to say why
	handed  map[imap.UID]struct{}
}

func NewKnown(l store.Ledger, keys Keyring) *Known {
	k := &Known{Keys: keys, Refused: map[imap.UID]uint32{}, Again: map[imap.UID]store.Quarantined{}, Gone: map[imap.UID]struct{}{}, handed: map[imap.UID]struct{}{}}
	k.Entries, k.Stale = keys.Split(l.Entries)
	for _, q := range l.Quarantine {
		uid, ok := keys.UID(q.Key)
		if _, copied := k.Entry(uid); ok && copied {
			k.Gone[uid] = struct{}{}
		} else if ok {
			k.Refused[uid] = q.Attempts
			if q.Again {
				k.Again[uid] = q
			}
		}
	}
	return k
}

// Entry returns the ledger's line of a message.
func (k *Known) Entry(uid imap.UID) (store.Entry, bool) {
	return message.FindEntry(k.Entries, k.Keys.Key(uid))
}

// Has tells whether a message is dealt with or on its way.
func (k *Known) Has(uid imap.UID) bool {
	if _, ok := k.handed[uid]; ok {
		return true
	}
	if _, ok := k.Refused[uid]; ok {
		return true
	}
	_, ok := k.Entry(uid)
	return ok
}

// Hand notes that a message is on its way.
func (k *Known) Hand(uid imap.UID) { k.handed[uid] = struct{}{} }

// Count is how many messages are dealt with or on their way.
func (k *Known) Count() int { return len(k.Entries) + k.Before + len(k.Refused) + len(k.handed) }

// NewUIDs is the set of the new folder's messages that the ledger stands for, with those of other folders' lines.
func NewUIDs(l store.Ledger, uidValidity uint32) map[imap.UID]struct{} {
	set := make(map[imap.UID]struct{}, len(l.Entries))
	for i := range l.Entries {
		if e := &l.Entries[i]; e.UIDValidity == uidValidity && e.UID != 0 {
			set[e.UID] = struct{}{}
		}
	}
	for _, a := range l.Away {
		if a.UIDValidity == uidValidity {
			set[a.UID] = struct{}{}
		}
	}
	return set
}

// A message that a server can't deal with at the moment, or at which a
// connection breaks each time, must not hold up the others. It goes to
// quarantine marked to be tried again, and each pass tries it once more, until
// againMost; then it waits for a person.
const againMost = 100

// Once makes a quarantine's entry of one that was tried before go on from
// there, and tells whether it was.
func (k *Known) Once(q *store.Quarantined) (more bool) {
	uid, ok := k.Keys.UID(q.Key)
	if !ok {
		return false
	}
	was, more := k.Again[uid]
	if more {
		q.Since, q.Attempts, q.Last = was.Since, was.Attempts+1, time.Now()
		q.Again = q.Again && q.Attempts < againMost
	}
	return more
}
