package recovery

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// overlap is of how many UIDs below the checkpoint the opening of an old folder shows the
// messages as well: who gives UIDs again that other messages had is found out there, however many
// have come since. Likewise so many of the newest copies are looked at.
const overlap = 16

// oldNumbers are how the old server numbers the folder's messages.
type oldNumbers struct{ folder *Folder }

// check recognises the old folder's messages anew if its numbering isn't the one it
// was.
func (o *oldNumbers) check(ctx context.Context, yielded func() error) error {
	cp, sel := o.folder.Row.Checkpoint, o.folder.Selected
	if !sel.Traits.StableUIDs || sel.Early != nil {
		return nil
	}
	if seen, err := o.checkBeyond(ctx); err != nil || seen != "" {
		if err != nil {
			return err
		}
		return o.recogniseOld(ctx, seen)
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
		return o.recogniseOld(ctx, seen)
	}
	for _, h := range sel.Headers {
		if e, ok := o.folder.Known.Entry(h.Message.UID); ok && !o.folder.original(&e).Is(h.Message, h.Header) {
			return o.recogniseOld(ctx, otherText(h.Message.UID))
		}
	}
	all := Overdue(o.folder.Account, o.folder.Row.ID, cp.Checked, time.Now())
	if o.folder.Postponed = all && o.folder.Awaited; o.folder.Postponed {
		all = false
	}
	if err := o.folder.distrustCount(ctx, all); err != nil {
		return err
	}
	var doubtful []upstream.Message
	if modSeq := wentBack(0, 0, cp.HighestModSeq, sel.HighestModSeq); modSeq != "" || all {
		if modSeq != "" {
			o.folder.Log.Warn().Str("seen", modSeq).Msg("the old server counts the changes in this folder anew: all flags are compared")
			o.folder.Base.HighestModSeq = 0
		}
		err := o.eachKnown(ctx, yielded, func(m upstream.Message) { doubtful = append(doubtful, o.otherSizes([]upstream.Message{m})...) })
		if err != nil {
			return err
		}
	}
	seen, err := o.otherMessage(ctx, doubtful)
	if err != nil || seen == "" {
		return err
	}
	return o.recogniseOld(ctx, seen)
}

// distrustCount has all flags compared where some have changed although the count of changes is what it was: it began anew, and
// has come as far as it was by chance; or if all are to be compared anyway.
func (f *Folder) distrustCount(ctx context.Context, all bool) error {
	cp := f.Row.Checkpoint
	switch {
	case cp.HighestModSeq == f.Selected.HighestModSeq && FlagsUnseen(cp, f.Selected.Headers, f.Ledger.Quarantine, f.Known.Entry):
		f.Log.Warn().Uint64("modseq", cp.HighestModSeq).Msg("flags have changed in this folder on the old server without being counted: all are compared")
	case !all:
		return nil
	}
	return f.compareAll(ctx)
}

// FlagsUnseen tells whether messages of an old folder have other flags than their lines of the ledger, where its count of changes
// (RFC 7162 section 3.1.2) is the checkpoint's. What is in quarantine although it was copied has none that count.
func FlagsUnseen(cp store.Checkpoint, told session.MessageHeaders, quarantine []store.Quarantined, entry func(imap.UID) (store.Entry, bool)) bool {
	return cp.HighestModSeq != 0 && slices.ContainsFunc(told, func(h session.MessageHeader) bool {
		e, known := entry(h.Message.UID)
		return known && h.Message.Flags != nil && !slices.Equal(message.NormaliseFlags(h.Message.Flags), message.NormaliseFlags(e.Flags)) &&
			!slices.ContainsFunc(quarantine, func(q store.Quarantined) bool { return q.Key == e.Key })
	})
}

// checkBeyond says what shows that UIDs which an interrupted pull has dealt with beyond the checkpoint,
// or without one, are others' now; "" for nothing.
func (o *oldNumbers) checkBeyond(ctx context.Context) (seen string, err error) {
	var newest imap.UIDSet
	for n, e := range slices.Backward(o.folder.Known.Entries) {
		uid, ok := o.folder.Selected.Keys.UID(e.Key)
		if !ok || uid < o.folder.Row.Checkpoint.UIDNext || n < len(o.folder.Known.Entries)-overlap {
			break
		}
		if o.folder.Selected.ToldNext && uid >= o.folder.Selected.UIDNext {
			return fmt.Sprintf("UIDNEXT is %d, but a message had the UID %d", o.folder.Selected.UIDNext, uid), nil
		}
		newest.AddNum(uid)
	}
	if len(newest) == 0 {
		return "", nil
	}
	err = headersOf(ctx, o.folder.Old, newest, func(m upstream.Message, header []byte) error {
		if e, ok := o.folder.Known.Entry(m.UID); ok && !o.folder.original(&e).Is(m, header) {
			seen = otherText(m.UID)
		}
		return nil
	})
	return seen, err
}

