package treesync

import (
	"context"
	"math/rand/v2"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream"
)

// All of a folder's numbers may be what they were, and its newest messages be others all the
// same: a server was put back to a backup, and as much has come since as had before. So each
// look at the trees asks both servers, in the round trip that it takes anyway, for the newest messages
// of the inbox and of one other folder, which is drawn. The old server is asked for the oldest known one as well: one that
// gives a folder's messages other UIDs while they are copied shows that by the first of them.

// spotCheck is a look at a folder's newest messages on both servers.
type spotCheck struct {
	row        store.Folder
	entries    []store.Entry // the oldest and the newest of the ledger
	repaired   []store.Repaired
	quarantine []store.Quarantined
	sample     *recovery.Sample // of the new folder; nil for none

	old     session.MessageHeaders
	oldCall session.HeadersCall
	oldSel  *upstream.Selected
}

// withSpotChecks asks for spot checks, does something else, and waits for what they were answered. What a server
// refuses shows nothing.
func withSpotChecks(ctx context.Context, checks []*spotCheck, ask func(*spotCheck) error, answer func(*spotCheck, context.Context) error, other func() error) error {
	for _, p := range checks {
		if err := ask(p); err != nil && !recovery.Refusal(err) {
			return err
		}
	}
	if err := other(); err != nil {
		return err
	}
	for _, p := range checks {
		if err := answer(p, ctx); err != nil && !recovery.Refusal(err) {
			return err
		}
	}
	return nil
}

func (p *spotCheck) askOld(ctx context.Context, s session.Source) (err error) {
	set := recovery.LastKnown(p.row.Checkpoint)
	if validity, uid, ok := message.SplitKey(p.oldest()); ok && validity == p.row.Checkpoint.UIDValidity {
		set.AddNum(uid)
	}
	p.oldCall, err = s.SendHeaders(ctx, p.row.Old, set, p.old.Take)
	return err
}

// oldest is the key of the first line of the ledger; "" for none.
func (p *spotCheck) oldest() store.Key {
	if len(p.entries) == 0 {
		return ""
	}
	return p.entries[0].Key
}

func (p *spotCheck) answerOld(ctx context.Context) (err error) {
	if p.oldCall == nil {
		return nil
	}
	sel, err := p.oldCall.Wait(ctx)
	if err == nil {
		p.oldSel = sel
	}
	return err
}

func (p *spotCheck) askNew(ctx context.Context, s session.Target) error {
	if p.sample == nil {
		return nil
	}
	return p.sample.Send(ctx, s, p.row.New)
}

func (p *spotCheck) answerNew(ctx context.Context) error {
	if p.sample == nil || p.sample.Call == nil {
		return nil
	}
	return p.sample.Wait(ctx)
}

// suspects are the folders in which one has found other messages than the ledger has.
func suspects(checks []*spotCheck) map[store.FolderID]bool {
	found := map[store.FolderID]bool{}
	for _, p := range checks {
		if p.otherOnOld() || p.otherOnNew() || p.flagsUnseen() {
			found[p.row.ID] = true
		}
	}
	return found
}

func (p *spotCheck) otherOnOld() bool {
	cp := p.row.Checkpoint
	if p.oldSel == nil || p.oldSel.UIDValidity != cp.UIDValidity {
		return false // shows anyway
	}
	for _, h := range p.old {
		e, ok := message.FindEntry(p.entries, message.IMAPKey(cp.UIDValidity, h.Message.UID))
		if ok && !message.OriginalOf(&e, p.repaired).Is(h.Message, h.Header) {
			return true
		}
	}
	return false
}

// flagsUnseen tells whether flags have changed on the old server although its count of changes is what it was.
func (p *spotCheck) flagsUnseen() bool {
	cp := p.row.Checkpoint
	return p.oldSel != nil && p.oldSel.UIDValidity == cp.UIDValidity && p.oldSel.HighestModSeq == cp.HighestModSeq &&
		recovery.FlagsUnseen(cp, p.old, p.quarantine, func(uid imap.UID) (store.Entry, bool) {
			return message.FindEntry(p.entries, message.IMAPKey(cp.UIDValidity, uid))
		})
}

// otherOnNew does not count copies that are the old server's messages but for what a server has rewritten.
func (p *spotCheck) otherOnNew() bool {
	g := p.sample
	if g == nil || g.Sel == nil || recovery.Fleeting(g.Sel) || g.Sel.UIDValidity != g.Validity {
		return false
	}
	for key, header := range g.Doubtful {
		if _, uid, _ := message.SplitKey(key); !p.shown(uid, header) {
			return true
		}
	}
	return false
}

func (p *spotCheck) shown(uid imap.UID, header []byte) bool {
	for _, h := range p.old {
		if h.Message.UID == uid {
			return message.SameHeader(h.Header, header)
		}
	}
	return false
}

// chooseSpotChecks chooses folders that have been pulled to their ends.
func (k *treeLook) chooseSpotChecks(ctx context.Context) (checks []*spotCheck, err error) {
	if !k.pair.Traits().Folders {
		return nil, nil
	}
	var inbox, others []store.Folder
	for _, f := range k.known {
		switch {
		case f.State != store.FolderPresent || f.Checkpoint.Checked.IsZero() || f.Checkpoint.UIDNext <= 1:
		case strings.EqualFold(f.Old, foldertree.InboxName):
			inbox = append(inbox, f)
		default:
			others = append(others, f)
		}
	}
	chosen := inbox
	if len(others) > 0 {
		chosen = append(chosen, others[rand.IntN(len(others))])
	}
	for _, f := range chosen {
		tail, err := k.of.Store.LedgerFrom(ctx, k.of.ID, f.ID, message.IMAPKey(f.Checkpoint.UIDValidity, recovery.TailFrom(f.Checkpoint)))
		if err != nil {
			return nil, err
		}
		p := &spotCheck{row: f, entries: tail.Entries, repaired: tail.Repaired, quarantine: tail.Quarantine}
		if tail.Before > 0 {
			p.entries = append([]store.Entry{tail.First}, p.entries...)
		}
		if f.Checkpoint.NewUIDValidity != 0 {
			if p.sample = recovery.NewSample(f.Checkpoint, tail.Entries, tail.Away); p.sample != nil && len(p.sample.Copies) > 0 {
				p.sample.From = 0 // what has come since is none of its business
			} else {
				p.sample = nil
			}
		}
		checks = append(checks, p)
	}
	return checks, nil
}
