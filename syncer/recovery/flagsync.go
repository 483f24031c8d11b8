package recovery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// FlagSync carries changed flags over.
type FlagSync struct {
	folder  *Folder
	copies  *Copies
	numbers *Numbers
	Proved  map[imap.UID]struct{} // copies that have been looked at before their flags were changed
}

// Carry applies to the new folder the flag changes that happened on the
// old server since the last pull. What the user changed on the new server
// stays: per flag, only what differs between the ledger and the old server now
// is touched.
func (s *FlagSync) Carry(ctx context.Context, adopted bool, yielded func() error) error {
	cp := s.folder.Base
	if adopted || s.folder.Mending || s.folder.Rekeyed {
		// What was adopted from the ledger carries the flags of former days; what the new
		// server has lost flags of was entered without them.
		if err := s.folder.ReadLedger(ctx); err != nil {
			return err
		}
		s.folder.Known = session.NewKnown(s.folder.Ledger, s.folder.Selected.Keys)
	}
	if len(s.folder.Known.Entries)+s.folder.Known.Before == 0 {
		return nil
	}
	if cp.HighestModSeq != 0 && cp.HighestModSeq == s.folder.Selected.HighestModSeq && !s.folder.Mending {
		return nil
	}
	unlisted := imap.UID(0)
	for _, set := range s.flagWindows() {
		if err := yielded(); err != nil {
			return err
		}
		c, err := s.changedFlags(ctx, set)
		if err != nil {
			return err
		}
		if err := s.applyFlags(ctx, c.changed); err != nil {
			return err
		}
		if unlisted == 0 {
			unlisted = c.unlisted
		}
	}
	return s.folder.listAgain(ctx, unlisted)
}

// flagWindows are the UIDs to look at: with a mod-sequence to start from the
// server picks, without one all messages are compared window by window, of as many known ones each.
func (s *FlagSync) flagWindows() []imap.UIDSet {
	if s.folder.Base.HighestModSeq != 0 && s.folder.Selected.HighestModSeq != 0 {
		return []imap.UIDSet{{imap.UIDRange{Start: 1, Stop: 0}}}
	}
	var sets []imap.UIDSet
	known, from := s.folder.Known.Entries, imap.UID(1)
	for len(known) > 0 {
		part := known[:min(len(known), session.ListWindow)]
		known = known[len(part):]
		to, _ := s.folder.Selected.Keys.UID(part[len(part)-1].Key)
		if len(known) == 0 {
			to = max(to, s.folder.Row.Checkpoint.UIDNext-min(s.folder.Row.Checkpoint.UIDNext, 1))
		}
		sets = append(sets, imap.UIDSet{imap.UIDRange{Start: from, Stop: to}})
		from = to + 1
	}
	return sets
}

// flagged is a ledger line and what became of its message's flags on the old server.
type flagged struct {
	entry       store.Entry
	now         []imap.Flag
	add, remove []imap.Flag
}

func (s *FlagSync) changedFlags(ctx context.Context, set imap.UIDSet) (*comparison, error) {
	c := &comparison{Folder: s.folder}
	note := func(m upstream.Message) error { return c.note(ctx, m) }
	var err error
	if since := s.folder.Base.HighestModSeq; since != 0 && s.folder.Selected.HighestModSeq != 0 {
		err = s.folder.Old.ListMessages(ctx, set, since, note)
	} else {
		err = s.folder.Old.ListFlags(ctx, set, note)
	}
	if err == nil {
		err = c.lookUp(ctx)
	}
	return c, err
}

// comparison compares the flags of listed messages with the ledger's.
type comparison struct {
	*Folder
	changed  []flagged
	unread   []upstream.Message // their lines of the ledger have not been read yet
	unlisted imap.UID           // the lowest UID of a message that earlier listings lacked; 0 for none
}

func (c *comparison) note(ctx context.Context, m upstream.Message) error {
	if e, ok := c.Known.Entry(m.UID); ok {
		c.compare(e, m)
		return nil
	}
	if c.Known.Before == 0 {
		c.noteUnknown(m)
		return nil
	}
	if c.unread = append(c.unread, m); len(c.unread) < session.ListWindow {
		return nil
	}
	return c.lookUp(ctx)
}

// noteUnknown notes a message that has no line of the ledger.
func (c *comparison) noteUnknown(m upstream.Message) {
	if c.Folder.unlisted(m) && (c.unlisted == 0 || m.UID < c.unlisted) {
		c.unlisted = m.UID
	}
}

