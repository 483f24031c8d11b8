package transfer

import (
	"context"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// carryFlags applies to the new folder the flag changes that happened on the
// old server since the last pull. What the user changed on the new server
// stays: per flag, only what differs between the ledger and the old server now
// is touched.
func (p *Pull) carryFlags(ctx context.Context) error {
	if p.Selected.POP3 {
		return nil // flags on the new server are the user's alone
	}
	cp := p.base
	if p.adopt != nil && len(p.adopt.stale) > 0 || p.Checks.mending || p.rekeyed {
		// What was adopted from the ledger carries the flags of former days; what the new
		// server has lost flags of was entered without them.
		if err := p.readLedger(ctx); err != nil {
			return err
		}
		p.known = session.NewKnown(p.ledger, p.Selected.Keys)
	}
	if len(p.known.Entries)+p.known.Before == 0 {
		return nil
	}
	if cp.HighestModSeq != 0 && cp.HighestModSeq == p.Selected.HighestModSeq && !p.Checks.mending {
		return nil
	}
	for _, set := range p.flagWindows() {
		if err := p.Yielded(); err != nil {
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
func (p *Pull) flagWindows() []imap.UIDSet {
	if p.base.HighestModSeq != 0 && p.Selected.HighestModSeq != 0 {
		return []imap.UIDSet{{imap.UIDRange{Start: 1, Stop: 0}}}
	}
	var sets []imap.UIDSet
	for i := 0; i < len(p.known.Entries); i += session.ListWindow {
		first, _ := p.Selected.Keys.UID(p.known.Entries[i].Key)
		last, _ := p.Selected.Keys.UID(p.known.Entries[min(i+session.ListWindow, len(p.known.Entries))-1].Key)
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

func (p *Pull) changedFlags(ctx context.Context, set imap.UIDSet) ([]flagged, error) {
	c := comparison{Pull: p}
	note := func(m upstream.Message) error { return c.note(ctx, m) }
	var err error
	if since := p.base.HighestModSeq; since != 0 && p.Selected.HighestModSeq != 0 {
		err = p.old.ListMessages(ctx, set, since, note)
	} else {
		err = p.old.ListFlags(ctx, set, note)
	}
	if err == nil {
		err = c.lookUp(ctx)
	}
	return c.changed, err
}

// comparison compares the flags of listed messages with the ledger's.
type comparison struct {
	*Pull
	changed []flagged
	unread  []upstream.Message // their lines of the ledger have not been read yet
}

func (c *comparison) note(ctx context.Context, m upstream.Message) error {
	if e, ok := c.known.Entry(m.UID); ok {
		c.compare(e, m)
		return nil
	}
	if c.known.Before == 0 {
		return nil
	}
	if c.unread = append(c.unread, m); len(c.unread) < session.ListWindow {
		return nil
	}
	return c.lookUp(ctx)
}

func (c *comparison) compare(e store.Entry, m upstream.Message) {
	add, remove := message.FlagChanges(message.BaseFlags(e.Flags, c.touched[e.Key], m.Flags), m.Flags)
	if len(add)+len(remove) > 0 {
		c.changed = append(c.changed, flagged{e, m.Flags, add, remove})
	}
}

// lookUp reads the lines of the ledger that are missing.
func (c *comparison) lookUp(ctx context.Context) error {
	if len(c.unread) == 0 {
		return nil
	}
	keys := make([]store.Key, len(c.unread))
	at := make(map[store.Key]upstream.Message, len(c.unread))
	for i, m := range c.unread {
		keys[i] = c.Selected.Keys.Key(m.UID)
		at[keys[i]] = m
	}
	c.unread = c.unread[:0]
	entries, err := c.Store.Entries(ctx, c.Account, c.Folder.ID, keys)
	for _, e := range entries {
		c.compare(e, at[e.Key])
	}
	return err
}

// applyFlags writes down what is to be changed, changes it on the new server
// and enters it in the ledger.
func (p *Pull) applyFlags(ctx context.Context, changed []flagged) error {
	if len(changed) == 0 {
		return nil
	}
	sel, shown, err := p.selectToChange(ctx, changed)
	if err != nil {
		return err
	}
	proved, err := p.prove(ctx, changed, sel, shown)
	if err != nil {
		return err
	}
	var changes []upstream.FlagChange
	intents := store.Batch{Account: p.Account, Folder: p.Folder.ID}
	proofs := intents
	for _, c := range changed {
		touch := message.NormaliseFlags(slices.Concat(c.add, c.remove, p.touched[c.entry.Key]))
		intents.Intents = append(intents.Intents, message.FlagIntent(c.entry, touch, time.Now()))
		if _, ok := proved[c.entry.UID]; ok && c.entry.UID != 0 && c.entry.UIDValidity == sel.UIDValidity {
			changes = appendChange(changes, c, sel)
		}
		c.entry.Flags = message.NormaliseFlags(c.now)
		if Fleeting(sel) {
			c.entry.UIDValidity, c.entry.UID = 0, 0
		}
		proofs.Proofs = append(proofs.Proofs, c.entry)
	}
	if err := p.Store.Commit(ctx, intents); err != nil {
		return err
	}
	if err := p.new.StoreFlags(ctx, changes); upstream.ClassOf(err) == upstream.Refused && upstream.Answered(err) {
		p.Log.Warn().Err(err).Msg("the new server refuses flags; its messages stay without them")
	} else if err != nil {
		return err
	}
	p.Done.flagChanges.Add(uint64(len(changes)))
	return p.Store.Commit(ctx, proofs)
}

// appendChange adds what the new folder can keep of a change.
func appendChange(changes []upstream.FlagChange, c flagged, sel *upstream.Selected) []upstream.FlagChange {
	add, _ := message.PermittedFlags(c.add, sel.PermanentFlags, sel.AnyFlag)
	if len(add)+len(c.remove) == 0 {
		return changes
	}
	return append(changes, upstream.FlagChange{UID: c.entry.UID, Add: add, Remove: c.remove})
}
