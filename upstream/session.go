package upstream

import (
	"bufio"
	"context"
	"errors"
	"net"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/upstream/link"
)

// Session is a connection with a server. What can be done with a server is the business of its
// parts, one subject each: who needs some of it is given those. A session and its parts may be
// used by one goroutine at a time.
type Session struct {
	conn    *conn
	preauth bool // the greeting was PREAUTH

	Tree     *Tree     // the folders, and what is told of them
	Maker    *Maker    // folders and subscriptions to be made
	Opener   *Opener   // a folder to be read
	Fetcher  *Fetcher  // messages of the opened folder
	Searcher *Searcher // likewise
	Changer  *Changer  // a folder to be changed, and its messages
	Appender *Appender // messages to be stored, and whether they were
	Watcher  *Watcher  // news
}

func newSession(nc net.Conn, server config.Server, opt link.Options) *Session {
	c := newConn(nc, server, opt)
	opener, fetcher := &Opener{c}, &Fetcher{c}
	return &Session{
		conn: c, Tree: &Tree{conn: c}, Maker: &Maker{c}, Opener: opener, Fetcher: fetcher, Searcher: &Searcher{c},
		Changer: &Changer{c, opener, fetcher}, Appender: &Appender{c}, Watcher: &Watcher{c},
	}
}

// Has reports a capability (case-insensitively), as last announced by the
// server, unless the server is known not to keep it.
func (s *Session) Has(c imap.Cap) bool { return s.conn.caps.Has(c) }

// Close closes the connection at once. It is safe to call from any goroutine,
// more than once, and unblocks the others.
func (s *Session) Close() error { return s.conn.link.Close() }

// Alive sends NOOP and reads its answer.
func (s *Session) Alive(ctx context.Context) error {
	return s.conn.run(ctx, "NOOP", nil, nil)
}

// Logout says goodbye and closes. It may be called more than once.
func (s *Session) Logout(ctx context.Context) error {
	if s.conn.link.Lost != nil {
		return s.Close()
	}
	err := s.conn.run(ctx, "LOGOUT", nil, nil)
	if s.conn.link.Lost == nil {
		s.conn.link.Lost = &link.Error{Server: s.conn.link.Address, Role: s.conn.opt.Role, Op: "LOGOUT", Class: link.Lost, Err: net.ErrClosed}
	}
	if s.conn.bye != nil {
		err = nil // a server may close right behind its BYE
	}
	return errors.Join(err, s.Close())
}

// Detach gives the connection and what has been read ahead of it to the
// relay. The session must not be used afterwards.
func (s *Session) Detach() (net.Conn, *bufio.Reader) {
	s.conn.link.Detached.Store(true)
	s.conn.opt.Trace.End() // what clients say is none of its business
	s.conn.link.Lost = &link.Error{Server: s.conn.link.Address, Role: s.conn.opt.Role, Op: "detach", Class: link.Lost, Err: net.ErrClosed}
	// Errors: a connection that is gone already shows at its next use.
	_ = s.conn.link.Raw.Release()
	return s.conn.link.Conn, s.conn.link.Reader
}
