package recovery

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/upstream"
)

// original is what the ledger knows a line's message by on the old server.
func (f *Folder) original(e *store.Entry) message.Wanted {
	return message.OriginalOf(e, f.Ledger.Repaired)
}

// rewritten tells which messages of the new server, by their headers, are copies all the same
// although the ledger does not know them as such: the old server's originals say so, as far as
// they are still there.
func (f *Folder) rewritten(ctx context.Context, doubtful map[store.Key][]byte) (same map[store.Key]bool, err error) {
	var set imap.UIDSet
	for key := range doubtful {
		if uid, ok := f.Selected.Keys.UID(key); ok {
			set.AddNum(uid)
		}
	}
	same = map[store.Key]bool{}
	if len(set) == 0 {
		return same, nil
	}
	return same, headersOf(ctx, f.Old, set, func(m upstream.Message, header []byte) error {
		key := f.Selected.Keys.Key(m.UID)
		if copied, ok := doubtful[key]; ok && message.SameHeader(header, copied) {
			same[key] = true
		}
		return nil
	})
}

// Proof is the entry of a message whose intent is fulfilled. What it is recognised
// by is the copy's, also if that was repaired: the original's is noted with the repair.
func (f *Folder) Proof(in store.Intent, uidValidity uint32, uid imap.UID) store.Entry {
	e := store.Entry{Key: in.Key, Flags: in.Flags, Fingerprint: in.Fingerprint, Size: in.Size}
	f.SetUID(&e, uidValidity, uid)
	return e
}

// RepairOf is what the ledger has noted of a message's repair.
func (f *Folder) RepairOf(key store.Key) (store.Repaired, bool) {
	return message.FindRepaired(f.Ledger.Repaired, key)
}