func (c *comparison) compare(e store.Entry, m upstream.Message) {
	if _, gone := c.Known.Gone[m.UID]; gone {
		return // an entry that is written anew would take it out of the quarantine
	}
	add, remove := message.FlagChanges(message.BaseFlags(e.Flags, c.Touched[e.Key], m.Flags), m.Flags)
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
	entries, err := c.Store.Entries(ctx, c.Account, c.Row.ID, keys)
	if err != nil {
		return err
	}
	for _, e := range entries {
		c.compare(e, at[e.Key])
		delete(at, e.Key)
	}
	for _, m := range at {
		c.noteUnknown(m)
	}
	return nil
}

// applyFlags writes down what is to be changed, changes it on the new server
// and enters it in the ledger.
func (s *FlagSync) applyFlags(ctx context.Context, changed []flagged) error {
	if len(changed) == 0 {
		return nil
	}
	sel, shown, err := s.selectToChange(ctx, changed)
	if err != nil {
		return err
	}
	proved, err := s.prove(ctx, changed, sel, shown)
	if err != nil {
		return err
	}
	var changes []upstream.FlagChange
	intents := store.Batch{Account: s.folder.Account, Folder: s.folder.Row.ID}
	proofs := intents
	for _, c := range changed {
		touch := message.NormaliseFlags(slices.Concat(c.add, c.remove, s.folder.Touched[c.entry.Key]))
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
	if err := s.folder.Store.Commit(ctx, intents); err != nil {
		return err
	}
	if err := s.folder.New.StoreFlags(ctx, changes); forbidden(err) {
		return err
	} else if link.ClassOf(err) == link.Refused && link.Answered(err) {
		s.folder.Log.Warn().Err(err).Msg("the new server refuses flags; its messages stay without them")
	} else if err != nil {
		return err
	}
	if sel.ReadOnly {
		if err := s.changedAny(ctx, changes); err != nil {
			return err
		}
	}
	s.folder.Progress.FlagsChanged(uint64(len(changes)))
	return s.folder.Store.Commit(ctx, proofs)
}

// changedAny looks whether anything has come of changes in a folder of which the new server says that nothing may be changed in it:
// some servers take a STORE all the same, others say OK and do nothing, where rights (RFC 4314) have been taken away.
func (s *FlagSync) changedAny(ctx context.Context, changes []upstream.FlagChange) error {
	some := changes[:min(len(changes), lookedAt)]
	var set imap.UIDSet
	for _, c := range some {
		set.AddNum(c.UID)
	}
	if len(set) == 0 {
		return nil
	}
	call, err := s.folder.New.SendReadBack(ctx, s.folder.Row.New, s.folder.Target.UIDValidity, set, nil)
	if err != nil {
		return err
	}
	found, err := call.Wait(ctx)
	if err != nil {
		return err
	}
	for _, m := range found {
		at := slices.IndexFunc(some, func(c upstream.FlagChange) bool { return c.UID == m.UID })
		if at >= 0 && len(message.WithoutFlags(some[at].Add, m.Flags)) == 0 && len(message.WithoutFlags(some[at].Remove, m.Flags)) == len(some[at].Remove) {
			return nil
		}
	}
	if len(found) == 0 {
		return nil
	}
	return errReadOnly
}

// lookedAt is how many messages show whether flags can be changed.
const lookedAt = 100

var errReadOnly error = &problem.Error{Kind: store.FolderRefused, Server: store.NewSide, Text: "the new server says that nothing may be changed in the folder, and has changed no flag",
	Summary: reason.Of(reason.TroubleFlagsRefused)}

// forbidden tells whether a server says that the right to something is missing (RFC 5530).
func forbidden(err error) bool {
	e, ok := errors.AsType[*link.Error](err)
	return ok && e.Class == link.Refused && e.Code == imap.ResponseCodeNoPerm
}

// appendChange adds what the new folder can keep of a change.
func appendChange(changes []upstream.FlagChange, c flagged, sel *upstream.Selected) []upstream.FlagChange {
	add, _ := message.PermittedFlags(c.add, sel.PermanentFlags, sel.AnyFlag)
	if len(add)+len(c.remove) == 0 {
		return changes
	}
	return append(changes, upstream.FlagChange{UID: c.entry.UID, Add: add, Remove: c.remove})
}

// Store stores the flags with which the new server did not take messages, now that it
// has them.
func (s *FlagSync) Store(ctx context.Context, bare map[store.Key][]imap.Flag) error {
	if len(bare) == 0 {
		return nil
	}
	entries, err := s.folder.Store.Entries(ctx, s.folder.Account, s.folder.Row.ID, slices.Sorted(maps.Keys(bare)))
	if err != nil {
		return err
	}
	var changed []flagged
	for _, e := range entries {
		if add, _ := message.FlagChanges(e.Flags, bare[e.Key]); len(add) > 0 {
			changed = append(changed, flagged{entry: e, now: bare[e.Key], add: add})
		}
	}
	clear(bare)
	return s.applyFlags(ctx, changed)
}
