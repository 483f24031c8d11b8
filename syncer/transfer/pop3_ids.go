package transfer

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

// checkIDs finds out whether a POP3 server has given its messages new ids:
// none that it lists is known, but some messages are. Then the folder is one that has
// never been pulled to its end, so that messages are recognised with slack, on
// both sides, over as many pulls as it takes.
//
// When only some ids have changed, the folder stays what it is: new mail like
// any other, but that messages exactly like one that is not listed any more
// take over its line in the ledger.
func (p *Pull) checkIDs(ctx context.Context) error {
	cp := p.Folder.Checkpoint
	if !p.Selected.POP3 || cp.Checked.IsZero() || p.Selected.Messages == 0 || p.known.Count() > 0 || len(p.known.Stale) == 0 {
		return nil
	}
	var sample []upstream.Message
	first := imap.UIDSet{imap.UIDRange{Start: 1, Stop: p.Selected.UIDNext - 1}}
	err := p.old.ListMessages(ctx, first, 0, func(m upstream.Message) error {
		if len(sample) < tried {
			sample = append(sample, m)
		}
		return nil
	})
	if err != nil {
		return err
	}
	want, err := p.oldFingerprints(ctx, sample)
	if err != nil {
		return err
	}
	for _, c := range message.NewCandidates(p.staleCandidates()).TakeAll(want) {
		if c.UID != 0 {
			return p.newIDs(ctx)
		}
	}
	return nil // a mailbox that was emptied and has new mail
}

// newIDsMark is kept as a POP3 folder's HighestModSeq, which has no other use
// there, until its messages have been recognised.
const newIDsMark = 1

// slack tells whether messages whose keys are not known may differ a little
// from those in the ledger that they are recognised as. Otherwise they are new
// mail: one that came a second time by way of a list, say.
func (p *Pull) slack() bool {
	if !p.Selected.POP3 || p.base.HighestModSeq == newIDsMark {
		return true
	}
	return p.first() && slices.ContainsFunc(p.known.Stale, func(e store.Entry) bool { return len(e.Key) == message.IMAPKeyLength })
}

func (p *Pull) newIDs(ctx context.Context) error {
	p.Log.Warn().Int("ledger", len(p.known.Stale)).Uint32("messages", p.Selected.Messages).
		Msg("the old server has given all messages new ids: they are recognised again")
	p.Folder.Checkpoint = reset(p.Folder.Checkpoint, 0)
	p.Folder.Checkpoint.Messages, p.Folder.Checkpoint.HighestModSeq = p.Selected.Messages, newIDsMark
	again := p.Folder.Checkpoint
	return p.Store.Commit(ctx, store.Batch{Account: p.Account, Folder: p.Folder.ID, Checkpoint: &again})
}
