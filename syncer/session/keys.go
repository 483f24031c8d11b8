package session

import (
	"sort"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
)

// Keyring tells the keys of the messages in an opened folder.
type Keyring interface {
	Key(uid imap.UID) store.Key
	// UID is the reverse of key; ok is false for a key of no message of the folder as it is.
	UID(k store.Key) (uid imap.UID, ok bool)
	// Split parts a ledger's entries into those with keys of the folder as it is, by key,
	// and the others. It may reorder nothing of entries.
	Split(entries []store.Entry) (present, stale []store.Entry)
}

// IMAPKeys are the keys under a UIDVALIDITY. Whether there is a message with a
// UID, or still is, makes no difference.
type IMAPKeys uint32

func (v IMAPKeys) Key(uid imap.UID) store.Key { return message.IMAPKey(uint32(v), uid) }

func (v IMAPKeys) UID(k store.Key) (imap.UID, bool) {
	validity, uid, ok := message.SplitKey(k)
	return uid, ok && validity == uint32(v)
}

func (v IMAPKeys) Split(entries []store.Entry) (present, stale []store.Entry) {
	prefix := string(v.Key(0)[:4])
	from := sort.Search(len(entries), func(i int) bool { return string(entries[i].Key) >= prefix })
	to, ours := from, 0
	for ; to < len(entries) && strings.HasPrefix(string(entries[to].Key), prefix); to++ {
		if len(entries[to].Key) == message.IMAPKeyLength {
			ours++
		}
	}
	stale = append(append(stale, entries[:from]...), entries[to:]...)
	if ours == to-from {
		return entries[from:to:to], stale
	}
	for _, e := range entries[from:to] {
		if len(e.Key) == message.IMAPKeyLength {
			present = append(present, e)
		} else {
			stale = append(stale, e)
		}
	}
	return present, stale
}
