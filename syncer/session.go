package syncer

import (
	"context"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
	"postferry/upstream"
)

// session is what the engine needs of a logged-in session with either server.
type session interface {
	Alive(ctx context.Context) error
	Logout(ctx context.Context) error
	Close() error
}

// oldSession is what the engine needs of a logged-in session with an old
// server. It can only read.
type oldSession interface {
	session
	// Tree tells the folders and, withStatus, the status of those that hold mail. INBOX
	// and the known ones are among them if they are there, listed or not.
	Tree(ctx context.Context, withStatus bool, known []store.Folder) (Side, map[string]upstream.Status, error)
	// Folders and Status tell the same piece by piece.
	treeReader
	// Inbox is the status of INBOX.
	Inbox(ctx context.Context) (upstream.Status, error)
	// Used is how much mail there is, as far as the server tells: octets, or 0.
	Used(ctx context.Context) (uint64, error)
	// Open opens a folder. What follows is about the folder opened last.
	Open(ctx context.Context, name string, ahead ahead) (*oldFolder, error)
	// SendOpen is Open without waiting for an answer. Nothing else may be done before it
	// is waited for.
	SendOpen(ctx context.Context, name string, ahead ahead) (openCall, error)
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
	ListFlags(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
	labelSession
	// SendHeaders asks for headers in a folder that is opened for it. Other questions may be
	// asked before the answer is waited for.
	SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) (headersCall, error)
	// Ask asks for bodies without waiting for them. Several calls may be under way, but
	// nothing else may be done before they are waited for, in turn.
	Ask(ctx context.Context, set imap.UIDSet) (bodiesCall, error)
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
}

// openCall is a folder that is being opened. If it is refused, Open asks in other ways, too.
type openCall interface {
	Wait(ctx context.Context) (*oldFolder, error)
}

// bodiesCall are bodies on their way.
type bodiesCall interface {
	// Wait calls fn for the bodies that come until all of the call have, be they of
	// this call or of another under way.
	Wait(ctx context.Context, fn func(uid imap.UID, size int64, r io.Reader) error) error
}

// earlyCall are a folder's first messages on their way.
type earlyCall interface {
	// Wait calls fn for the bodies that come and returns what was told of the messages;
	// all tells whether the server refused none.
	Wait(ctx context.Context, fn func(m upstream.Message, size int64, r io.Reader) error) (lines []upstream.Message, all bool, err error)
}

// ahead is what to ask for along with the opening of a folder, where that costs no
// round trip more.
type ahead struct {
	list  imap.UIDSet // nil for none
	first int         // so many messages are brought at once, instead of list
	heads imap.UIDSet // headers to be told as well; nil for none
}

// head is what a message is recognised by.
type head struct {
	message upstream.Message
	header  []byte
}

// heads are those of some messages.
type heads []head

func (h *heads) take(m upstream.Message, header []byte) error {
	*h = append(*h, head{m, header})
	return nil
}

// oldFolder is an opened folder of an old server. While it is open its
// messages go by their UIDs; what the ledger knows them by are their keys.
type oldFolder struct {
	upstream.Selected
	keys   keyring
	octets uint64 // of all its messages, about; 0 if not told
	// pop3: its UIDs are message numbers of this session, it has no flags, and keys may
	// change without notice.
	pop3 bool
	// toldNext: the server has told UIDNEXT, which is otherwise what its last message shows.
	toldNext bool
	listed   imap.UIDSet        // what was to be asked for ahead, if all of it has been told
	ahead    []upstream.Message // its messages
	early    earlyCall          // to be waited for before anything else is asked; nil if nothing was asked for
	first    int                // messages that it brings
	heads    heads              // of the messages that were to be told ahead, as far as they were
}

// allEarly tells whether all there is was asked for with its bodies along with the opening.
func (f *oldFolder) allEarly() bool {
	return f.early != nil && int(f.Messages) <= f.first && f.UIDNext <= f.listed[0].Stop+1
}

