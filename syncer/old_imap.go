package syncer

import (
	"context"
	"io"
	"maps"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// imapReader is the part of an IMAP session that reads.
type imapReader interface {
	session
	lister
	labelSession
	Status(ctx context.Context, names []string) (map[string]upstream.Status, error)
	Quotas(ctx context.Context, mailbox string) ([]upstream.Quota, error)
	Examine(ctx context.Context, name string) (*upstream.Selected, error)
	ExamineAndList(ctx context.Context, name string, set imap.UIDSet, fn func(upstream.Message) error, heads imap.UIDSet, header func(upstream.Message, []byte) error) (*upstream.Selected, bool, error)
	Early(ctx context.Context, name string, set imap.UIDSet, first int) (*upstream.Selected, earlyCall, error)
	SendOpen(ctx context.Context, name string, ahead ahead) (openCall, error)
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
	ListFlags(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
	SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) (headersCall, error)
	Ask(ctx context.Context, set imap.UIDSet) (bodiesCall, error)
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
}

// askingSession is an upstream session as the engine sees an old server.
type askingSession struct{ *upstream.Session }

// Ask implements oldSession.
func (s askingSession) Ask(ctx context.Context, set imap.UIDSet) (bodiesCall, error) {
	return s.AskBodies(ctx, set)
}

// SendHeaders implements oldSession.
func (s askingSession) SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) (headersCall, error) {
	call, err := s.Session.SendHeaders(ctx, name, set, fn)
	if err != nil {
		return nil, err
	}
	return call, nil
}

// Early is ExamineAndFetch.
func (s askingSession) Early(ctx context.Context, name string, set imap.UIDSet, first int) (*upstream.Selected, earlyCall, error) {
	return s.ExamineAndFetch(ctx, name, set, first)
}

// SendOpen implements oldSession.
func (s askingSession) SendOpen(ctx context.Context, name string, ahead ahead) (openCall, error) {
	shown := &heads{}
	call, err := s.SendExamine(ctx, name, ahead.list, ahead.first, ahead.heads, shown.take)
	return imapOpen{call, ahead, shown}, err
}

// imapOpen is a folder that is being opened.
type imapOpen struct {
	call  *upstream.OpenCall
	ahead ahead
	shown *heads
}

func (o imapOpen) Wait(ctx context.Context) (*oldFolder, error) {
	sel, err := o.call.Wait(ctx)
	if err != nil {
		return nil, err
	}
	f := &oldFolder{Selected: *sel, keys: imapKeys(sel.UIDValidity), listed: o.ahead.list, first: o.ahead.first, heads: *o.shown}
	if early := o.call.Early(); early != nil {
		f.early = early
		return f, nil
	}
	var ok bool
	if f.ahead, ok = o.call.Listed(); !ok {
		f.listed, f.ahead = nil, nil
	}
	return f, nil
}

// oldIMAP is a session with an old IMAP server.
type oldIMAP struct{ imapReader }

// Tree implements oldSession: with LIST-STATUS, or by asking for each folder.
func (s oldIMAP) Tree(ctx context.Context, withStatus bool, known []store.Folder) (Side, map[string]upstream.Status, error) {
	tree, err := side(ctx, s, withStatus)
	if err != nil {
		return tree, nil, err
	}
	all := make(map[string]upstream.Status, len(tree.Mailboxes))
	hidden := unlisted(tree, known)
	ask := slices.Sorted(maps.Keys(hidden))
	for _, m := range tree.Mailboxes {
		switch {
		case m.Status != nil:
			all[m.Name] = *m.Status
		case withStatus && selectable(m):
			ask = append(ask, m.Name)
		}
	}
	if len(ask) == 0 {
		return tree, all, nil
	}
	more, err := s.Status(ctx, ask)
	for _, name := range ask {
		st, told := more[name]
		tree.asked(hidden, name, st, told, all)
	}
	return tree, all, err
}

// unlisted are folders that a list lacks although they may be there, by raw name: INBOX,
// which always is (RFC 9051 section 5.1), and those that the ledger knows. Their
// subscription is what it was.
func unlisted(tree Side, known []store.Folder) map[string]upstream.Mailbox {
	hidden := map[string]upstream.Mailbox{inboxName: {Name: inboxName, Delim: tree.Namespace.Delim}}
	for _, f := range known {
		if f.State != store.FolderDeleted && (f.State != store.FolderSkipped || isHalted(&f)) {
			hidden[f.Old] = upstream.Mailbox{Name: f.Old, Delim: tree.Namespace.Delim, Subscribed: f.Subscribed}
		}
	}
	for _, m := range tree.Mailboxes {
		// A folder that is only a directory now is gone, but INBOX never is.
		if name := canonicalName(m.Name); name != inboxName || selectable(m) {
			delete(hidden, name)
		}
	}
	return hidden
}

// Open implements oldSession.
func (s oldIMAP) Open(ctx context.Context, name string, ahead ahead) (*oldFolder, error) {
	if len(ahead.list) == 0 {
		sel, err := s.Examine(ctx, name)
		if err != nil {
			return nil, err
		}
		return &oldFolder{Selected: *sel, keys: imapKeys(sel.UIDValidity)}, nil
	}
	if ahead.first > 0 {
		sel, call, err := s.Early(ctx, name, ahead.list, ahead.first)
		if err != nil {
			return nil, err
		}
		return &oldFolder{Selected: *sel, keys: imapKeys(sel.UIDValidity), early: call, first: ahead.first, listed: ahead.list}, nil
	}
	f := &oldFolder{}
	sel, ok, err := s.ExamineAndList(ctx, name, ahead.list, func(m upstream.Message) error {
		f.ahead = append(f.ahead, m)
		return nil
	}, ahead.heads, f.heads.take)
	if err != nil {
		return nil, err
	}
	f.Selected, f.keys = *sel, imapKeys(sel.UIDValidity)
	if f.listed = ahead.list; !ok {
		f.listed, f.ahead = nil, nil
	}
	return f, nil
}

// Inbox implements oldSession.
func (s oldIMAP) Inbox(ctx context.Context) (upstream.Status, error) {
	all, err := s.Status(ctx, []string{inboxName})
	return all[inboxName], err
}

// Used implements oldSession: the usage of a quota, if there is one.
func (s oldIMAP) Used(ctx context.Context) (uint64, error) {
	quotas, err := s.Quotas(ctx, inboxName)
	for _, q := range quotas {
		if q.Resource == "STORAGE" {
			return q.Usage * 1024, err
		}
	}
	return 0, err
}