// otherSizes are those of listed messages whose size isn't the one that the ledger has.
func (o *oldNumbers) otherSizes(lines []upstream.Message) (doubtful []upstream.Message) {
	for _, m := range lines {
		if e, ok := o.folder.Known.Entry(m.UID); ok && m.Size >= 0 && ClampSize(m.Size) != ClampSize(o.folder.original(&e).Size) {
			doubtful = append(doubtful, m)
		}
	}
	return doubtful
}

// eachKnown lists the messages that the ledger knows.
func (o *oldNumbers) eachKnown(ctx context.Context, yielded func() error, fn func(upstream.Message)) error {
	for _, set := range session.Chunks(o.presentSet(), session.ListWindow) {
		if err := yielded(); err != nil {
			return err
		}
		err := o.folder.Old.ListMessages(ctx, set, 0, func(m upstream.Message) error {
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
func (o *oldNumbers) otherMessage(ctx context.Context, doubtful []upstream.Message) (seen string, err error) {
	for _, set := range session.Chunks(session.SetOfMessages(doubtful), session.ListWindow) {
		err := headersOf(ctx, o.folder.Old, set, func(m upstream.Message, header []byte) error {
			if e, ok := o.folder.Known.Entry(m.UID); ok && !o.folder.original(&e).Is(m, header) {
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
func (o *oldNumbers) recogniseOld(ctx context.Context, seen string) error {
	if err := o.folder.ReadLedger(ctx); err != nil {
		return err
	}
	o.folder.Begin()
	same, err := o.stillTheSame(ctx)
	if err != nil {
		return err
	}
	var void []store.Entry
	for _, e := range o.folder.Known.Entries {
		if !same[e.Key] {
			void = append(void, e)
		}
	}
	o.folder.Log.Warn().Str("seen", seen).Int("same", len(same)).Int("others", len(void)).
		Msg("the old server has given UIDs of this folder to other messages: its messages are recognised anew")
	return o.retireAll(ctx, void)
}

// stillTheSame are the keys of lines whose UIDs belong to their messages. One with the header and another size, which a
// server may announce, counts if neither is exactly what another line, or another message, is: without a Message-ID
// nothing else tells messages of one sender apart.
func (o *oldNumbers) stillTheSame(ctx context.Context) (map[store.Key]bool, error) {
	same, resembling := map[store.Key]bool{}, map[store.Key]message.Wanted{}
	there := map[message.Wanted]bool{}
	for _, set := range session.Chunks(o.presentSet(), session.ListWindow) {
		err := headersOf(ctx, o.folder.Old, set, func(m upstream.Message, header []byte) error {
			is := message.Wanted{Fingerprint: message.Fingerprint(header, m.Size), Size: m.Size}
			there[is] = true
			if e, ok := o.folder.Known.Entry(m.UID); ok && o.folder.original(&e).Is(m, header) {
				if same[e.Key] = true; o.folder.original(&e) != is {
					resembling[e.Key] = is
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(resembling) == 0 {
		return same, nil
	}
	known := make(map[message.Wanted]bool, len(o.folder.Known.Entries))
	for i := range o.folder.Known.Entries {
		known[o.folder.original(&o.folder.Known.Entries[i])] = true
	}
	for key, is := range resembling {
		if e, ok := message.FindEntry(o.folder.Known.Entries, key); ok && (known[is] || there[o.folder.original(&e)]) {
			delete(same, key)
		}
	}
	return same, nil
}

// retireAll makes former keys durable, and with the last of them a checkpoint from which everything is
// listed.
func (o *oldNumbers) retireAll(ctx context.Context, void []store.Entry) error {
	cp := Reset(o.folder.Row.Checkpoint, o.folder.Selected.UIDValidity)
	for first := true; first || len(void) > 0; first = false {
		part := void[:min(len(void), session.ListWindow)]
		void = void[len(part):]
		batch, intents := o.retire(part)
		if len(void) == 0 {
			batch.Checkpoint, batch.Release = &cp, o.keysOfQuarantine()
		}
		if err := o.folder.CommitLeaving(ctx, batch); err != nil {
			return err
		}
		if err := o.folder.intend(ctx, intents); err != nil {
			return err
		}
	}
	o.folder.Row.Checkpoint = cp
	return o.folder.beginAgain(ctx)
}

// intend writes intents, if there are any.
func (f *Folder) intend(ctx context.Context, intents []store.Intent) error {
	if len(intents) == 0 {
		return nil
	}
	return f.Store.Commit(ctx, store.Batch{Account: f.Account, Folder: f.Row.ID, Intents: intents})
}

// beginAgain goes on with the ledger and the checkpoint as they have just been put right.
func (f *Folder) beginAgain(ctx context.Context) error {
	if err := f.ReadLedger(ctx); err != nil {
		return err
	}
	f.Begin()
	all := f.Base.HighestModSeq == 0 // flags are to be compared: the count of changes has gone back
	if f.Base = f.Row.Checkpoint; all {
		f.Base.HighestModSeq = 0
	}
	f.Progress.Tell()
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
