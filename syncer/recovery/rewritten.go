package recovery

import (
	"context"
	"slices"

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
	same = map[store.Key]bool{}
	_, err = f.compareOriginals(ctx, doubtful, same)
	return same, err
}

// notOthers is rewritten where the question is whether UIDs were given to other messages. Where an original has left the folder, the line has to
// tell by itself whether a message is its copy.
func (f *Folder) notOthers(ctx context.Context, doubtful map[store.Key][]byte) (same map[store.Key]bool, err error) {
	same = map[store.Key]bool{}
	gone, err := f.compareOriginals(ctx, doubtful, same)
	for _, uid := range gone {
		key := f.Selected.Keys.Key(uid)
		if e, ok := message.FindEntry(f.Ledger.Entries, key); ok && message.MayBeRewritten(&e, doubtful[key]) {
			same[key] = true
		}
	}
	if err != nil {
		return nil, err
	}
	return same, f.rewrittenAway(ctx, doubtful, same)
}

// compareOriginals adds to same those of doubtful that have their originals' headers, and returns the UIDs of originals that are gone.
func (f *Folder) compareOriginals(ctx context.Context, doubtful map[store.Key][]byte, same map[store.Key]bool) (gone []imap.UID, err error) {
	var set imap.UIDSet
	there := map[imap.UID]bool{}
	for key := range doubtful {
		if uid, ok := f.Selected.Keys.UID(key); ok {
			set.AddNum(uid)
		}
	}
	if len(set) == 0 {
		return nil, nil
	}
	err = headersOf(ctx, f.Old, set, func(m upstream.Message, header []byte) error {
		key := f.Selected.Keys.Key(m.UID)
		there[m.UID] = true
		if copied, ok := doubtful[key]; ok && message.SameHeader(header, copied) {
			same[key] = true
		}
		return nil
	})
	uids, _ := set.Nums()
	return slices.DeleteFunc(uids, func(uid imap.UID) bool { return there[uid] }), err
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
