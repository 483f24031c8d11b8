package syncer

import (
	"context"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
	"postferry/upstream"
)

// oldSession is what the engine needs of a logged-in session with an old
// server. It can only read.
type oldSession interface {
	Namespace(ctx context.Context) (upstream.Namespace, error)
	List(ctx context.Context, withStatus bool) ([]upstream.Mailbox, error)
	Status(ctx context.Context, names []string) (map[string]upstream.Status, error)
	Examine(ctx context.Context, name string) (*upstream.Selected, error)
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
	ListFlags(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
	Alive(ctx context.Context) error
	Logout(ctx context.Context) error
	Close() error
}

// newSession is what the engine needs of a logged-in session with a new server.
type newSession interface {
	Namespace(ctx context.Context) (upstream.Namespace, error)
	List(ctx context.Context, withStatus bool) ([]upstream.Mailbox, error)
	Status(ctx context.Context, names []string) (map[string]upstream.Status, error)
	Examine(ctx context.Context, name string) (*upstream.Selected, error)
	Select(ctx context.Context, name string) (*upstream.Selected, error)
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
	Search(ctx context.Context, criteria string) (imap.UIDSet, error)
	Create(ctx context.Context, name string, use imap.MailboxAttr) error
	Subscribe(ctx context.Context, names []string) error
	SendAppend(ctx context.Context, mailbox string, batch []upstream.Append) (appendCall, error)
	StoreFlags(ctx context.Context, changes []upstream.FlagChange) error
	Alive(ctx context.Context) error
	Logout(ctx context.Context) error
	Close() error
}

// appendCall is a batch on its way to the new server.
type appendCall interface {
	Wait(ctx context.Context) ([]upstream.AppendResult, error)
}

// session is one session, whichever side it is with.
type session interface {
	oldSession
	newSession
}

// imapSession is an upstream session as the engine sees it.
type imapSession struct{ *upstream.Session }

func (s imapSession) SendAppend(ctx context.Context, mailbox string, batch []upstream.Append) (appendCall, error) {
	return s.Session.SendAppend(ctx, mailbox, batch)
}

// dialFunc opens a session and logs in.
type dialFunc func(ctx context.Context, server config.Server, c store.Credentials, opt upstream.Options) (session, error)

// dial is the dialFunc of real life.
func dial(ctx context.Context, server config.Server, c store.Credentials, opt upstream.Options) (session, error) {
	s, err := upstream.Dial(ctx, server, opt)
	if err != nil {
		return nil, err
	}
	if err := s.Login(ctx, c); err != nil {
		s.Close()
		return nil, err
	}
	return imapSession{s}, nil
}
