package wayback

import (
	"context"
	"time"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// Committer applies batches.
type Committer interface {
	Commit(ctx context.Context, b store.Batch) error
}

// Incoming are the returns of a folder that may appear on the old server, for its pulls.
type Incoming struct {
	Account store.AccountID
	Folder  store.FolderID
	Store   Committer
	Returns []store.Return
}

// NewIncoming is what a pull of a folder has to know; nil for nothing.
func NewIncoming(st Committer, id store.AccountID, folder store.FolderID, all []store.Return) *Incoming {
	in := &Incoming{Account: id, Folder: folder, Store: st}
	for _, r := range all {
		if r.Folder == folder { // what was refused may be there all the same
			in.Returns = append(in.Returns, r)
		}
	}
	if len(in.Returns) == 0 {
		return nil
	}
	return in
}

// Enter enters those of missing, messages of the old folder that the ledger does not know, in the ledger
// that are returns, and tells how many they are with the others. want says what is known of each.
func (in *Incoming) Enter(ctx context.Context, keys session.Keyring, missing []upstream.Message, want []message.Wanted) (rest []upstream.Message, found int, err error) {
	batch := store.Batch{Account: in.Account, Folder: in.Folder}
	left := append([]store.Return(nil), in.Returns...)
	for i, m := range missing {
		at := match(left, m, want[i])
		if at < 0 {
			rest = append(rest, m)
			continue
		}
		batch.Proofs = append(batch.Proofs, entryOf(&left[at], keys.Key(m.UID), m, want[i]))
		left = settle(&batch, left, at)
	}
	if len(batch.Proofs) == 0 {
		return rest, 0, nil
	}
	if err := in.Store.Commit(ctx, batch); err != nil {
		return nil, 0, err
	}
	in.Returns = left
	return rest, len(batch.Proofs), nil
}

// match is the place of the return that a message is; -1 for none.
func match(left []store.Return, m upstream.Message, want message.Wanted) int {
	for i := range left {
		if left[i].Fingerprint == want.Fingerprint {
			return i
		}
	}
	for i := range left {
		if resembles(&left[i], m, want) {
			return i
		}
	}
	return -1
}

// resembles: a server that rewrites messages has made another fingerprint of one without a Message-ID,
// but keeps the date with which it was appended.
func resembles(r *store.Return, m upstream.Message, want message.Wanted) bool {
	differ := int64(r.Size) - want.Size
	return !message.HasMessageID(r.Fingerprint) && !message.HasMessageID(want.Fingerprint) && want.Size >= 0 &&
		r.Date.Truncate(time.Second).Equal(m.Date.Truncate(time.Second)) && max(differ, -differ) <= message.SizeSlack
}

// entryOf is the line of the ledger for a return that was found. Of one that was proved before, this is a second
// copy, which stands for no message of the new folder.
func entryOf(r *store.Return, key store.Key, m upstream.Message, want message.Wanted) store.Entry {
	e := store.Entry{Key: key, UIDValidity: r.UIDValidity, UID: r.UID, Flags: m.Flags, Fingerprint: want.Fingerprint, Size: clamp(want.Size)}
	if r.State == store.ReturnProved {
		e.UID = 0
	}
	return e
}

// settle notes in a batch what becomes of a return that was found, and returns those that are left.
func settle(batch *store.Batch, left []store.Return, at int) []store.Return {
	r := left[at]
	if r.State == store.ReturnSent || r.State == store.ReturnRefused {
		batch.Returned = append(batch.Returned, r.Key())
		return append(left[:at:at], left[at+1:]...)
	}
	r.State = store.ReturnProved // the other copy may still turn up
	batch.Returns = append(batch.Returns, r)
	left[at] = r
	return left
}

func clamp(n int64) uint32 { return uint32(min(max(n, 0), 1<<32-1)) }
