package session

import (
	"context"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/upstream"
	"postferry/upstream/link"
	"postferry/wire"
)

// IMAPReader is the part of an IMAP session that reads.
type IMAPReader interface {
	Session
	FolderLister
	LabelSession
	Status(ctx context.Context, names []string) (map[string]upstream.Status, error)
	Quotas(ctx context.Context, mailbox string) ([]upstream.Quota, error)
	Examine(ctx context.Context, name string) (*upstream.Selected, error)
	ExamineAndList(ctx context.Context, name string, set imap.UIDSet, fn func(upstream.Message) error, heads imap.UIDSet, header func(upstream.Message, []byte) error) (*upstream.Selected, bool, error)
	Early(ctx context.Context, name string, set imap.UIDSet, first int) (*upstream.Selected, EarlyCall, error)
	SendOpen(ctx context.Context, name string, ahead OpenWith) (OpenCall, error)
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
	ListFlags(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
	Find(ctx context.Context, criteria wire.Criteria) (imap.UIDSet, error)
	SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) (HeadersCall, error)
	Ask(ctx context.Context, set imap.UIDSet) (BodiesCall, error)
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
}

// askingSession is an upstream session as the engine sees an old server: with nothing that could write there.
type askingSession struct {
	Session
	*upstream.Tree
	*upstream.Opener
	*upstream.Fetcher
	*upstream.Searcher
	*upstream.Watcher
}

// Ask implements session.Source.
func (s askingSession) Ask(ctx context.Context, set imap.UIDSet) (BodiesCall, error) {
	return s.AskBodies(ctx, set)
}

// SendHeaders implements session.Source.
func (s askingSession) SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) (HeadersCall, error) {
	call, err := s.Opener.SendHeaders(ctx, name, set, fn)
	if err != nil {
		return nil, err
	}
	return call, nil
}

// Early is ExamineAndFetch.
func (s askingSession) Early(ctx context.Context, name string, set imap.UIDSet, first int) (*upstream.Selected, EarlyCall, error) {
	return s.ExamineAndFetch(ctx, name, set, first)
}

// SendOpen implements session.Source.
func (s askingSession) SendOpen(ctx context.Context, name string, ahead OpenWith) (OpenCall, error) {
	shown := &MessageHeaders{}
	call, err := s.SendExamine(ctx, name, ahead.List, ahead.First, ahead.Headers, shown.Take)
	return imapOpen{call, ahead, shown}, err
}

// imapOpen is a folder that is being opened.
type imapOpen struct {
	call  *upstream.OpenCall
	ahead OpenWith
	shown *MessageHeaders
}

func (o imapOpen) Wait(ctx context.Context) (*SourceFolder, error) {
	sel, err := o.call.Wait(ctx)
	if err != nil {
		return nil, err
	}
	f := &SourceFolder{Selected: *sel, Traits: imapTraits(), Keys: IMAPKeys(sel.UIDValidity), Listed: o.ahead.List, first: o.ahead.First, Headers: *o.shown}
	if early := o.call.Early(); early != nil {
		f.Early = early
		return f, nil
	}
	var ok bool
	if f.ListedAhead, ok = o.call.Listed(); !ok {
		f.Listed, f.ListedAhead = nil, nil
	}
	return f, nil
}

// imapTraits are an IMAP server's.
func imapTraits() Traits {
	return Traits{Folders: true, Flags: true, StableUIDs: true, StableKeys: true, ListedSizes: true, Pipelining: true, Search: true, Watch: true}
}

// IMAPSource is a session with an old IMAP server.
type IMAPSource struct{ IMAPReader }

// Tree implements session.Source: with LIST-STATUS, or by asking for each folder.
func (s IMAPSource) Tree(ctx context.Context, withStatus bool, known []store.Folder) (foldertree.Tree, map[string]upstream.Status, error) {
	tree, err := ReadTree(ctx, s, withStatus)
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
		case withStatus && foldertree.Selectable(m):
			ask = append(ask, m.Name)
		}
	}
	if len(ask) == 0 {
		return tree, all, nil
	}
	more, err := s.Status(ctx, ask)
	for _, name := range ask {
		st, told := more[name]
		tree.Asked(hidden, name, st, told, all)
	}
	return tree, all, err
}

