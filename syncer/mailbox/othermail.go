package mailbox

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// knownMessages is of how many of another account's messages in INBOX the claimant's are compared with, the
// newest ones.
const knownMessages = 4

// knownMail are messages that another account's old INBOX holds, or held.
type knownMail struct {
	entries  []store.Entry
	repaired []store.Repaired
}

// otherMail leaves out of some accounts those whose old INBOXes have held other messages than the claimant's
// under the same UIDs, which never come to be another message's (RFC 9051 section 2.3.1.1). It takes one
// look for all of them, where to prove it by a probe takes a login for each.
func (c *claimant) otherMail(ctx context.Context, some []candidate) ([]candidate, error) {
	if len(some) == 0 || !c.pair.Traits().Folders {
		return some, nil
	}
	known, ask, err := c.knownMail(ctx, some)
	if err != nil || len(ask) == 0 {
		return some, err
	}
	validity, found, err := c.messagesAtOld(ctx, ask)
	if err != nil {
		return nil, err
	}
	var left []candidate
	for i, other := range some {
		if !known[i].differs(validity, found) {
			left = append(left, other)
		}
	}
	return left, nil
}

// sharingMail are those of some accounts whose old INBOXes have held a message that the claimant's has under the same UID. It takes
// one look for all of them; where the old server has no UIDs it finds none.
func (c *claimant) sharingMail(ctx context.Context, some []candidate) (shared []candidate, err error) {
	if len(some) == 0 || !c.pair.Traits().Folders {
		return nil, nil
	}
	known, ask := make([]knownMail, len(some)), imap.UIDSet{}
	for i := range some {
		f := inboxRow(some[i].rows)
		if f == nil {
			continue
		}
		l, err := c.Store.Ledger(ctx, some[i].ID, f.ID)
		if err != nil {
			return nil, err
		}
		known[i] = knownMail{allOver(l.Entries), l.Repaired}
		known[i].addTo(&ask)
	}
	if len(ask) == 0 {
		return nil, nil
	}
	validity, found, err := c.messagesAtOld(ctx, ask)
	if err != nil {
		return nil, err
	}
	for i, other := range some {
		if known[i].holds(validity, found) {
			shared = append(shared, other)
		}
	}
	return shared, nil
}

// sharedMost is of how many lines of a ledger messages are looked at, from all over it.
const sharedMost = 20

func allOver(entries []store.Entry) (some []store.Entry) {
	n := min(len(entries), sharedMost)
	for i := range n {
		some = append(some, entries[i*len(entries)/n])
	}
	return some
}

// knownMail reads what is known of accounts, and gives the UIDs to be asked for.
func (c *claimant) knownMail(ctx context.Context, some []candidate) (known []knownMail, ask imap.UIDSet, err error) {
	known = make([]knownMail, len(some))
	for i := range some {
		f := inboxRow(some[i].rows)
		if f == nil || f.Checkpoint.UIDNext <= 1 {
			continue
		}
		cp := f.Checkpoint
		from := message.IMAPKey(cp.UIDValidity, cp.UIDNext-min(cp.UIDNext-1, knownMessages))
		tail, err := c.Store.LedgerFrom(ctx, some[i].ID, f.ID, from)
		if err != nil {
			return nil, nil, err
		}
		known[i] = knownMail{tail.Entries[:min(len(tail.Entries), knownMessages)], tail.Repaired}
		if tail.Before > 0 { // the oldest one is there also after the server was put back to an earlier state
			known[i].entries = append([]store.Entry{tail.First}, known[i].entries...)
		}
		known[i].addTo(&ask)
	}
	return known, ask, nil
}

// addTo adds the UIDs of what is known.
func (k *knownMail) addTo(ask *imap.UIDSet) {
	for j := range k.entries {
		if _, uid, ok := message.SplitKey(k.entries[j].Key); ok {
			ask.AddNum(uid)
		}
	}
}

// holds tells whether some of what was found under a UIDVALIDITY is what is known.
func (k *knownMail) holds(validity uint32, found session.MessageHeaders) bool {
	for _, h := range found {
		e, ok := message.FindEntry(k.entries, message.IMAPKey(validity, h.Message.UID))
		if ok && message.OriginalOf(&e, k.repaired).Is(h.Message, h.Header) {
			return true
		}
	}
	return false
}

// inboxRow is the row of INBOX; nil if there is none.
func inboxRow(rows []store.Folder) *store.Folder {
	for i := range rows {
		if foldertree.IsInbox(&rows[i]) {
			return &rows[i]
		}
	}
	return nil
}

// messagesAtOld asks for messages of the claimant's INBOX at the old server.
func (c *claimant) messagesAtOld(ctx context.Context, set imap.UIDSet) (validity uint32, found session.MessageHeaders, err error) {
	old, err := c.pair.Source(ctx)
	if err != nil {
		return 0, nil, err
	}
	f, err := old.Open(ctx, foldertree.InboxName, session.OpenWith{})
	if err != nil || f.Messages == 0 || f.NotSticky {
		return 0, nil, err
	}
	err = old.Headers(ctx, set, func(m upstream.Message, header []byte) error { return found.Take(m, header) })
	return f.UIDValidity, found, err
}

// differs tells whether what was found under a UIDVALIDITY is other mail than what is known: some messages
// are others, and none the same. One alone may be a server's that changes what it hands out.
func (k *knownMail) differs(validity uint32, found session.MessageHeaders) bool {
	if k.holds(validity, found) {
		return false
	}
	return slices.ContainsFunc(found, func(h session.MessageHeader) bool {
		_, known := message.FindEntry(k.entries, message.IMAPKey(validity, h.Message.UID))
		return known
	})
}
