package recovery

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// A line whose message isn't in its folder any more stands for one that was moved. Whether it is still there, its UID alone doesn't tell: UIDs may have
// been given anew since.

// present tells which lines' keys belong to messages of the open folder that are there.
func (mv *Moves) present(ctx context.Context, ring session.Keyring, lines []movedLine) (there map[store.Key]bool, err error) {
	there = map[store.Key]bool{}
	var set imap.UIDSet
	for _, l := range lines {
		if uid, ok := ring.UID(l.Key); ok {
			set.AddNum(uid)
		}
	}
	if len(set) == 0 {
		return there, nil
	}
	return there, askedAgain(set, func(set imap.UIDSet, told func(imap.UID)) error {
		return mv.Old.ListFlags(ctx, set, func(m upstream.Message) error {
			told(m.UID)
			there[ring.Key(m.UID)] = true
			return nil
		})
	})
}

// errUnseen is a folder that does not open although it is listed: nobody knows what is in it.
var errUnseen = errors.New("the folder does not open")

// presentIn is present for another folder. One that is not listed any more and does not open is gone, with
// all that was in it. Of one that does not open although it is listed it is errUnseen, as that is told and tried again; if it isn't pulled any
// more, everything counts as there. In one with another UIDVALIDITY, which may be another folder with its name, the messages are looked for;
// likewise in one whose UIDs are of other messages now, and, where UIDs are gone, among the messages that have come since it was pulled: they
// may be the same under other UIDs.
func (mv *Moves) presentIn(ctx context.Context, s Thin, lines []movedLine) (map[store.Key]bool, error) {
	f, err := mv.Old.Open(ctx, s.Old, session.OpenWith{})
	refused := link.ClassOf(err) == link.Refused
	switch {
	case refused && !s.Listed:
		return nil, nil
	case refused && s.Pulled:
		return nil, errUnseen
	case refused:
		return keysOf(lines), nil
	case err != nil:
		return nil, err
	}
	anew, err := mv.numberedAnew(ctx, f, s)
	if err != nil {
		return nil, err
	}
	if anew {
		return mv.alikeIn(ctx, lines, 1, nil)
	}
	there, err := mv.present(ctx, f.Keys, lines)
	rest := slices.DeleteFunc(slices.Clone(lines), func(l movedLine) bool { return there[l.Key] })
	if err != nil || len(rest) == 0 || f.UIDNext == s.Next {
		return there, err
	}
	numbered, err := mv.alikeIn(ctx, rest, max(s.Next, 1), func(uid imap.UID) bool { return there[f.Keys.Key(uid)] })
	maps.Copy(there, numbered)
	return there, err
}

// numberedAnew tells whether the UIDs of another folder, which is open, are of other messages than when it was pulled.
func (mv *Moves) numberedAnew(ctx context.Context, f *session.SourceFolder, s Thin) (bool, error) {
	if f.UIDValidity != s.Validity || f.UIDNext < s.Next {
		return true, nil
	}
	last := LastKnown(store.Checkpoint{UIDNext: s.Next})
	if len(last) == 0 {
		return false, nil
	}
	var told session.MessageHeaders
	if err := mv.Old.Headers(ctx, last, told.Take); err != nil {
		return false, err
	}
	keys := make([]store.Key, len(told))
	for i, h := range told {
		keys[i] = f.Keys.Key(h.Message.UID)
	}
	was, err := mv.Store.Entries(ctx, mv.Account, s.ID, keys)
	return slices.ContainsFunc(told, func(h session.MessageHeader) bool {
		i := slices.IndexFunc(was, func(e store.Entry) bool { return e.Key == f.Keys.Key(h.Message.UID) })
		return i >= 0 && !mv.originalIn(s.ID, was[i]).Is(h.Message, h.Header)
	}), err
}

// originalIn is what the old server's message of another folder's line is recognised by.
func (mv *Moves) originalIn(folder store.FolderID, e store.Entry) message.Wanted {
	if r, ok := mv.repaired[store.Elsewhere{Folder: folder, Key: e.Key}]; ok {
		return message.Wanted{Fingerprint: r.Fingerprint, Size: int64(r.Size)}
	}
	return message.Wanted{Fingerprint: e.Fingerprint, Size: int64(e.Size)}
}

func keysOf(lines []movedLine) map[store.Key]bool {
	keys := make(map[store.Key]bool, len(lines))
	for _, l := range lines {
		keys[l.Key] = true
	}
	return keys
}

// alikeIn tells for which lines the open folder has messages like theirs from a UID on, one for each. What other lines
// stand for is not counted.
func (mv *Moves) alikeIn(ctx context.Context, lines []movedLine, from imap.UID, known func(imap.UID) bool) (map[store.Key]bool, error) {
	want := make([]message.Wanted, len(lines))
	sizes := map[int64]bool{}
	for i, l := range lines {
		want[i], sizes[l.Size] = l.Wanted, true
	}
	var set imap.UIDSet
	err := mv.Old.ListMessages(ctx, imap.UIDSet{imap.UIDRange{Start: from, Stop: 0}}, 0, func(m upstream.Message) error {
		if sizes[m.Size] && m.UID >= from && (known == nil || !known(m.UID)) {
			set.AddNum(m.UID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var found []message.Candidate
	for _, part := range session.Chunks(set, session.ListWindow) {
		err := headersOf(ctx, mv.Old, part, func(m upstream.Message, header []byte) error {
			found = append(found, message.Candidate{Fingerprint: message.Fingerprint(header, m.Size), Size: m.Size, UID: m.UID})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	there := map[store.Key]bool{}
	for i, c := range message.NewCandidates(found).TakeExact(want) {
		if c.UID != 0 {
			there[lines[i].Key] = true
		}
	}
	return there, nil
}
