package recovery

import (
	"context"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// byKeys is the evidence for messages of the old server with keys, about those of the new
// folder, which is open. Nothing else may be under way. An original that is gone, or whose key is another
// message's by now, can't say anything any more: then it is enough if the sizes are nearly the same.
func (f *Folder) byKeys(want []message.Wanted, keys []store.Key) message.CopyEvidence {
	return message.CopyEvidence{
		Old: func(ctx context.Context, places []int) (map[int]message.Content, error) {
			return f.oldContents(ctx, places, func(i int) (imap.UID, bool) { return f.Selected.Keys.UID(keys[i]) }, func(i int, is store.Fingerprint) bool {
				original := want[i].Fingerprint
				if r, ok := f.RepairOf(keys[i]); ok {
					original = r.Fingerprint
				}
				return is == original
			})
		},
		Fresh: f.NewContents,
		Unread: func(i int, c message.Candidate, haveOld bool) bool {
			return !haveOld && message.WithinSlack(want[i], c)
		},
	}
}

// OldContents reads messages of the old server, which uid names.
func (f *Folder) OldContents(ctx context.Context, places []int, uid func(place int) (imap.UID, bool)) (map[int]message.Content, error) {
	return f.oldContents(ctx, places, uid, func(int, store.Fingerprint) bool { return true })
}

// oldContents leaves out messages that are not the ones that are meant.
func (f *Folder) oldContents(ctx context.Context, places []int, uid func(place int) (imap.UID, bool), meant func(place int, is store.Fingerprint) bool) (map[int]message.Content, error) {
	found, at := map[int]message.Content{}, map[imap.UID]int{}
	var set imap.UIDSet
	for _, i := range places {
		if u, ok := uid(i); ok {
			at[u] = i
			set.AddNum(u)
		}
	}
	if len(set) == 0 || f.Pair.Ahead.Any() { // another folder is open there
		return found, nil
	}
	err := readContents(ctx, f.Old, set, func(uid imap.UID, is store.Fingerprint, c message.Content) {
		if i, asked := at[uid]; asked && meant(i, is) {
			found[i] = c
		}
	})
	return found, err
}

// NewContents reads messages of the new folder, which is open.
func (f *Folder) NewContents(ctx context.Context, uids []imap.UID) (map[imap.UID]message.Content, error) {
	found := map[imap.UID]message.Content{}
	err := readContents(ctx, f.New, imap.UIDSetNum(uids...), func(uid imap.UID, _ store.Fingerprint, c message.Content) { found[uid] = c })
	return found, err
}

// bodyReader reads messages of an open folder.
type bodyReader interface {
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
}

// readContents reads messages. Those that a server refuses are passed over.
func readContents(ctx context.Context, s bodyReader, set imap.UIDSet, fn func(imap.UID, store.Fingerprint, message.Content)) error {
	err := s.Bodies(ctx, set, func(uid imap.UID, size int64, r io.Reader) error {
		var header message.HeaderCapture
		c, err := message.ReadContent(io.TeeReader(r, &header))
		if err == nil {
			fn(uid, message.Fingerprint(header.Header(), size), c)
		}
		return err
	})
	if AboutMessages(err) {
		return nil
	}
	return err
}

// AboutMessages tells whether a refusal is about what was asked for.
func AboutMessages(err error) bool {
	return link.ClassOf(err) == link.Refused || session.AboutOne(err)
}
