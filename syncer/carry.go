package syncer

import (
	"context"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// carryFlags applies to the new folder the flag changes that happened on the
// old server since the last pull. What the user changed on the new server
// stays: per flag, only what differs between the ledger and the old server now
// is touched.
func (p *pull) carryFlags(ctx context.Context) error {
	if p.selected.pop3 {
		return nil // flags on the new server are the user's alone
	}
	cp := p.base
	if p.adopt != nil && len(p.adopt.stale) > 0 || p.checks.mending {
		// What was adopted from the ledger carries the flags of former days; what the new
		// server has lost flags of was entered without them.
		if err := p.readLedger(ctx); err != nil {
			return err
		}
		p.known = newKnown(p.ledger, p.selected.keys)
	}
	if len(p.known.entries) == 0 {
		return nil
	}
	if cp.HighestModSeq != 0 && cp.HighestModSeq == p.selected.HighestModSeq && !p.checks.mending {
		return nil
	}
	for _, set := range p.flagWindows() {
		if err := p.yielded(); err != nil {
			return err
		}
		changed, err := p.changedFlags(ctx, set)
		if err != nil {
			return err
		}
		if err := p.applyFlags(ctx, changed); err != nil {
			return err
		}
	}
	return nil
}

// flagWindows are the UIDs to look at: with a mod-sequence to start from the
// server picks, without one all known messages are compared window by window.
func (p *pull) flagWindows() []imap.UIDSet {
	if p.base.HighestModSeq != 0 && p.selected.HighestModSeq != 0 {
		return []imap.UIDSet{{imap.UIDRange{Start: 1, Stop: 0}}}
	}
	var sets []imap.UIDSet
	for i := 0; i < len(p.known.entries); i += listWindow {
		first, _ := p.selected.keys.uid(p.known.entries[i].Key)
		last, _ := p.selected.keys.uid(p.known.entries[min(i+listWindow, len(p.known.entries))-1].Key)
		sets = append(sets, imap.UIDSet{imap.UIDRange{Start: first, Stop: last}})
	}
	return sets
}

// flagged is a ledger line and what became of its message's flags on the old server.
type flagged struct {
	entry       store.Entry
	now         []imap.Flag
	add, remove []imap.Flag
}

func (p *pull) changedFlags(ctx context.Context, set imap.UIDSet) ([]flagged, error) {
	var changed []flagged
	note := func(m upstream.Message) error {
		e, ok := p.known.entry(m.UID)
		if !ok {
			return nil
		}
		add, remove := flagDelta(baseFlags(e.Flags, p.touched[e.Key], m.Flags), m.Flags)
		if len(add)+len(remove) > 0 {
			changed = append(changed, flagged{e, m.Flags, add, remove})
		}
		return nil
	}
	since := p.base.HighestModSeq
	if since != 0 && p.selected.HighestModSeq != 0 {
		err := p.old.ListMessages(ctx, set, since, note)
		return changed, err
	}
	err := p.old.ListFlags(ctx, set, note)
	return changed, err
}

// applyFlags writes down what is to be changed, changes it on the new server
// and enters it in the ledger.
func (p *pull) applyFlags(ctx context.Context, changed []flagged) error {
	if len(changed) == 0 {
		return nil
	}
	sel, err := p.new.Select(ctx, p.folder.New)
	if err != nil {
		return p.gone(err, errNewGone)
	}
	if err := p.locate(ctx, sel, changed); err != nil {
		return err
	}
	var changes []upstream.FlagChange
	intents := store.Batch{Account: p.account, Folder: p.folder.ID}
	proofs := intents
	for _, c := range changed {
		touch := normalise(slices.Concat(c.add, c.remove, p.touched[c.entry.Key]))
		intents.Intents = append(intents.Intents, flagIntent(c.entry, touch, time.Now()))
		if c.entry.UID != 0 && c.entry.UIDValidity == sel.UIDValidity {
			changes = appendChange(changes, c, sel)
		}
		c.entry.Flags = normalise(c.now)
		if fleeting(sel) {
			c.entry.UIDValidity, c.entry.UID = 0, 0
		}
		proofs.Proofs = append(proofs.Proofs, c.entry)
	}
	if err := p.store.Commit(ctx, intents); err != nil {
		return err
	}
	if err := p.new.StoreFlags(ctx, changes); err != nil {
		return err
	}
	p.done.flagChanges.Add(uint64(len(changes)))
	return p.store.Commit(ctx, proofs)
}

// appendChange adds what the new folder can keep of a change.
func appendChange(changes []upstream.FlagChange, c flagged, sel *upstream.Selected) []upstream.FlagChange {
	add, _ := permitted(c.add, sel.PermanentFlags, sel.AnyFlag)
	if len(add)+len(c.remove) == 0 {
		return changes
	}
	return append(changes, upstream.FlagChange{UID: c.entry.UID, Add: add, Remove: c.remove})
}
