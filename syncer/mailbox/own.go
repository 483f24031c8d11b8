package mailbox

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// A login leads to a mailbox as long as nobody changes that: a provider gives an address to somebody
// else, a table of logins is broken, a server is set up anew with the same accounts and without their
// mail. So when an account's INBOX isn't numbered as it was, or holds other messages, a sample of the
// mailbox is compared with all that the ledger knows. Mail of two people must never be mixed, and
// nothing is gone for good because a server has lost it.

const (
	// ownFolders is of how many folders messages are looked at, the fullest ones; ownMessages of how many,
	// and as many again from all over the folder: what has come since stands last in most of them.
	ownFolders  = 5
	ownMessages = 20
	// ownShare: one in so many must be known. All are in a mailbox that was only numbered anew, but for
	// what has come since; colleagues have some mail in common.
	ownShare = 3
	// ownFew messages say little where INBOX has the UIDVALIDITY that it had.
	ownFew = 4
)

// strangeError says that a login leads to another mailbox than the one it led to, or to one without mail.
type strangeError struct {
	side        store.Side
	host        string
	same        bool // INBOX has the UIDVALIDITY that it had
	restless    bool // the server gives a folder another UIDVALIDITY whenever it is asked
	copied      uint64
	seen, known int
}

// own tells whether what was seen is enough to take the mailbox for the one it was, of which the ledger has
// so many lines.
func (e *strangeError) own(lines int) bool {
	switch {
	case e.restless:
		return true // its numbers say nothing
	case e.same && (lines < ownFew || e.seen > 0 && e.seen < ownFew):
		return true
	case e.same && e.side == store.NewSide && e.seen == 0:
		return true // it was put back to a backup: all of it is copied again
	}
	return e.known > 0 && ownShare*e.known >= min(e.seen, lines)
}

func (e *strangeError) Error() string {
	return fmt.Sprintf("INBOX is not numbered as it was, and of %d messages that were looked at the ledger knows %d", e.seen, e.known)
}

// Problem makes it a whole problem. Of an old mailbox that is empty nothing could be copied: it is
// looked at again.
func (e *strangeError) Problem() *store.Problem {
	p := &store.Problem{Kind: store.OtherMailbox, Server: e.side, Host: e.host, Summary: e.summary(), Cause: e.Error(), Advice: store.NeedsFix, Since: time.Now()}
	if e.side == store.OldSide && e.seen == 0 {
		p.Kind, p.Advice, p.Retry = store.EmptiedMailbox, store.RetryLater, p.Since.Add(emptiedRetry)
	}
	return p
}

// emptiedRetry is when an old mailbox without mail is looked at again.
const emptiedRetry = 10 * time.Minute

func (e *strangeError) summary() reason.Reason {
	switch {
	case e.side == store.OldSide && e.seen == 0:
		return reason.Of(reason.TroubleOldEmptied, e.copied)
	case e.side == store.OldSide:
		return reason.Of(reason.TroubleOldOther, e.copied, e.seen, e.known)
	case e.seen == 0:
		return reason.Of(reason.TroubleNewEmptied, e.copied)
	}
	return reason.Of(reason.TroubleNewOther, e.copied, e.seen, e.known)
}

// Shown is what is to be looked at of one side.
type Shown struct {
	Inbox  string                     // raw name
	Status map[string]upstream.Status // of all folders, by raw name
	Same   bool                       // INBOX has the UIDVALIDITY that it had
}

// sampler shows some messages of a folder, and its UIDVALIDITY.
type sampler func(ctx context.Context, name string) (session.MessageHeaders, uint32, error)

// OwnOld returns an error unless the mailbox at the old server is the one it was.
func (r *ClaimRequest) OwnOld(ctx context.Context, l *session.Pair, at Shown) error {
	s, err := l.Source(ctx)
	if err != nil {
		return err
	}
	e := &strangeError{side: store.OldSide, host: l.Old.End.Server.Host, same: at.Same}
	return r.own(ctx, e, at, func(ctx context.Context, name string) (session.MessageHeaders, uint32, error) {
		return sampleOld(ctx, s, name)
	})
}

