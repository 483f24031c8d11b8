package upstream

import (
	"context"
	"io"
	"slices"

	"postferry/upstream/link"
)

// This file is about servers that fall silent in the middle of an APPEND, COPY or MOVE: nobody knows
// what they will make of it. A process that was stopped or waits for its disk has the
// message in its socket's buffer and may store it long after the client has given up.

// appending tells whether an APPEND, a COPY or a MOVE has not been answered yet.
func (c *conn) appending() bool {
	return slices.ContainsFunc(c.underway, func(c *command) bool { return c.verb == link.VerbAppend || c.verb == verbCopy || c.verb == verbMove })
}

// Hung tells whether the session was given up because the server fell silent while an
// APPEND, a COPY or a MOVE was under way. Its connection is still open then, until AwaitEnd or Close.
func (s *Session) Hung() bool {
	return s.conn.link.Lost != nil && !s.conn.link.Raw.Closed.Load() && s.conn.appending()
}

// AwaitEnd says no more on a session that hung and waits for the server to hang up as
// well: a server deals with what it has received in its order, comes to the end and closes.
// nil means that it has, so that nothing it was given can be stored from then on; an error
// that ctx ended before. The connection is closed in either case.
func (s *Session) AwaitEnd(ctx context.Context) error {
	defer s.Close()
	stop := context.AfterFunc(ctx, s.conn.link.Raw.Kill)
	defer stop()
	if err := s.conn.link.Raw.Hush(); err != nil {
		return nil //nolint:nilerr // the connection has ended already
	}
	// Not through TLS, which is of no use after a write that broke off; the words don't matter.
	_, _ = io.Copy(io.Discard, s.conn.link.Raw.Conn)
	return ctx.Err()
}
