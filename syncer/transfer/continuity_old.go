package transfer

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/session"
	"postferry/upstream"
)

// overlap is of how many UIDs below the checkpoint the opening of an old folder shows the
// messages as well: who gives UIDs again that other messages had is found out there, however many
// have come since. Likewise so many of the newest copies are looked at.
const overlap = 16

// checkOldNumbers recognises the old folder's messages anew if its numbering isn't the one it
// was.
func (p *Pull) checkOldNumbers(ctx context.Context) error {
	cp, sel := p.Folder.Checkpoint, p.Selected
	if sel.POP3 || sel.Early != nil {
		return nil
	}
	if seen, err := p.checkBeyond(ctx); err != nil || seen != "" {
		if err != nil {
			return err
		}
		return p.recogniseOld(ctx, seen)
	}
	if cp.UIDNext == 0 {
		return nil
	}
	next := sel.UIDNext
	if !sel.ToldNext { // then it is behind the last message
		next = 0
	}
	seen := wentBack(cp.UIDNext, next, 0, 0)
	if seen != "" {
		return p.recogniseOld(ctx, seen)
	}
	for _, h := range sel.Headers {
		if e, ok := p.known.Entry(h.Message.UID); ok && !p.original(&e).Is(h.Message, h.Header) {
			return p.recogniseOld(ctx, otherText(h.Message.UID))
		}
	}
	var doubtful []upstream.Message
	if modSeq := wentBack(0, 0, cp.HighestModSeq, sel.HighestModSeq); modSeq != "" {
		p.Log.Warn().Str("seen", modSeq).Msg("the old server counts the changes in this folder anew: all flags are compared")
		p.base.HighestModSeq = 0
		err := p.eachKnown(ctx, func(m upstream.Message) { doubtful = append(doubtful, p.otherSizes([]upstream.Message{m})...) })
		if err != nil {
			return err
		}
	}
	seen, err := p.otherMessage(ctx, doubtful)
	if err != nil || seen == "" {
		return err
	}
	return p.recogniseOld(ctx, seen)
}

// checkBeyond says what shows that UIDs which an interrupted pull has dealt with beyond the checkpoint,
// or without one, are others' now; "" for nothing.
func (p *Pull) checkBeyond(ctx context.Context) (seen string, err error) {
	var newest imap.UIDSet
	for n, e := range slices.Backward(p.known.Entries) {
		uid, ok := p.Selected.Keys.UID(e.Key)
		if !ok || uid < p.Folder.Checkpoint.UIDNext || n < len(p.known.Entries)-overlap {
			break
		}
		if p.Selected.ToldNext && uid >= p.Selected.UIDNext {
			return fmt.Sprintf("UIDNEXT is %d, but a message had the UID %d", p.Selected.UIDNext, uid), nil
		}
		newest.AddNum(uid)
	}
	if len(newest) == 0 {
		return "", nil
	}
	err = p.old.Headers(ctx, newest, func(m upstream.Message, header []byte) error {
		if e, ok := p.known.Entry(m.UID); ok && !p.original(&e).Is(m, header) {
			seen = otherText(m.UID)
		}
		return nil
	})
	return seen, err
}

// otherSizes are those of listed messages whose size isn't the one that the ledger has.
func (p *Pull) otherSizes(lines []upstream.Message) (doubtful []upstream.Message) {
	for _, m := range lines {
		if e, ok := p.known.Entry(m.UID); ok && m.Size >= 0 && clampSize(m.Size) != clampSize(p.original(&e).Size) {
			doubtful = append(doubtful, m)
		}
	}
	return doubtful
}