// OwnNew is OwnOld for the new server.
func (r *ClaimRequest) OwnNew(ctx context.Context, l *session.Pair, s session.Target, at Shown) error {
	e := &strangeError{side: store.NewSide, host: l.New.End.Server.Host, same: at.Same}
	return r.own(ctx, e, at, func(ctx context.Context, name string) (session.MessageHeaders, uint32, error) {
		return sampleNew(ctx, s, name)
	})
}

// own compares samples of INBOX and the fullest folders with the ledger.
func (r *ClaimRequest) own(ctx context.Context, e *strangeError, at Shown, sample sampler) error {
	rows, err := r.Store.Folders(ctx, r.Account) // those of the look may be from before mail was copied
	if err != nil || !foldertree.Begun(rows) {
		return err
	}
	known, lines, err := r.fingerprints(ctx, rows)
	if err != nil {
		return err
	}
	names := append([]string{at.Inbox}, slices.DeleteFunc(fullest(at.Status, ownFolders), func(name string) bool {
		return name == at.Inbox || at.Status[name].Messages == 0
	})...)
	for _, name := range names {
		if err := e.look(ctx, name, at.Status[name].UIDValidity, known, sample); err != nil {
			return err
		}
	}
	if e.own(lines) {
		r.Log.Info().Str("server", string(e.side)).Int("seen", e.seen).Int("known", e.known).Msg("INBOX is not numbered as it was; the mailbox is the same")
		return nil
	}
	e.copied = uint64(lines)
	return e
}

// look looks at a folder. One that doesn't open shows nothing.
func (e *strangeError) look(ctx context.Context, name string, validity uint32, known map[store.Fingerprint]bool, sample sampler) error {
	shown, now, err := sample(ctx, name)
	if link.ClassOf(err) == link.Refused {
		return nil
	}
	e.restless = e.restless || now != validity
	for _, h := range shown {
		e.seen++
		if known[message.Fingerprint(h.Header, h.Message.Size)] {
			e.known++
		}
	}
	return err
}

// fingerprints are those of all that was copied, as it was and as it is.
func (r *ClaimRequest) fingerprints(ctx context.Context, rows []store.Folder) (known map[store.Fingerprint]bool, lines int, err error) {
	known = map[store.Fingerprint]bool{}
	for i := range rows {
		if rows[i].Copied == 0 {
			continue
		}
		l, err := r.Store.Ledger(ctx, r.Account, rows[i].ID)
		if err != nil {
			return nil, 0, err
		}
		lines += len(l.Entries)
		for _, e := range l.Entries {
			known[e.Fingerprint] = true
		}
		for _, m := range l.Repaired {
			known[m.Fingerprint] = true
		}
	}
	return known, lines, nil
}

func sampleOld(ctx context.Context, s session.Source, name string) (shown session.MessageHeaders, validity uint32, err error) {
	f, err := s.Open(ctx, name, session.OpenWith{})
	if err != nil {
		return nil, 0, err
	}
	if f.Messages == 0 {
		return nil, f.UIDValidity, nil
	}
	var uids []imap.UID
	all := imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}
	err = s.ListFlags(ctx, all, func(m upstream.Message) error {
		uids = append(uids, m.UID)
		return nil
	})
	if err != nil || len(uids) == 0 {
		return nil, f.UIDValidity, err
	}
	err = s.Headers(ctx, spread(uids), shown.Take)
	return shown, f.UIDValidity, err
}

func sampleNew(ctx context.Context, s session.Target, name string) (shown session.MessageHeaders, validity uint32, err error) {
	sel, err := s.Examine(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	all, err := s.Search(ctx, "UID 1:*")
	if err != nil {
		return nil, sel.UIDValidity, err
	}
	if uids, _ := all.Nums(); len(uids) > 0 {
		err = s.Headers(ctx, spread(uids), shown.Take)
	}
	return shown, sel.UIDValidity, err
}

// spread are the first of many UIDs, and some from all over them.
func spread(uids []imap.UID) (set imap.UIDSet) {
	n := min(len(uids), ownMessages)
	set.AddNum(uids[:n]...)
	for i := range n {
		set.AddNum(uids[i*len(uids)/n])
	}
	return set
}

// InboxOf is the row of the account's INBOX; nil if there is none yet.
func InboxOf(rows []store.Folder) *store.Folder {
	for i := range rows {
		if foldertree.IsInbox(&rows[i]) {
			return &rows[i]
		}
	}
	return nil
}
