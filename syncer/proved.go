package syncer

import (
	"context"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// Before the first flag is changed of a message, in a pull, its header is looked at: a flag that
// reaches another message may cost that, as \Deleted does.

// proofs are heads of messages whose flags are to be changed, by UID.
type proofs map[imap.UID]head

func (s proofs) take(m upstream.Message, header []byte) error {
	s[m.UID] = head{m, header}
	return nil
}

// selectToChange opens the new folder for changes and learns what the messages are that are to be
// changed, most often in one round trip.
func (p *pull) selectToChange(ctx context.Context, changed []flagged) (*upstream.Selected, proofs, error) {
	shown := proofs{}
	first := p.toProve(changed, p.target.UIDValidity, shown)
	sel, err := p.new.SelectAndHeaders(ctx, p.folder.New, first, shown.take)
	if err != nil {
		return nil, nil, p.gone(err, errNewGone)
	}
	if sel.UIDValidity != p.target.UIDValidity || fleeting(sel) {
		clear(shown) // those were others
		p.proved = nil
	}
	before := p.target.UIDValidity
	if err := p.locate(ctx, sel, changed); err != nil {
		return nil, nil, err
	}
	if rest := p.toProve(changed, sel.UIDValidity, shown); len(rest) > 0 && (before != sel.UIDValidity || fleeting(sel)) {
		err = p.new.Headers(ctx, rest, shown.take)
	}
	return sel, shown, err
}

// toProve are the messages of changes that have not been looked at.
func (p *pull) toProve(changed []flagged, uidValidity uint32, shown proofs) (set imap.UIDSet) {
	for i := range changed {
		e := &changed[i].entry
		_, proved := p.proved[e.UID]
		if _, ok := shown[e.UID]; e.UID != 0 && e.UIDValidity == uidValidity && !proved && !ok {
			set.AddNum(e.UID)
		}
	}
	return set
}

// prove tells of which changes the message is the copy. If one of them isn't, the copies of the folder are
// recognised anew, and the pull begins again.
func (p *pull) prove(ctx context.Context, changed []flagged, sel *upstream.Selected, shown proofs) (map[imap.UID]struct{}, error) {
	if p.proved == nil {
		p.proved = map[imap.UID]struct{}{}
	}
	doubtful, uids := map[store.Key][]byte{}, map[store.Key]imap.UID{}
	for i := range changed {
		e := &changed[i].entry
		found, ok := shown[e.UID]
		switch {
		case !ok || e.UIDValidity != sel.UIDValidity:
		case isCopy(e, found.message, found.header):
			p.proved[e.UID] = struct{}{}
		default:
			doubtful[e.Key], uids[e.Key] = doubt(e, found.message, found.header), e.UID
		}
	}
	if len(doubtful) == 0 {
		return p.proved, nil
	}
	same, err := p.rewritten(ctx, doubtful)
	if err != nil {
		return nil, err
	}
	var others []imap.UID
	for key, uid := range uids {
		if p.proved[uid] = struct{}{}; !same[key] {
			others = append(others, uid)
			delete(p.proved, uid)
		}
	}
	if len(others) == 0 {
		return p.proved, nil
	}
	seen := fmt.Sprintf("UID %d is another message than the copy", slices.Min(others))
	if err := p.recogniseNew(ctx, seen); err != nil {
		return nil, err
	}
	return nil, errRecognised
}