// unlisted are folders that a list lacks although they may be there, by raw name: INBOX,
// which always is (RFC 9051 section 5.1), and those that the ledger knows. Their
// subscription is what it was.
func unlisted(tree foldertree.Tree, known []store.Folder) map[string]upstream.Mailbox {
	hidden := map[string]upstream.Mailbox{foldertree.InboxName: {Name: foldertree.InboxName, Delim: tree.Namespace.Delim}}
	for _, f := range known {
		if f.State != store.FolderDeleted && (f.State != store.FolderSkipped || foldertree.IsHalted(&f)) {
			hidden[f.Old] = upstream.Mailbox{Name: f.Old, Delim: tree.Namespace.Delim, Subscribed: f.Subscribed}
		}
	}
	for _, m := range tree.Mailboxes {
		// A folder that is only a directory now is gone, but INBOX never is.
		if name := foldertree.CanonicalName(m.Name); name != foldertree.InboxName || foldertree.Selectable(m) {
			delete(hidden, name)
		}
	}
	return hidden
}

// Open implements session.Source.
func (s IMAPSource) Open(ctx context.Context, name string, ahead OpenWith) (*SourceFolder, error) {
	if len(ahead.List) == 0 {
		sel, err := s.Examine(ctx, name)
		if err != nil {
			return nil, err
		}
		return &SourceFolder{Selected: *sel, Traits: imapTraits(), Keys: IMAPKeys(sel.UIDValidity)}, nil
	}
	if ahead.First > 0 {
		sel, call, err := s.Early(ctx, name, ahead.List, ahead.First)
		if err != nil {
			return nil, err
		}
		return &SourceFolder{Selected: *sel, Traits: imapTraits(), Keys: IMAPKeys(sel.UIDValidity), Early: call, first: ahead.First, Listed: ahead.List}, nil
	}
	f := &SourceFolder{Traits: imapTraits()}
	sel, ok, err := s.ExamineAndList(ctx, name, ahead.List, func(m upstream.Message) error {
		f.ListedAhead = append(f.ListedAhead, m)
		return nil
	}, ahead.Headers, f.Headers.Take)
	if err != nil {
		return nil, err
	}
	f.Selected, f.Keys = *sel, IMAPKeys(sel.UIDValidity)
	if f.Listed = ahead.List; !ok {
		f.Listed, f.ListedAhead = nil, nil
	}
	return f, nil
}

// Inbox implements session.Source.
func (s IMAPSource) Inbox(ctx context.Context) (upstream.Status, error) {
	all, err := s.Status(ctx, []string{foldertree.InboxName})
	if st := all[foldertree.InboxName]; err != nil || st.UIDValidity != 0 {
		return st, err
	}
	sel, err := s.Examine(ctx, foldertree.InboxName) // which some allow that refuse STATUS
	if err != nil {
		if link.ClassOf(err) == link.Refused {
			err = nil
		}
		return upstream.Status{}, err
	}
	return upstream.Status{Messages: sel.Messages, UIDNext: sel.UIDNext, UIDValidity: sel.UIDValidity, HighestModSeq: sel.HighestModSeq}, nil
}

// Used implements session.Source: the usage of a quota, if there is one.
func (s IMAPSource) Used(ctx context.Context) (uint64, error) {
	quotas, err := s.Quotas(ctx, foldertree.InboxName)
	for _, q := range quotas {
		if q.Resource == "STORAGE" {
			return q.Usage * 1024, err
		}
	}
	return 0, err
}

// Watching is a session with an old server that tells of new mail by itself.
type Watching interface {
	// Watches tells whether it does.
	Watches() bool
	// Notify has it tell of all folders, and reports whether it does; otherwise it tells of the
	// opened one.
	Notify(ctx context.Context) (all bool, err error)
	// Idle waits until it tells of something, which is changed, maxWait passed or ctx ends.
	Idle(ctx context.Context, maxWait time.Duration) (changed bool, err error)
}

// WatchingOf is a session with an old server as one that tells of new mail by itself; false if it
// doesn't.
func WatchingOf(s Source) (Watching, bool) {
	imap, ok := s.(IMAPSource)
	if !ok {
		return nil, false // POP3
	}
	w, ok := imap.IMAPReader.(Watching)
	return w, ok && w.Watches()
}
