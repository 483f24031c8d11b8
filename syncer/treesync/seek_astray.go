package treesync

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/upstream"
)

// astrayMost is how many messages are looked through for copies that went into another folder.
const astrayMost = 10_000

// keepAstray enters copies that went into another folder: one that was made under the name of a
// folder that was renamed while it was filled. They are on the new server, where its
// user can move them, and are not copied again.
func (k *seeker) keepAstray(ctx context.Context, w *sought, now string) error {
	was, ok := k.planner.There[k.planner.Key(w.row.New)]
	if !ok || w.row.New == "" || len(w.tail.Intents) == 0 || k.planner.Key(now) == k.planner.Key(was.Name) {
		return nil
	}
	intents, err := k.copying(ctx, w)
	if err != nil || len(intents) == 0 {
		return err
	}
	_, found, err := k.arrived(ctx, now, intents)
	if err != nil {
		return err
	}
	intents = slices.DeleteFunc(intents, func(in store.Intent) bool { return found[in.Key] != 0 })
	validity, found, err := k.arrived(ctx, was.Name, intents)
	if err != nil || len(found) == 0 {
		return err
	}
	batch := store.Batch{Account: k.account, Folder: w.row.ID}
	for _, in := range intents {
		if uid := found[in.Key]; uid != 0 {
			batch.Proofs = append(batch.Proofs, store.Entry{
				Key: in.Key, UIDValidity: validity, UID: uid, Flags: in.Flags, Fingerprint: in.Fingerprint, Size: in.Size})
		}
	}
	k.log.Warn().Str("folder", w.row.Title).Str("name", foldertree.DecodeName(was.Name)).Int("messages", len(batch.Proofs)).
		Msg("messages went into another folder, which got the name while they were on their way; they stay there")
	return k.store.Commit(ctx, batch)
}

// copying are the folder's intents of messages that were about to be appended.
func (k *seeker) copying(ctx context.Context, w *sought) ([]store.Intent, error) {
	keys := make([]store.Key, len(w.tail.Intents))
	for i, in := range w.tail.Intents {
		keys[i] = in.Key
	}
	entered, err := k.store.Entries(ctx, k.account, w.row.ID, keys)
	return slices.DeleteFunc(slices.Clone(w.tail.Intents), func(in store.Intent) bool {
		return slices.ContainsFunc(entered, func(e store.Entry) bool { return e.Key == in.Key })
	}), err
}

// arrived finds the copies that intents are about in a folder, each message for at most one.
func (k *seeker) arrived(ctx context.Context, name string, intents []store.Intent) (validity uint32, found map[store.Key]imap.UID, err error) {
	var there []message.Candidate
	validity = k.status[name].UIDValidity
	from := recovery.Lowest(intents, validity)
	err = k.look(ctx, name, func(all imap.UIDSet) imap.UIDSet { return newest(all, from) }, func(m upstream.Message, fp store.Fingerprint) {
		there = append(there, message.Candidate{Fingerprint: fp, Size: m.Size, UID: m.UID})
	})
	want := make([]message.Wanted, len(intents))
	for i, in := range intents {
		want[i] = message.Wanted{Fingerprint: in.Fingerprint, Size: int64(in.Size)}
	}
	found = map[store.Key]imap.UID{}
	for i, c := range message.NewCandidates(there).TakeAll(want) {
		if c.UID != 0 {
			found[intents[i].Key] = c.UID
		}
	}
	return validity, found, err
}

// newest are the last UIDs of a set, from one on.
func newest(all imap.UIDSet, from imap.UID) (some imap.UIDSet) {
	left := astrayMost
	for _, r := range slices.Backward(all) {
		first := max(r.Start, from)
		if r.Stop < first || left <= 0 {
			break
		}
		if int(r.Stop-first) >= left {
			first = r.Stop - imap.UID(left) + 1
		}
		some.AddRange(first, r.Stop)
		left -= int(r.Stop-first) + 1
	}
	return some
}
