package recovery

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// lostKept is how long a message that counted as lost is remembered: a server that
// stores it later than that is none that mail could be trusted with.
const lostKept = 7 * 24 * time.Hour

// remember has the store keep what counts as lost from now on. The new server never said
// what it had made of it: should it turn up after all, it is one too many by then.
func remember(batch *store.Batch, intents []store.Intent, now time.Time) {
	for _, in := range intents {
		if slices.Contains(batch.Drop, in.Key) {
			in.Written = now
			batch.Lost = append(batch.Lost, in)
		}
	}
	batch.Drop = nil
}

// secondCopy is a message of the new folder that may be one that counted as lost.
type secondCopy struct {
	lost   store.Intent
	uid    imap.UID
	copyOf store.Entry // the ledger's, of the message that was given to the server once more
}

// SecondCopies are messages that the new server has stored twice.
type SecondCopies struct {
	folder *Folder
	copies *Copies
}

// Seek looks whether what counted as lost has turned up beside the copy that was
// made since, and removes it if nobody has touched it. What isn't certain is left alone and told.
func (sc *SecondCopies) Seek(ctx context.Context) error {
	if len(sc.folder.Ledger.Lost) == 0 || sc.folder.Fleeting {
		return nil
	}
	batch := store.Batch{Account: sc.folder.Account, Folder: sc.folder.Row.ID}
	var live []store.Intent
	for _, in := range sc.folder.Ledger.Lost {
		if time.Since(in.Written) > lostKept || in.UIDValidity != sc.folder.Target.UIDValidity {
			batch.Found = append(batch.Found, in.Key)
		} else {
			live = append(live, in)
		}
	}
	seconds, err := sc.find(ctx, live)
	if err != nil || sc.folder.Fleeting { // what is open has shown that its UIDs mean nothing by the next time
		return err
	}
	removed, err := sc.remove(ctx, seconds)
	if err != nil {
		return err
	}
	if batch.Found = append(batch.Found, removed...); len(batch.Found) == 0 {
		return nil
	}
	return sc.folder.Store.Commit(ctx, batch)
}

// find are the messages that no line of the ledger stands for and that are like
// what counted as lost and has a copy.
func (sc *SecondCopies) find(ctx context.Context, lost []store.Intent) (seconds []secondCopy, err error) {
	if len(lost) == 0 {
		return nil, nil
	}
	found, err := sc.copies.Newcomers(ctx, Lowest(lost, sc.folder.Target.UIDValidity))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	want, keys := make([]message.Wanted, len(lost)), make([]store.Key, len(lost))
	for i, in := range lost {
		want[i], keys[i] = message.Wanted{Fingerprint: in.Fingerprint, Size: int64(in.Size)}, in.Key
	}
	copies, err := message.NewCandidates(found).TakeProved(ctx, want, sc.folder.byKeys(want, keys))
	if err != nil {
		return nil, err
	}
	for i, c := range copies {
		at, known := slices.BinarySearchFunc(sc.folder.Ledger.Entries, lost[i].Key, func(e store.Entry, k store.Key) int { return cmp.Compare(e.Key, k) })
		if c.UID == 0 || !known || sc.folder.Ledger.Entries[at].UID == 0 || sc.folder.Ledger.Entries[at].UIDValidity != sc.folder.Target.UIDValidity {
			continue
		}
		seconds = append(seconds, secondCopy{lost: lost[i], uid: c.UID, copyOf: sc.folder.Ledger.Entries[at]})
	}
	return seconds, nil
}

// remove removes second copies and returns the keys of those that are dealt with.
func (sc *SecondCopies) remove(ctx context.Context, seconds []secondCopy) (dealt []store.Key, err error) {
	if len(seconds) == 0 {
		return nil, nil
	}
	seen, err := sc.look(ctx, seconds)
	if err != nil {
		return nil, err
	}
	var set imap.UIDSet
	var marks []upstream.FlagChange
	for _, s := range seconds {
		if !seen.untouched(s) || !sc.folder.New.UIDPlus() {
			sc.folder.Log.Warn().Uint32("uid", uint32(s.uid)).Str("key", message.KeyText(s.lost.Key)).
				Msg("the new server stored a message twice, long after it had fallen silent; the second one is left, as somebody may have touched it")
			continue
		}
		set.AddNum(s.uid)
		marks = append(marks, upstream.FlagChange{UID: s.uid, Add: []imap.Flag{imap.FlagDeleted}})
		dealt = append(dealt, s.lost.Key)
	}
	if len(set) == 0 {
		return nil, nil
	}
	if err := sc.folder.New.StoreFlags(ctx, marks); err != nil {
		return nil, err
	}
	for _, part := range session.Chunks(set, checkSeconds) {
		if err := sc.folder.New.ExpungeUIDs(ctx, part); err != nil {
			return nil, err
		}
	}
	sc.folder.Log.Info().Int("messages", len(dealt)).Msg("removed messages that the new server had stored a second time, long after it had fallen silent")
	sc.folder.Sample = nil // it shows what has just been removed, which nothing may be taken for
	return dealt, sc.folder.sameNumbering(func() error { return sc.folder.LookAtNewAgain(ctx) })
}

// checkSeconds is how many messages are removed by one command.
const checkSeconds = 500

// seenSeconds is what the new folder has of second copies and of those that they double.
type seenSeconds struct {
	messages map[imap.UID]upstream.Message
	headers  map[imap.UID][]byte
}

// look reads flags, dates, sizes and headers, and leaves the folder open for changes.
func (sc *SecondCopies) look(ctx context.Context, seconds []secondCopy) (*seenSeconds, error) {
	seen := &seenSeconds{messages: map[imap.UID]upstream.Message{}, headers: map[imap.UID][]byte{}}
	var set imap.UIDSet
	for _, s := range seconds {
		set.AddNum(s.uid, s.copyOf.UID)
	}
	call, err := sc.folder.New.SendReadBack(ctx, sc.folder.Row.New, sc.folder.Target.UIDValidity, set, nil)
	if err != nil {
		return nil, err
	}
	found, err := call.Wait(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		seen.messages[m.UID] = m
	}
	sel, err := sc.folder.New.Select(ctx, sc.folder.Row.New)
	if err != nil {
		return nil, sc.folder.Gone(err, ErrNewGone)
	}
	if sel.UIDValidity != sc.folder.Target.UIDValidity {
		return nil, ErrNewGone
	}
	return seen, sc.folder.New.Headers(ctx, set, func(m upstream.Message, header []byte) error {
		told := seen.messages[m.UID]
		told.Size = m.Size
		seen.messages[m.UID], seen.headers[m.UID] = told, bytes.Clone(header)
		return nil
	})
}

// untouched tells whether a second copy is what was appended and the first is there as
// well: the same header, size and date, and no flag that it was not given.
func (s *seenSeconds) untouched(c secondCopy) bool {
	first, second := s.messages[c.copyOf.UID], s.messages[c.uid]
	firstHeader, secondHeader := s.headers[c.copyOf.UID], s.headers[c.uid]
	return len(firstHeader) > 0 && bytes.Equal(firstHeader, secondHeader) && first.Size == second.Size && first.Size > 0 &&
		first.Date.Equal(second.Date) && len(message.WithoutFlags(withoutRecent(second.Flags), c.lost.Flags)) == 0
}

// withoutRecent leaves out what a server sets by itself (RFC 3501 section 2.3.2).
func withoutRecent(flags []imap.Flag) []imap.Flag {
	return message.WithoutFlags(flags, []imap.Flag{`\Recent`})
}
