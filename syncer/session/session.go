package session

import (
	"context"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/message"
	"postferry/upstream"
	"postferry/upstream/link"
	"postferry/wire"
)

// Session is what the engine needs of a logged-in session with either server.
type Session interface {
	Alive(ctx context.Context) error
	Logout(ctx context.Context) error
	Close() error
}

// Source is what the engine needs of a logged-in session with an old
// server. It can only read.
type Source interface {
	Session
	// Tree tells the folders and, withStatus, the status of those that hold mail. INBOX
	// and the known ones are among them if they are there, listed or not.
	Tree(ctx context.Context, withStatus bool, known []store.Folder) (foldertree.Tree, map[string]upstream.Status, error)
	// Folders and Status tell the same piece by piece.
	TreeReader
	// Inbox is the status of INBOX.
	Inbox(ctx context.Context) (upstream.Status, error)
	// Used is how much mail there is, as far as the server tells: octets, or 0.
	Used(ctx context.Context) (uint64, error)
	// Open opens a folder. What follows is about the folder opened last.
	Open(ctx context.Context, name string, ahead OpenWith) (*SourceFolder, error)
	// SendOpen is Open without waiting for an answer. Nothing but opening further folders may be done before it
	// is waited for, and those are waited for in turn.
	SendOpen(ctx context.Context, name string, ahead OpenWith) (OpenCall, error)
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
	ListFlags(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
	LabelSession
	// Find looks for what a client searches for.
	Find(ctx context.Context, criteria wire.Criteria) (imap.UIDSet, error)
	// SendHeaders asks for headers in a folder that is opened for it. Other questions may be
	// asked before the answer is waited for.
	SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) (HeadersCall, error)
	// Ask asks for bodies without waiting for them. Several calls may be under way, but
	// nothing else may be done before they are waited for, in turn.
	Ask(ctx context.Context, set imap.UIDSet) (BodiesCall, error)
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
}

// OpenCall is a folder that is being opened. If it is refused, Open asks in other ways, too.
type OpenCall interface {
	Wait(ctx context.Context) (*SourceFolder, error)
}

// BodiesCall are bodies on their way.
type BodiesCall interface {
	// Wait calls fn for the bodies that come until all of the call have, be they of
	// this call or of another under way.
	Wait(ctx context.Context, fn func(uid imap.UID, size int64, r io.Reader) error) error
}

// EarlyCall are a folder's first messages on their way.
type EarlyCall interface {
	// Wait calls fn for the bodies that come and returns what was told of the messages;
	// all tells whether the server refused none.
	Wait(ctx context.Context, fn func(m upstream.Message, size int64, r io.Reader) error) (lines []upstream.Message, all bool, err error)
}

// OpenWith is what to ask for along with the opening of a folder, where that costs no
// round trip more.
type OpenWith struct {
	List    imap.UIDSet // nil for none
	First   int         // so many messages are brought at once, instead of list
	Headers imap.UIDSet // headers to be told as well; nil for none
}

// MessageHeader is what a message is recognised by.
type MessageHeader struct {
	Message upstream.Message
	Header  []byte
}

// MessageHeaders are those of some messages.
type MessageHeaders []MessageHeader

func (h *MessageHeaders) Take(m upstream.Message, header []byte) error {
	*h = append(*h, MessageHeader{m, header})
	return nil
}

// SourceFolder is an opened folder of an old server. While it is open its
// messages go by their UIDs; what the ledger knows them by are their keys.
type SourceFolder struct {
	upstream.Selected
	Keys   Keyring
	Octets uint64 // of all its messages, about; 0 if not told
	Traits Traits // of its server
	// toldNext: the server has told UIDNEXT, which is otherwise what its last message shows.
	ToldNext    bool
	Listed      imap.UIDSet        // what was to be asked for ahead, if all of it has been told
	ListedAhead []upstream.Message // its messages
	Early       EarlyCall          // to be waited for before anything else is asked; nil if nothing was asked for
	first       int                // messages that it brings
	Headers     MessageHeaders     // of the messages that were to be told ahead, as far as they were
}

// AllEarly tells whether all there is was asked for with its bodies along with the opening.
func (f *SourceFolder) AllEarly() bool {
	return f.Early != nil && int(f.Messages) <= f.first && f.UIDNext <= f.Listed[0].Stop+1
}

