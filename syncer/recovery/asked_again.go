package recovery

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/session"
	"postferry/upstream"
)

// A server may leave a message out of an answer although it is there. Where that would mean that the message counts as gone, or
// as one that was never copied, what has not been told is asked for once more.

// headersOf is Headers of a session, with that.
func headersOf(ctx context.Context, s headerReader, set imap.UIDSet, fn func(upstream.Message, []byte) error) error {
	return askedAgain(set, func(set imap.UIDSet, told func(imap.UID)) error {
		return s.Headers(ctx, set, func(m upstream.Message, header []byte) error {
			told(m.UID)
			return fn(m, header)
		})
	})
}

// searchFrom are the UIDs of the open new folder's messages from one on. Where that is all of them, it is asked once more if some lack.
func searchFrom(ctx context.Context, s session.Target, sel *upstream.Selected, from imap.UID) (imap.UIDSet, error) {
	criteria := "UID " + (imap.UIDSet{imap.UIDRange{Start: from, Stop: 0}}).String()
	all, err := s.Search(ctx, criteria)
	if uids, _ := all.Nums(); err != nil || from > 1 || len(uids) >= int(sel.Messages) {
		return all, err
	}
	again, err := s.Search(ctx, criteria)
	all.AddSet(again)
	return all, err
}

// headerReader reads headers of an open folder.
type headerReader interface {
	Headers(ctx context.Context, set imap.UIDSet, fn func(upstream.Message, []byte) error) error
}

// askedAgain asks for a set, and then for those of its UIDs that were not told.
func askedAgain(set imap.UIDSet, ask func(set imap.UIDSet, told func(imap.UID)) error) error {
	seen := map[imap.UID]bool{}
	if err := ask(set, func(uid imap.UID) { seen[uid] = true }); err != nil {
		return err
	}
	uids, finite := set.Nums()
	var rest imap.UIDSet
	for _, uid := range uids {
		if !seen[uid] {
			rest.AddNum(uid)
		}
	}
	if !finite || len(rest) == 0 {
		return nil
	}
	return ask(rest, func(imap.UID) {})
}
