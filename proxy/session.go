package proxy

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"postferry/proxy/admission"
	"postferry/wire"
)

const (
	maxLiteral    = 8192  // octets of a literal before login
	maxCommand    = 65536 // octets of a whole command before login
	maxID         = 32768 // octets of ID that are looked at (RFC 2971 section 3.3)
	maxBad        = 10    // commands that make no sense, before login
	replyDeadline = 10 * time.Second
)

// errTooLong ends a session whose client sends more than anybody needs to log in.
var errTooLong = errors.New("more input before login than is accepted")

// errGoodbye ends a session in good order.
var errGoodbye = errors.New("goodbye")

// session is a client's connection before it has logged in.
type session struct {
	srv    *Server
	guest  *admission.Guest
	conn   net.Conn
	r      *bufio.Reader
	scan   wire.CommandScanner
	log    zerolog.Logger
	remote netip.Addr
	secure bool
	// deadline is when it must have logged in, but for the time its logins take.
	deadline time.Time
	bad      int          // commands that made no sense
	in       *entry       // set once logged in
	said     []byte       // the command under way, as long as it may be an ID
	id       []wire.Field // what the client has told of itself
	number   string       // names the session in the log, and to the new server
}

// command is what a client said before login.
type command struct {
	tag  string
	verb wire.Verb
	args []string
}

func newSession(srv *Server, g *admission.Guest) *session {
	conn := g.Conn
	s := &session{
		srv: srv, guest: g, conn: conn, r: srv.buffers.reader(conn, false),
		number: rand.Text()[:12],
	}
	s.log = srv.log.With().Stringer("remote", conn.RemoteAddr()).Str("session", s.number).Logger()
	if addr, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		s.remote = addr.AddrPort().Addr()
	}
	return s
}

// startTLS makes the connection a TLS one.
func (s *session) startTLS(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, handshakeBound)
	defer cancel()
	conn := tls.Server(s.conn, s.srv.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		s.log.Debug().Err(err).Msg("TLS handshake failed")
		return false
	}
	s.conn, s.secure = conn, true
	s.r.Reset(conn)
	s.scan = wire.CommandScanner{}
	return true
}

// run speaks with the client until it has logged in or is gone; nil means gone.
func (s *session) run(ctx context.Context) *entry {
	conn := s.conn // STARTTLS replaces s.conn by a layer over this one
	s.deadline = time.Now().Add(preauthBound)
	conn.SetReadDeadline(s.deadline)
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
	err := s.reply("* OK [CAPABILITY %s] Postferry ready", s.capabilities())
	for err == nil && s.in == nil {
		err = s.next(ctx)
	}
	stopped := stop()
	if err != nil {
		s.leave(ctx, err)
		return nil
	}
	if !stopped { // the deadline is set or about to be
		s.in.up.Close()
		s.leave(ctx, os.ErrDeadlineExceeded)
		s.srv.left(&s.in.account)
		return nil
	}
	conn.SetDeadline(time.Time{})
	return s.in
}

// next reads and answers one command.
func (s *session) next(ctx context.Context) error {
	c, err := s.read()
	if err != nil {
		return err
	}
	if c.tag == "" || strings.ContainsAny(c.tag, "*+(){%\"\\") || c.verb == wire.VerbNone {
		return s.refuse("*", "A command needs a tag and a name")
	}
	return s.answer(ctx, c)
}

// read reads one command and asks for its literals.
func (s *session) read() (command, error) {
	used := 0
	s.said = nil
	for {
		if _, err := s.r.Peek(1); err != nil {
			return command{}, err
		}
		b, err := s.r.Peek(s.r.Buffered())
		if err != nil {
			return command{}, err
		}
		n, ev := s.scan.Scan(b)
		s.keepID(b[:n])
		if _, err := s.r.Discard(n); err != nil {
			return command{}, err
		}
		if used += n; used > maxCommand || ev == wire.CommandBad {
			return command{}, errTooLong
		}
		switch ev {
		case wire.CommandLiteral:
			if err := s.literal(); err != nil {
				return command{}, err
			}
		case wire.CommandEnd:
			return s.command(), nil
		}
	}
}

// keepID keeps a command as long as it may be an ID.
func (s *session) keepID(part []byte) {
	if v := s.scan.Verb(); v != wire.VerbID && v != wire.VerbNone || len(s.said)+len(part) > maxID {
		s.said = nil
		return
	}
	s.said = append(s.said, part...)
}

// literal asks for a literal's data, unless it is too large.
func (s *session) literal() error {
	if s.scan.Literal().Size > maxLiteral {
		s.scan.Continue(false)
		return s.refuse(string(s.scan.Tag()), "[TOOBIG] The literal is too long")
	}
	s.scan.Continue(true)
	return s.reply("+ Ready for the literal")
}

func (s *session) command() command {
	c := command{tag: string(s.scan.Tag()), verb: s.scan.Verb()}
	for _, a := range s.scan.Args() {
		c.args = append(c.args, string(a))
	}
	return c
}

// line reads a line that is no command, such as a SASL response.
func (s *session) line() (string, error) {
	var line []byte
	for {
		part, err := s.r.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxLiteral {
			return "", errTooLong
		}
		if err == nil {
			return strings.TrimRight(string(line), "\r\n"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
}

// refuse answers what makes no sense, a bounded number of times.
func (s *session) refuse(tag, text string) error {
	if s.bad++; s.bad > maxBad {
		return errTooLong
	}
	return s.reply("%s BAD %s", tag, text)
}

// reply sends one response.
func (s *session) reply(format string, args ...any) error {
	s.conn.SetWriteDeadline(time.Now().Add(replyDeadline))
	_, err := fmt.Fprintf(s.conn, format+"\r\n", args...)
	return err
}

// leave says why a session ends, as far as the client can still hear it.
func (s *session) leave(ctx context.Context, err error) {
	switch {
	case errors.Is(err, errGoodbye):
	case errors.Is(err, errTooLong):
		s.log.Info().Msg("client sent too much before login")
		s.reply("* BYE Too much input before login")
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		s.reply("* BYE Postferry is shutting down")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.reply("* BYE Too slow to log in")
	default:
		return
	}
	closeGently(s.conn, s.r)
}

// closeGently sends the end of the stream and reads on for a moment: closing
// a connection with unread input would reset it and take the last words along.
func closeGently(conn net.Conn, r *bufio.Reader) {
	if closeWrite(conn) == nil {
		conn.SetReadDeadline(time.Now().Add(lingerBound))
		discard(r)
	}
	conn.Close()
}
