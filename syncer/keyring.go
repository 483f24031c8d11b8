package syncer

import (
	"postferry/store"
	"sort"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// keyring tells the keys of the messages in an opened folder.
type keyring interface {
	key(uid imap.UID) store.Key
	// uid is the reverse of key; ok is false for a key of no message of the folder as it is.
	uid(k store.Key) (uid imap.UID, ok bool)
	// split parts a ledger's entries into those with keys of the folder as it is, by key,
	// and the others. It may reorder nothing of entries.
	split(entries []store.Entry) (present, stale []store.Entry)
}

// imapKeys are the keys under a UIDVALIDITY. Whether there is a message with a
// UID, or still is, makes no difference.
type imapKeys uint32

func (v imapKeys) key(uid imap.UID) store.Key { return imapKey(uint32(v), uid) }

func (v imapKeys) uid(k store.Key) (imap.UID, bool) {
	validity, uid, ok := splitKey(k)
	return uid, ok && validity == uint32(v)
}

func (v imapKeys) split(entries []store.Entry) (present, stale []store.Entry) {
	prefix := string(v.key(0)[:4])
	from := sort.Search(len(entries), func(i int) bool { return string(entries[i].Key) >= prefix })
	to, ours := from, 0
	for ; to < len(entries) && strings.HasPrefix(string(entries[to].Key), prefix); to++ {
		if len(entries[to].Key) == imapKeyLength {
			ours++
		}
	}
	stale = append(append(stale, entries[:from]...), entries[to:]...)
	if ours == to-from {
		return entries[from:to:to], stale
	}
	for _, e := range entries[from:to] {
		if len(e.Key) == imapKeyLength {
			present = append(present, e)
		} else {
			stale = append(stale, e)
		}
	}
	return present, stale
}
