package recovery

import (
	"context"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// Before the first flag is changed of a message, in a pull, its header is looked at: a flag that
// reaches another message may cost that, as \Deleted does.

// proofs are heads of messages whose flags are to be changed, by UID.
type proofs map[imap.UID]session.MessageHeader

func (s proofs) take(m upstream.Message, header []byte) error {
	s[m.UID] = session.MessageHeader{Message: m, Header: header}
	return nil
}

// selectToChange opens the new folder for changes and learns what the messages are that are to be
// changed, most often in one round trip.
func (s *FlagSync) selectToChange(ctx context.Context, changed []flagged) (*upstream.Selected, proofs, error) {
	shown := proofs{}
	sel, err := s.folder.New.SelectAndHeaders(ctx, s.folder.Row.New, s.toProve(changed, s.folder.Target.UIDValidity, shown), shown.take)
	if err != nil {
		return nil, nil, s.folder.Gone(err, ErrNewGone)
	}
	if sel.UIDValidity != s.folder.Target.UIDValidity || Fleeting(sel) {
		clear(shown) // those were others
		s.Proved = nil
	}
	if err := s.copies.locate(ctx, sel, changed); err != nil {
		return nil, nil, err
	}
	// What is not shown counts as removed, and its change as done: so it is asked for once more.
	if rest := s.toProve(changed, sel.UIDValidity, shown); len(rest) > 0 {
		err = headersOf(ctx, s.folder.New, rest, shown.take)
	}
	return sel, shown, err
}

// toProve are the messages of changes that have not been looked at.
func (s *FlagSync) toProve(changed []flagged, uidValidity uint32, shown proofs) (set imap.UIDSet) {
	for i := range changed {
		e := &changed[i].entry
		_, proved := s.Proved[e.UID]
		if _, ok := shown[e.UID]; e.UID != 0 && e.UIDValidity == uidValidity && !proved && !ok {
			set.AddNum(e.UID)
		}
	}
	return set
}

// prove tells of which changes the message is the copy. If one of them isn't, the copies of the folder are
// recognised anew, and the pull begins again.
func (s *FlagSync) prove(ctx context.Context, changed []flagged, sel *upstream.Selected, shown proofs) (map[imap.UID]struct{}, error) {
	if s.Proved == nil {
		s.Proved = map[imap.UID]struct{}{}
	}
	doubtful, uids := map[store.Key][]byte{}, map[store.Key]imap.UID{}
	for i := range changed {
		e := &changed[i].entry
		found, ok := shown[e.UID]
		switch {
		case !ok || e.UIDValidity != sel.UIDValidity:
		case message.IsCopy(e, found.Message, found.Header):
			s.Proved[e.UID] = struct{}{}
		default:
			doubtful[e.Key], uids[e.Key] = message.HeaderInDoubt(e, found.Message, found.Header), e.UID
		}
	}
	if len(doubtful) == 0 {
		return s.Proved, nil
	}
	same, err := s.folder.rewritten(ctx, doubtful)
	if err != nil {
		return nil, err
	}
	var others []imap.UID
	for key, uid := range uids {
		if s.Proved[uid] = struct{}{}; !same[key] {
			others = append(others, uid)
			delete(s.Proved, uid)
		}
	}
	if len(others) == 0 {
		return s.Proved, nil
	}
	seen := fmt.Sprintf("UID %d is another message than the copy", slices.Min(others))
	if err := s.numbers.recogniseNew(ctx, seen); err != nil {
		return nil, err
	}
	return nil, ErrRecognised
}

// AskPermanent asks what flags the folder can keep, unless it has been asked.
func (f *Folder) AskPermanent(ctx context.Context) (err error) {
	if f.Permanent == nil {
		f.Permanent, err = f.New.SendPermanent(ctx, f.Row.New)
	}
	return err
}