// Target is what the engine needs of a logged-in session with a new server.
type Target interface {
	Session
	FolderLister
	Status(ctx context.Context, names []string) (map[string]upstream.Status, error)
	Examine(ctx context.Context, name string) (*upstream.Selected, error)
	Select(ctx context.Context, name string) (*upstream.Selected, error)
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
	// SelectAndHeaders is Select and Headers in one round trip.
	SelectAndHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) (*upstream.Selected, error)
	Search(ctx context.Context, criteria string) (imap.UIDSet, error)
	Create(ctx context.Context, name string, use imap.MailboxAttr) error
	// CreateAll makes folders without waiting for each, and tells which were made.
	CreateAll(ctx context.Context, folders []upstream.NewFolder) (made []bool, err error)
	Subscribe(ctx context.Context, names []string) error
	SendAppend(ctx context.Context, mailbox string, batch []upstream.Append) (AppendCall, error)
	StoreFlags(ctx context.Context, changes []upstream.FlagChange) error
	// Together tells whether the messages of a batch are one command, of which the server
	// stores all or nothing.
	Together() bool
	// ExpungeUIDs removes those messages of a set that are marked \Deleted; only where UIDPlus.
	ExpungeUIDs(ctx context.Context, set imap.UIDSet) error
	// CanMove tells whether MoveUIDs can be used. That moves messages of the open folder to the
	// end of a folder; told is false if the server has not said where they are.
	CanMove() bool
	MoveUIDs(ctx context.Context, set imap.UIDSet, mailbox string) (moved upstream.Moved, told bool, err error)
	// CopyUIDs copies messages of the open folder to the end of another one; told is as with MoveUIDs.
	CopyUIDs(ctx context.Context, set imap.UIDSet, mailbox string) (copied upstream.Moved, told bool, err error)
	// UIDPlus tells whether it says where it has put a message (RFC 4315).
	UIDPlus() bool
	// AppendLimit is the size of the largest message the server takes, in octets; 0 if it doesn't say.
	AppendLimit() int64
	// Hung tells whether the session was given up because the server fell silent while an
	// APPEND was under way. AwaitEnd waits until it has hung up (nil) or ctx has ended.
	Hung() bool
	AwaitEnd(ctx context.Context) error
	Quotas(ctx context.Context, mailbox string) ([]upstream.Quota, error)
	SendPermanent(ctx context.Context, name string) (PermanentCall, error)
	SendReadBack(ctx context.Context, name string, uidValidity uint32, set, sizes imap.UIDSet) (ReadBackCall, error)
	SendStatus(ctx context.Context, name string) (StatusCall, error)
	// SendHeaders asks for headers in a folder that is opened for it and left again.
	SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) (HeadersCall, error)
}

// Returner is what the engine needs of a session with an old server to which mail is copied back: it can read, and
// append messages, and nothing else.
type Returner interface {
	Session
	Examine(ctx context.Context, name string) (*upstream.Selected, error)
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
	SendAppend(ctx context.Context, mailbox string, batch []upstream.Append) (AppendCall, error)
	UIDPlus() bool
}

// HeadersCall are headers on their way.
type HeadersCall interface {
	Wait(ctx context.Context) (*upstream.Selected, error)
}

// StatusCall is a question for a folder's status on its way. If nothing is told, Status
// asks in other ways, too.
type StatusCall interface {
	Wait(ctx context.Context) (st upstream.Status, told bool, err error)
}

// PermanentCall is a question what flags a folder can keep on its way.
type PermanentCall interface {
	Wait(ctx context.Context) (*upstream.Selected, error)
}

// ReadBackCall is a look at copies on its way.
type ReadBackCall interface {
	Wait(ctx context.Context) ([]upstream.Message, error)
}

// AppendCall is a batch on its way to the new server.
type AppendCall interface {
	Wait(ctx context.Context) ([]upstream.AppendResult, error)
}

// IMAPTarget is an upstream session as the engine sees a new server.
type IMAPTarget struct {
	*upstream.Session
	*upstream.Tree
	*upstream.Maker
	*upstream.Opener
	*upstream.Fetcher
	*upstream.Searcher
	*upstream.Changer
	*upstream.Appender
}

// NewIMAPTarget is the session with all that is done with a new server.
func NewIMAPTarget(s *upstream.Session) IMAPTarget {
	return IMAPTarget{s, s.Tree, s.Maker, s.Opener, s.Fetcher, s.Searcher, s.Changer, s.Appender}
}

func (s IMAPTarget) UIDPlus() bool { return s.Has(imap.CapUIDPlus) }

