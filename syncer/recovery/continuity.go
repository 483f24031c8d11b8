package recovery

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/upstream"
)

// As long as a folder's UIDVALIDITY stays, its UIDNEXT and HIGHESTMODSEQ only grow (RFC 9051
// section 2.3.1.1, RFC 7162 section 3.1.1). Where they have gone back, or a UID belongs to
// another message than the ledger says, the server was put back to a backup or has lost
// its list of UIDs, and UIDs say nothing any more: the folder's messages are recognised anew
// by what they are, as after a change of UIDVALIDITY.

// ErrRecognised says that the ledger has been put right, and that the pull begins again with it.
var ErrRecognised = errors.New("the messages of the folder had to be recognised anew")

// Reset is a checkpoint that proves nothing of the old side any more.
func Reset(cp store.Checkpoint, uidValidity uint32) store.Checkpoint {
	return store.Checkpoint{UIDValidity: uidValidity,
		NewUIDValidity: cp.NewUIDValidity, NewUIDNext: cp.NewUIDNext, NewHighestModSeq: cp.NewHighestModSeq}
}

// wentBack says what of a folder's numbers has gone back since they were noted; "" for
// nothing. Numbers that are 0 are not known.
func wentBack(wasNext, next imap.UID, wasModSeq, modSeq uint64) string {
	switch {
	case next != 0 && next < wasNext:
		return fmt.Sprintf("UIDNEXT is %d after it was %d", next, wasNext)
	case modSeq != 0 && modSeq < wasModSeq:
		return fmt.Sprintf("HIGHESTMODSEQ is %d after it was %d", modSeq, wasModSeq)
	}
	return ""
}

// newWentBack is wentBack for a new folder with that status.
func newWentBack(cp store.Checkpoint, st upstream.Status) string {
	if cp.NewUIDValidity == 0 || st.UIDValidity != cp.NewUIDValidity {
		return ""
	}
	return wentBack(cp.NewUIDNext, st.UIDNext, cp.NewHighestModSeq, st.HighestModSeq)
}

// NewMoved tells whether the new folder isn't as it was when the checkpoint was taken: there is
// mail that Postferry has not put there, or its numbering has gone back.
func NewMoved(cp store.Checkpoint, st upstream.Status) bool {
	return cp.NewUIDValidity != 0 && st.UIDValidity == cp.NewUIDValidity && st.UIDNext != 0 &&
		(st.UIDNext != cp.NewUIDNext || newWentBack(cp, st) != "")
}

// Numbers are how both servers number the folder's messages, beside what checkpoint and ledger were made with.
type Numbers struct {
	folder *Folder
	copies *Copies
	old    oldNumbers
	Beyond []message.Candidate // messages that have come to the new folder since the checkpoint and that no line stands for
	Below  []message.Candidate // others that are there, where nothing shows which messages have come since
}

// Check compares the numbering of both folders with what checkpoint and ledger were
// made with, until it is asked to stop.
func (n *Numbers) Check(ctx context.Context, yielded func() error) error {
	if err := n.old.check(ctx, yielded); err != nil {
		return err
	}
	return n.checkNew(ctx)
}

// NoteNew notes in a checkpoint how far the new folder has been looked at: whatever it has
// below that is in the ledger, or not ours.
func (f *Folder) NoteNew(cp *store.Checkpoint) {
	if f.Fleeting {
		cp.NewUIDValidity, cp.NewUIDNext, cp.NewHighestModSeq = 0, 0, 0
		return
	}
	cp.NewUIDValidity, cp.NewHighestModSeq = f.Target.UIDValidity, f.Target.HighestModSeq
	cp.NewUIDNext = max(f.Target.UIDNext, f.lastOwn+1)
}

// Placed notes where the new server has put a copy.
func (f *Folder) Placed(uidValidity uint32, uid imap.UID) {
	if uidValidity == f.Target.UIDValidity {
		f.lastOwn = max(f.lastOwn, uid)
	}
}

// Fresh tells whether a message that has come just now can have a UID: one behind all that were there when the folder was
// opened and that have been placed since (RFC 9051 section 2.3.1.1).
func (f *Folder) Fresh(uid imap.UID) bool { return uid >= f.Target.UIDNext && uid > f.lastOwn }

// Differ tells whether two UIDVALIDITYs are known and not the same.
func Differ(was, now uint32) bool { return was != 0 && now != 0 && was != now }