// eachKnown lists the messages that the ledger knows.
func (p *Pull) eachKnown(ctx context.Context, fn func(upstream.Message)) error {
	for _, set := range session.Chunks(p.presentSet(), session.ListWindow) {
		err := p.old.ListMessages(ctx, set, 0, func(m upstream.Message) error {
			fn(m)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// otherMessage looks at messages whose size differs and says of one that is another than the
// one that the ledger knows; "" if none is.
func (p *Pull) otherMessage(ctx context.Context, doubtful []upstream.Message) (seen string, err error) {
	for _, set := range session.Chunks(session.SetOfMessages(doubtful), session.ListWindow) {
		err := p.old.Headers(ctx, set, func(m upstream.Message, header []byte) error {
			if e, ok := p.known.Entry(m.UID); ok && !p.original(&e).Is(m, header) {
				seen = otherText(m.UID)
			}
			return nil
		})
		if err != nil || seen != "" {
			return seen, err
		}
	}
	return "", nil
}

func otherText(uid imap.UID) string { return fmt.Sprintf("UID %d is another message than it was", uid) }

// recogniseOld gives former keys to the lines of the ledger whose UIDs belong to other messages now,
// or to none, so that the old folder's messages are recognised by what they are, as far as they
// are known, and copied as far as they aren't.
func (p *Pull) recogniseOld(ctx context.Context, seen string) error {
	if err := p.readLedger(ctx); err != nil {
		return err
	}
	p.begin()
	same := map[store.Key]bool{}
	for _, set := range session.Chunks(p.presentSet(), session.ListWindow) {
		err := p.old.Headers(ctx, set, func(m upstream.Message, header []byte) error {
			if e, ok := p.known.Entry(m.UID); ok && p.original(&e).Is(m, header) {
				same[e.Key] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	var void []store.Entry
	for _, e := range p.known.Entries {
		if !same[e.Key] {
			void = append(void, e)
		}
	}
	p.Log.Warn().Str("seen", seen).Int("same", len(same)).Int("others", len(void)).
		Msg("the old server has given UIDs of this folder to other messages: its messages are recognised anew")
	return p.retireAll(ctx, void)
}

// retireAll makes former keys durable, and with the last of them a checkpoint from which everything is
// listed.
func (p *Pull) retireAll(ctx context.Context, void []store.Entry) error {
	cp := reset(p.Folder.Checkpoint, p.Selected.UIDValidity)
	for first := true; first || len(void) > 0; first = false {
		part := void[:min(len(void), session.ListWindow)]
		void = void[len(part):]
		batch, intents := p.retire(part)
		if len(void) == 0 {
			batch.Checkpoint, batch.Release = &cp, p.keysOfQuarantine()
		}
		if err := p.Store.Commit(ctx, batch); err != nil {
			return err
		}
		if err := p.intend(ctx, intents); err != nil {
			return err
		}
	}
	p.Folder.Checkpoint = cp
	return p.beginAgain(ctx)
}

// intend writes intents, if there are any.
func (p *Pull) intend(ctx context.Context, intents []store.Intent) error {
	if len(intents) == 0 {
		return nil
	}
	return p.Store.Commit(ctx, store.Batch{Account: p.Account, Folder: p.Folder.ID, Intents: intents})
}

// beginAgain goes on with the ledger and the checkpoint as they have just been put right.
func (p *Pull) beginAgain(ctx context.Context) error {
	if err := p.readLedger(ctx); err != nil {
		return err
	}
	p.begin()
	all := p.base.HighestModSeq == 0 // flags are to be compared: the count of changes has gone back
	if p.base = p.Folder.Checkpoint; all {
		p.base.HighestModSeq = 0
	}
	p.tell()
	return nil
}

// FirstWindow is what is listed first if a folder is the one it was.
func FirstWindow(cp store.Checkpoint) imap.UIDSet {
	from := max(cp.UIDNext, 1)
	if from > math.MaxUint32-session.ListWindow {
		return nil
	}
	return imap.UIDSet{imap.UIDRange{Start: from, Stop: from + session.ListWindow - 1}}
}

// LastKnown are the UIDs below the checkpoint whose messages are looked at when the folder is opened.
func LastKnown(cp store.Checkpoint) imap.UIDSet {
	if cp.UIDNext <= 1 {
		return nil
	}
	return imap.UIDSet{imap.UIDRange{Start: TailFrom(cp), Stop: cp.UIDNext - 1}}
}

// TailFrom is the UID from which on a folder is looked at that has been pulled before.
func TailFrom(cp store.Checkpoint) imap.UID {
	if cp.UIDNext <= overlap {
		return 1
	}
	return cp.UIDNext - overlap
}
