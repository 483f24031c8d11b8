package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"postferry/config"
	"postferry/upstream/link"
)

// Session is a connection with an old POP3 server (RFC 1939), under the rules of
// a Session: one goroutine at a time, bounded waits, Errors that say what helps.
//
// It never sends DELE or anything else that changes the mailbox. Two things
// can't be helped: servers may note that a message was retrieved (some show it
// as read or old from then on), and a login locks the mailbox for other POP3
// sessions at servers that go by the letter of RFC 1939, so a session should be short.
type Session struct {
	link     link.Link
	opt      link.Options
	stamp    string // for APOP, with its brackets; "" if the greeting had none
	caps     capabilities
	inside   bool // logged in
	underway int  // commands not yet answered
	probing  bool // a NOOP is among them that shows where a message ends
	trace    *link.Trace
}

// Dial connects, reads the greeting, starts TLS and learns the
// capabilities. ctx bounds all of it. Errors are of class Later, or Fix where trying again
// won't help: a certificate that isn't accepted, no TLS, no POP3.
func Dial(ctx context.Context, server config.Server, opt link.Options) (*Session, error) {
	var s *Session
	err := link.Open(ctx, server, opt, func(nc net.Conn, opt link.Options) link.Entrance {
		s = newSession(nc, server, opt)
		return entrance{s}
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Probe connects as DialPOP3 does, learns what the server says of itself, and
// leaves. It accepts every certificate, because it tells the server no secret:
// the caller judges it. With an error comes what was learnt before.
func Probe(ctx context.Context, server config.Server, opt link.Options) (link.Answer, error) {
	return link.Probe(ctx, server, opt, func(nc net.Conn, opt link.Options) link.Entrance {
		return entrance{newSession(nc, server, opt)}
	})
}

// newSession is a session over a connection that nothing was said on yet.
func newSession(nc net.Conn, server config.Server, opt link.Options) *Session {
	if opt.Quirks == nil {
		opt.Quirks = &link.Quirks{}
	}
	s := &Session{opt: opt, trace: opt.Trace}
	opt.Trace = nil // that one is for IMAP's octets; ours is told line by line
	s.link.Attach(nc, server, opt)
	s.trace.Of(s.link.Address)
	s.tell('-', "connected")
	return s
}

// Close closes the connection at once. It is safe to call from any goroutine,
// more than once, and unblocks the others.
func (s *Session) Close() error { return s.link.Close() }

// do runs one exchange with the server under ctx. An error of the connection,
// or the end of ctx, costs the session.
func (s *Session) do(ctx context.Context, op string, f func() error) error {
	return s.link.Do(ctx, op, f)
}

// entrance is a fresh session on its way to where a login is possible.
type entrance struct{ s *Session }

// Link implements Entrance.
func (e entrance) Link() *link.Link { return &e.s.link }

// Secure implements Entrance.
func (e entrance) Secure(server config.Server) error { return e.s.secure(server) }

// Greeting implements Entrance.
func (e entrance) Greeting() error { return e.s.greeting() }

// StartTLS implements Entrance.
func (e entrance) StartTLS(server config.Server) error { return e.s.startTLS(server) }

// Learn implements Entrance.
func (e entrance) Learn() error { return e.s.learn() }

// Capabilities implements Entrance.
func (e entrance) Capabilities() []string { return e.s.Capabilities() }

// Logout implements Entrance.
func (e entrance) Logout(ctx context.Context) error { return e.s.Logout(ctx) }

func (s *Session) secure(server config.Server) error {
	if err := s.link.Handshake(server); err != nil {
		return err
	}
	s.tell('-', "TLS")
	return nil
}

// greeting reads the server's first line.
func (s *Session) greeting() error {
	r, err := s.readReply()
	if errors.Is(err, link.ErrNoReply) {
		s.link.Said = "" // words of something that is no mail server are not passed on
		return s.link.Fault(link.OpConnect, link.Fix, fmt.Errorf("%w; %w", link.ErrNotPOP3, err))
	}
	if err != nil {
		return err
	}
	s.tell('S', r.line())
	s.link.Welcome = s.link.Clean(r.text)
	if open := strings.IndexByte(r.text, '<'); open >= 0 {
		if end := strings.IndexByte(r.text[open:], '>'); end > 0 {
			s.stamp = r.text[open : open+end+1]
		}
	}
	s.link.Met = r.kind == replyOK || r.kind == replyErr
	switch r.kind {
	case replyOK:
		return nil
	case replyErr:
		return s.refusal(link.OpConnect, r)
	}
	return s.link.Fault(link.OpConnect, link.Fix, link.ErrNotPOP3)
}

// startTLS protects the connection before anything else is said (RFC 2595 section 4).
// It asks without looking for STLS among the capabilities: a server that lacks
// it says so, and those that answer no CAPA may have it all the same.
func (s *Session) startTLS(server config.Server) error {
	r, err := s.command("STLS", "")
	if err != nil {
		return err
	}
	if r.kind != replyOK {
		e := s.refusal(link.OpConnect, r)
		e.Class, e.Err = link.Fix, link.ErrNoTLS
		return e
	}
	// As for STARTTLS: what came with the answer was not protected.
	if s.link.Reader.Buffered() > 0 {
		return s.link.Fault(link.OpConnect, link.Fix, link.ErrInjected)
	}
	return s.secure(server)
}

// capabilities are what CAPA tells (RFC 2449).
type capabilities struct {
	list  []string            // verbatim
	known map[string][]string // arguments by name, both in upper case
}

// learn asks for the capabilities. A server that knows no CAPA has none.
func (s *Session) learn() error {
	s.caps = capabilities{known: map[string][]string{}}
	r, err := s.command("CAPA", "")
	if err != nil || r.kind != replyOK {
		return err
	}
	return s.lines(maxCapaLines, func(line string) {
		s.tell('S', line)
		words := strings.Fields(strings.ToUpper(line))
		if len(words) > 0 && len(s.caps.list) < maxCaps {
			s.caps.list = append(s.caps.list, s.link.Clean(line))
			s.caps.known[words[0]] = words[1:]
		}
	})
}

// maxCapaLines bounds the answer to CAPA, maxCaps the capabilities that are kept.
const (
	maxCapaLines = 1000
	maxCaps      = 100
)

// Has reports a capability, as last announced.
func (s *Session) Has(name string) bool {
	_, ok := s.caps.known[strings.ToUpper(name)]
	return ok
}

// Capabilities returns the lines of CAPA, verbatim and in order; none if the
// server does not know it.
func (s *Session) Capabilities() []string { return slices.Clone(s.caps.list) }

// loginDelay is how far apart the server wants logins to be (RFC 2449 section 6.5).
func (s *Session) loginDelay() time.Duration {
	args := s.caps.known["LOGIN-DELAY"]
	if len(args) == 0 {
		return 0
	}
	n, err := strconv.ParseUint(args[0], 10, 31)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, link.MaxBackoff)
}

// Alive sends NOOP and reads its answer.
func (s *Session) Alive(ctx context.Context) error { return s.run(ctx, "NOOP", "") }

// Logout ends the session. It may be called more than once. After a login it
// closes the connection without QUIT: that would be the only way into the UPDATE
// state (RFC 1939 section 6), in which a server that announces EXPIRE 0 may
// delete what was read (RFC 2449 section 6.7). A session that ends otherwise
// must leave the mailbox as it is. It waits a moment for the server to hang up
// in turn, as until then the mailbox may be locked.
func (s *Session) Logout(ctx context.Context) error {
	var err error
	switch {
	case s.link.Lost != nil:
	case s.inside:
		err = s.do(ctx, "logout", s.hangUp)
	default:
		err = s.run(ctx, "QUIT", "")
	}
	if s.link.Lost == nil {
		s.link.Lost = s.link.Fault("QUIT", link.Lost, net.ErrClosed)
	}
	return errors.Join(err, s.Close())
}

// hangUpWait bounds the wait for the server's end of the connection.
const hangUpWait = time.Second

func (s *Session) hangUp() error {
	s.tell('-', "closed")
	if err := s.link.Raw.CloseWrite(); err != nil {
		return nil // it is closed already
	}
	s.link.Raw.Patience = min(hangUpWait, s.opt.Stall)
	// Whatever ends the wait, there is nothing more to say.
	_, _ = io.Copy(io.Discard, io.LimitReader(s.link.Raw, 1<<20))
	return nil
}

// run sends one command that is answered by a line.
func (s *Session) run(ctx context.Context, verb, args string) error {
	return s.do(ctx, verb, func() error {
		r, err := s.command(verb, args)
		if err != nil || r.kind == replyOK {
			return err
		}
		return s.refusal(verb, r)
	})
}

// command sends one command and reads the line that answers it, within do.
func (s *Session) command(verb, args string) (reply, error) {
	s.tell('C', strings.TrimSpace(verb+" "+args))
	if err := s.send(verb, args); err != nil {
		return reply{}, err
	}
	if err := s.link.Writer.Flush(); err != nil {
		return reply{}, err
	}
	r, err := s.answer()
	if err == nil {
		s.tell('S', r.line())
	}
	return r, err
}

// send writes a command, without handing it to the connection yet.
func (s *Session) send(verb, args string) error {
	if s.underway == 0 && s.link.Reader.Buffered() > 0 {
		return link.ErrUnasked // a goodbye, or the rest of what was taken for less than it was
	}
	s.underway++
	s.opt.Log.Trace().Str("command", verb).Msg("sent")
	if args != "" {
		verb += " " + args
	}
	_, err := fmt.Fprintf(s.link.Writer, "%s\r\n", verb)
	return err
}

// answer reads the line that answers the oldest command under way.
func (s *Session) answer() (reply, error) {
	r, err := s.readReply()
	s.underway--
	return r, err
}

// tell traces a line.
func (s *Session) tell(side byte, text string) { s.trace.Tell(side, text) }
