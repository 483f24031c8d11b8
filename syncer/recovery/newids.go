package recovery

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/upstream"
)

// tried is how many messages are looked at to tell new ids from new mail.
const tried = 20

// CheckIDs finds out whether a server whose keys may change (POP3) has given its messages new ids:
// none that it lists is known, but some messages are. Then the folder is one that has
// never been pulled to its end, so that messages are recognised with slack, on
// both sides, over as many pulls as it takes.
//
// When only some ids have changed, the folder stays what it is: new mail like
// any other, but that messages exactly like one that is not listed any more
// take over its line in the ledger.
func (f *Folder) CheckIDs(ctx context.Context) error {
	cp := f.Row.Checkpoint
	if f.Selected.Traits.StableKeys || cp.Checked.IsZero() || f.Selected.Messages == 0 || f.Known.Count() > 0 || len(f.Known.Stale) == 0 {
		return nil
	}
	var sample []upstream.Message
	first := imap.UIDSet{imap.UIDRange{Start: 1, Stop: f.Selected.UIDNext - 1}}
	err := f.Old.ListMessages(ctx, first, 0, func(m upstream.Message) error {
		if len(sample) < tried {
			sample = append(sample, m)
		}
		return nil
	})
	if err != nil {
		return err
	}
	want, err := f.OldFingerprints(ctx, sample)
	if err != nil {
		return err
	}
	for _, c := range message.NewCandidates(f.StaleCandidates()).TakeAll(want) {
		if c.UID != 0 {
			return f.newIDs(ctx)
		}
	}
	return nil // a mailbox that was emptied and has new mail
}

// newIDsMark is kept as the HighestModSeq of a folder without lasting keys, which has no other use
// there, until its messages have been recognised.
const newIDsMark = 1

// Slack tells whether messages whose keys are not known may differ a little
// from those in the ledger that they are recognised as. Otherwise they are new
// mail: one that came a second time by way of a list, say.
func (f *Folder) Slack() bool {
	if f.Selected.Traits.StableKeys || f.Base.HighestModSeq == newIDsMark {
		return true
	}
	return f.First() && slices.ContainsFunc(f.Known.Stale, func(e store.Entry) bool { return len(e.Key) == message.IMAPKeyLength })
}

func (f *Folder) newIDs(ctx context.Context) error {
	f.Log.Warn().Int("ledger", len(f.Known.Stale)).Uint32("messages", f.Selected.Messages).
		Msg("the old server has given all messages new ids: they are recognised again")
	f.Row.Checkpoint = Reset(f.Row.Checkpoint, 0)
	f.Row.Checkpoint.Messages, f.Row.Checkpoint.HighestModSeq = f.Selected.Messages, newIDsMark
	again := f.Row.Checkpoint
	return f.Store.Commit(ctx, store.Batch{Account: f.Account, Folder: f.Row.ID, Checkpoint: &again})
}
