package link

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"postferry/config"
)

// OpConnect is the Op of errors before the login.
const OpConnect = "connect"

// bufferSize is what copying needs in each direction. Octets.
const bufferSize = 64 << 10

// Link is a connection with a server, whatever is spoken over it: its bounds,
// its protection, and what went wrong with it.
type Link struct {
	Address string // host:port
	Host    string
	Options Options

	Raw      *Conn    // below TLS
	Conn     net.Conn // raw, or TLS over it
	Reader   *bufio.Reader
	Writer   *bufio.Writer
	Detached atomic.Bool

	Welcome string // the greeting's words
	Met     bool   // what has answered speaks the protocol
	// Said is what the server said of its own accord and a person should see: an alert, an
	// untagged NO or BAD, a line that is no answer. It is kept until a command is completed.
	Said    string
	Secrets []string // not to be repeated in errors, while logging in
	Lost    *Error   // why the session can't be used any more
	// Working tells whether the server may still be at work on something that changes a
	// mailbox, so that a connection that stalled is not closed yet; nil for never.
	Working func() bool
	// PartingWords gives what the server said before it closed the connection,
	// nil if nothing.
	PartingWords func(op string) *Error
}

// connect makes a connection.
func connect(ctx context.Context, server config.Server, opt Options) (net.Conn, error) {
	if server.PublicOnly && server.Security == config.Insecure {
		return nil, &Error{Server: address(server), Role: opt.Role, Op: OpConnect, Class: Fix, Err: errUnprotected}
	}
	nc, err := dialerOf(server, opt)(ctx, "tcp", address(server))
	if err != nil {
		return nil, &Error{Server: address(server), Role: opt.Role, Op: OpConnect, Class: Later, Err: err}
	}
	if err := sayWhere(nc, server, opt); err != nil {
		_ = nc.Close() // there is nothing to lose
		return nil, &Error{Server: address(server), Role: opt.Role, Op: OpConnect, Class: Later, Err: err}
	}
	if opt.Progress != nil {
		opt.Progress()
	}
	if opt.Wrap != nil {
		nc = opt.Wrap(nc)
	}
	return nc, nil
}

// Attach makes the link one with a server that was just connected to.
func (l *Link) Attach(nc net.Conn, server config.Server, opt Options) {
	l.Address, l.Host, l.Options = address(server), server.Host, opt
	l.Raw = newConn(nc, opt)
	l.over(l.Raw)
}

// address is where a server is dialled.
func address(server config.Server) string {
	return net.JoinHostPort(server.Host, strconv.Itoa(server.Port))
}

// over makes the link use c.
func (l *Link) over(c net.Conn) {
	l.Conn = c
	rw := io.ReadWriter(c)
	if l.Options.Trace != nil {
		rw = l.Options.Trace.over(c, l.Address)
	}
	if l.Reader == nil {
		size := cmp.Or(l.Options.Buffer, bufferSize)
		l.Reader, l.Writer = bufio.NewReaderSize(rw, size), bufio.NewWriterSize(rw, size)
		return
	}
	l.Reader.Reset(rw) // both are empty
	l.Writer.Reset(rw)
}

// Handshake starts TLS on the connection.
func (l *Link) Handshake(server config.Server) error {
	c, err := tlsConfig(server, l.Options)
	if err != nil {
		return l.Fault(OpConnect, Fix, err)
	}
	t := tls.Client(l.Raw, c)
	if err := t.Handshake(); err != nil {
		return l.handshakeError(&tlsFault{old: server.TLS10, cause: err})
	}
	l.over(t)
	return nil
}

// handshakeError tells what a person has to mend from what passes.
func (l *Link) handshakeError(err *tlsFault) *Error {
	class := Fix
	if err.passes() {
		class = Later
	}
	return l.Fault(OpConnect, class, err)
}

// Fault is an error of ours.
func (l *Link) Fault(op string, class Class, err error) *Error {
	return &Error{Server: l.Address, Role: l.Options.Role, Op: op, Class: class, Said: l.Said, Err: err}
}

// Do runs one exchange with the server under ctx. An error of the connection,
// or the end of ctx, costs the session.
func (l *Link) Do(ctx context.Context, op string, f func() error) error {
	if l.Lost != nil {
		return l.Lost
	}
	if err := ctx.Err(); err != nil {
		return l.Fault(op, Later, err)
	}
	stop := context.AfterFunc(ctx, l.Raw.Kill)
	err := f()
	if !stop() {
		l.Lose(op, ctx.Err())
		if err != nil {
			return l.Lost
		}
	}
	if err == nil {
		return nil
	}
	// Not one deeper in the chain, which may come from another session: a
	// body that could not be read.
	if e, ok := err.(*Error); ok {
		return e
	}
	return l.Lose(op, err)
}

// Lose gives the connection up because of err.
func (l *Link) Lose(op string, err error) *Error {
	if l.Lost == nil {
		l.Lost = l.lostError(op, err)
		if l.Working == nil || !l.Stalled(err) || !l.Working() {
			_ = l.Close()
		}
	}
	return l.Lost
}

// lostError says why a connection can't be used any more.
func (l *Link) lostError(op string, err error) *Error {
	if l.PartingWords != nil {
		if e := l.PartingWords(op); e != nil {
			e.Err = fmt.Errorf("%w: %w", e.Err, err)
			return e
		}
	}
	e := l.Fault(op, Lost, err)
	if much, ok := errors.AsType[*Excess](err); ok && much.Whole {
		e.Class = Fix
	}
	if l.Stalled(err) {
		e.Err = fmt.Errorf("no byte for %v: %w", l.Options.Stall, err)
	}
	return e
}

// Stalled tells whether err means that no byte moved for as long as is waited for one.
func (l *Link) Stalled(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout() && !l.Raw.killed.Load()
}

// maxText is the most that is kept of a server's words, in bytes.
const maxText = 500

// Withheld stands in the place of words that repeat a secret.
const Withheld = "(words that repeat the password are left out)"

// Clean makes a server's words printable and bounded, and free of secrets.
func (l *Link) Clean(text string) string {
	for _, secret := range l.Secrets {
		if secret != "" && strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
			return Withheld
		}
	}
	return cleanText(text)
}

// cleanText bounds foreign words and takes out of them what is no text.
func cleanText(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text[:min(len(text), maxText)], "?"))
	return strings.TrimSpace(text)
}

// Close closes the connection at once. It is safe to call from any goroutine,
// more than once, and unblocks the others.
func (l *Link) Close() error {
	if l.Detached.Load() {
		return nil
	}
	// Not TLS's Close, which would wait for its goodbye to be written.
	if err := l.Raw.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// OpLogin is the Op of what is wrong with a login.
const OpLogin = "login"