// newSession is what the engine needs of a logged-in session with a new server.
type newSession interface {
	session
	lister
	Status(ctx context.Context, names []string) (map[string]upstream.Status, error)
	Examine(ctx context.Context, name string) (*upstream.Selected, error)
	Select(ctx context.Context, name string) (*upstream.Selected, error)
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
	// SelectAndHeaders is Select and Headers in one round trip.
	SelectAndHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) (*upstream.Selected, error)
	Search(ctx context.Context, criteria string) (imap.UIDSet, error)
	Create(ctx context.Context, name string, use imap.MailboxAttr) error
	Subscribe(ctx context.Context, names []string) error
	SendAppend(ctx context.Context, mailbox string, batch []upstream.Append) (appendCall, error)
	StoreFlags(ctx context.Context, changes []upstream.FlagChange) error
	// Together tells whether the messages of a batch are one command, of which the server
	// stores all or nothing.
	Together() bool
	// ExpungeUIDs removes those messages of a set that are marked \Deleted; only where UIDPlus.
	ExpungeUIDs(ctx context.Context, set imap.UIDSet) error
	// UIDPlus tells whether it says where it has put a message (RFC 4315).
	UIDPlus() bool
	// AppendLimit is the size of the largest message the server takes, in octets; 0 if it doesn't say.
	AppendLimit() int64
	// Hung tells whether the session was given up because the server fell silent while an
	// APPEND was under way. AwaitEnd waits until it has hung up (nil) or ctx has ended.
	Hung() bool
	AwaitEnd(ctx context.Context) error
	Quotas(ctx context.Context, mailbox string) ([]upstream.Quota, error)
	SendPermanent(ctx context.Context, name string) (permanentCall, error)
	SendReadBack(ctx context.Context, name string, uidValidity uint32, set, sizes imap.UIDSet) (readBackCall, error)
	SendStatus(ctx context.Context, name string) (statusCall, error)
	// SendHeaders asks for headers in a folder that is opened for it and left again.
	SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) (headersCall, error)
}

// headersCall are headers on their way.
type headersCall interface {
	Wait(ctx context.Context) (*upstream.Selected, error)
}

// statusCall is a question for a folder's status on its way. If nothing is told, Status
// asks in other ways, too.
type statusCall interface {
	Wait(ctx context.Context) (st upstream.Status, told bool, err error)
}

// permanentCall is a question what flags a folder can keep on its way.
type permanentCall interface {
	Wait(ctx context.Context) (*upstream.Selected, error)
}

// readBackCall is a look at copies on its way.
type readBackCall interface {
	Wait(ctx context.Context) ([]upstream.Message, error)
}

// appendCall is a batch on its way to the new server.
type appendCall interface {
	Wait(ctx context.Context) ([]upstream.AppendResult, error)
}

// newIMAP is an upstream session as the engine sees a new server.
type newIMAP struct{ *upstream.Session }

func (s newIMAP) UIDPlus() bool { return s.Has(imap.CapUIDPlus) }

func (s newIMAP) SendAppend(ctx context.Context, mailbox string, batch []upstream.Append) (appendCall, error) {
	return s.Session.SendAppend(ctx, mailbox, batch)
}

func (s newIMAP) SendPermanent(ctx context.Context, name string) (permanentCall, error) {
	return s.Session.SendPermanent(ctx, name)
}

func (s newIMAP) SendReadBack(ctx context.Context, name string, uidValidity uint32, set, sizes imap.UIDSet) (readBackCall, error) {
	return s.Session.SendReadBack(ctx, name, uidValidity, set, sizes)
}

func (s newIMAP) SendStatus(ctx context.Context, name string) (statusCall, error) {
	return s.Session.SendStatus(ctx, name)
}

func (s newIMAP) SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) (headersCall, error) {
	call, err := s.Session.SendHeaders(ctx, name, set, fn)
	if err != nil {
		return nil, err
	}
	return call, nil
}

// dialFunc opens a session and logs in.
type dialFunc[S session] func(ctx context.Context, server config.Server, c store.Credentials, opt upstream.Options) (S, error)

// dialers are the ways to both servers.
type dialers struct {
	old dialFunc[oldSession]
	new dialFunc[newSession]
}

// realDialers are those of real life.
func realDialers() dialers { return dialers{old: dialOld, new: dialNew} }

func dialOld(ctx context.Context, server config.Server, c store.Credentials, opt upstream.Options) (oldSession, error) {
	if server.Protocol == config.POP3 {
		return dialPOP3(ctx, server, c, opt)
	}
	s, err := dialIMAP(ctx, server, c, opt)
	if err != nil {
		return nil, err
	}
	return oldIMAP{askingSession{s}}, nil
}

func dialNew(ctx context.Context, server config.Server, c store.Credentials, opt upstream.Options) (newSession, error) {
	s, err := dialIMAP(ctx, server, c, opt)
	if err != nil {
		return nil, err
	}
	return newIMAP{s}, nil
}

func dialIMAP(ctx context.Context, server config.Server, c store.Credentials, opt upstream.Options) (*upstream.Session, error) {
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

// traced gives each session a trace.
func traced[S session](dial dialFunc[S], t *upstream.Tracer) dialFunc[S] {
	return func(ctx context.Context, server config.Server, c store.Credentials, opt upstream.Options) (S, error) {
		opt.Trace = t.Session(c.Login)
		return dial(ctx, server, c, opt)
	}
}

// among counts those that are in a set.
func (h heads) among(held map[store.Fingerprint]bool) (n int) {
	for _, m := range h {
		if held[fingerprintOf(m.header, m.message.Size)] {
			n++
		}
	}
	return n
}

func (h heads) fingerprints() map[store.Fingerprint]bool {
	all := make(map[store.Fingerprint]bool, len(h))
	for _, m := range h {
		all[fingerprintOf(m.header, m.message.Size)] = true
	}
	return all
}