func (s IMAPTarget) SendAppend(ctx context.Context, mailbox string, batch []upstream.Append) (AppendCall, error) {
	return s.Appender.SendAppend(ctx, mailbox, batch)
}

func (s IMAPTarget) SendPermanent(ctx context.Context, name string) (PermanentCall, error) {
	return s.Appender.SendPermanent(ctx, name)
}

func (s IMAPTarget) SendReadBack(ctx context.Context, name string, uidValidity uint32, set, sizes imap.UIDSet) (ReadBackCall, error) {
	return s.Appender.SendReadBack(ctx, name, uidValidity, set, sizes)
}

func (s IMAPTarget) SendStatus(ctx context.Context, name string) (StatusCall, error) {
	return s.Tree.SendStatus(ctx, name)
}

func (s IMAPTarget) SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) (HeadersCall, error) {
	call, err := s.Opener.SendHeaders(ctx, name, set, fn)
	if err != nil {
		return nil, err
	}
	return call, nil
}

// returner is an upstream session as the engine sees an old server to which mail is copied back.
type returner struct {
	*upstream.Session
	*upstream.Opener
	*upstream.Fetcher
	*upstream.Appender
}

func (s returner) UIDPlus() bool { return s.Has(imap.CapUIDPlus) }

func (s returner) SendAppend(ctx context.Context, mailbox string, batch []upstream.Append) (AppendCall, error) {
	return s.Appender.SendAppend(ctx, mailbox, batch)
}

// TargetReader is a session with a new server that only reads.
type TargetReader struct {
	*upstream.Session
	*upstream.Tree
	*upstream.Opener
	*upstream.Fetcher
}

// DialTargetReader opens one.
func DialTargetReader(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (*TargetReader, error) {
	opt.ReadOnly = true
	s, err := dialIMAP(ctx, server, c, opt)
	if err != nil {
		return nil, err
	}
	return &TargetReader{s, s.Tree, s.Opener, s.Fetcher}, nil
}

// DialFunc opens a session and logs in.
type DialFunc[S Session] func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (S, error)

// Dialers are the ways to both servers.
type Dialers struct {
	Old DialFunc[Source]
	New DialFunc[Target]
	// Back is the way to an old server to which mail is copied back; nil where there is no such.
	Back DialFunc[Returner]
}

// RealDialers are those of real life.
func RealDialers() Dialers { return Dialers{Old: DialOld, New: dialNew, Back: dialBack} }

func dialBack(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (Returner, error) {
	s, err := dialIMAP(ctx, server, c, opt)
	if err != nil {
		return nil, err
	}
	return returner{s, s.Opener, s.Fetcher, s.Appender}, nil
}

func dialIMAPSource(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (Source, error) {
	s, err := dialIMAP(ctx, server, c, opt)
	if err != nil {
		return nil, err
	}
	return IMAPSource{askingSession{s, s.Tree, s.Opener, s.Fetcher, s.Searcher, s.Watcher}}, nil
}

func dialNew(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (Target, error) {
	s, err := dialIMAP(ctx, server, c, opt)
	if err != nil {
		return nil, err
	}
	return NewIMAPTarget(s), nil
}

func dialIMAP(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (*upstream.Session, error) {
	s, err := upstream.Dial(ctx, server, opt)
	if err != nil {
		return nil, err
	}
	if err := s.Login(ctx, c); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Traced gives each session a trace.
func Traced[S Session](dial DialFunc[S], t *link.Tracer) DialFunc[S] {
	return func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (S, error) {
		opt.Trace = t.Session(c.Login)
		return dial(ctx, server, c, opt)
	}
}

// Among counts those that are in a set.
func (h MessageHeaders) Among(held map[store.Fingerprint]bool) (n int) {
	for _, m := range h {
		if held[message.Fingerprint(m.Header, m.Message.Size)] {
			n++
		}
	}
	return n
}

func (h MessageHeaders) Fingerprints() map[store.Fingerprint]bool {
	all := make(map[store.Fingerprint]bool, len(h))
	for _, m := range h {
		all[message.Fingerprint(m.Header, m.Message.Size)] = true
	}
	return all
}

// LabelSession is a session with a server whose messages have labels.
type LabelSession interface {
	HasLabels() bool
	// Labels tells the labels of messages of the opened folder.
	Labels(ctx context.Context, set imap.UIDSet, fn func(upstream.Labelled) error) error
}
