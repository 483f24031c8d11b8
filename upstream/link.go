package upstream

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

// opConnect is the Op of errors before the login.
const opConnect = "connect"

// bufferSize is what copying needs in each direction. Octets.
const bufferSize = 64 << 10

// link is a connection with a server, whatever is spoken over it: its bounds,
// its protection, and what went wrong with it.
type link struct {
	addr string // host:port
	host string
	opt  Options

	raw      *conn    // below TLS
	conn     net.Conn // raw, or TLS over it
	r        *bufio.Reader
	w        *bufio.Writer
	detached atomic.Bool

	welcome string // the greeting's words
	met     bool   // what has answered speaks the protocol
	// said is what the server said of its own accord and a person should see: an alert, an
	// untagged NO or BAD, a line that is no answer. It is kept until a command is completed.
	said    string
	secrets []string // not to be repeated in errors, while logging in
	lost    *Error   // why the session can't be used any more
	// working tells whether the server may still be at work on something that changes a
	// mailbox, so that a connection that stalled is not closed yet; nil for never.
	working func() bool
	// partingWords gives what the server said before it closed the connection,
	// nil if nothing.
	partingWords func(op string) *Error
}

// connect makes a connection.
func connect(ctx context.Context, server config.Server, opt Options) (net.Conn, error) {
	if server.PublicOnly && server.Security == config.Insecure {
		return nil, &Error{Server: address(server), Role: opt.Role, Op: opConnect, Class: Fix, Err: errUnprotected}
	}
	nc, err := dialerOf(server, opt)(ctx, "tcp", address(server))
	if err != nil {
		return nil, &Error{Server: address(server), Role: opt.Role, Op: opConnect, Class: Later, Err: err}
	}
	if err := sayWhere(nc, server, opt); err != nil {
		_ = nc.Close() // there is nothing to lose
		return nil, &Error{Server: address(server), Role: opt.Role, Op: opConnect, Class: Later, Err: err}
	}
	if opt.Progress != nil {
		opt.Progress()
	}
	if opt.Wrap != nil {
		nc = opt.Wrap(nc)
	}
	return nc, nil
}

// attach makes the link one with a server that was just connected to.
func (l *link) attach(nc net.Conn, server config.Server, opt Options) {
	l.addr, l.host, l.opt = address(server), server.Host, opt
	l.raw = newConn(nc, opt)
	l.over(l.raw)
}

// address is where a server is dialled.
func address(server config.Server) string {
	return net.JoinHostPort(server.Host, strconv.Itoa(server.Port))
}

// over makes the link use c.
func (l *link) over(c net.Conn) {
	l.conn = c
	rw := io.ReadWriter(c)
	if l.opt.Trace != nil {
		rw = l.opt.Trace.over(c, l.addr)
	}
	if l.r == nil {
		size := cmp.Or(l.opt.Buffer, bufferSize)
		l.r, l.w = bufio.NewReaderSize(rw, size), bufio.NewWriterSize(rw, size)
		return
	}
	l.r.Reset(rw) // both are empty
	l.w.Reset(rw)
}

// handshake starts TLS on the connection.
func (l *link) handshake(server config.Server) error {
	c, err := tlsConfig(server, l.opt)
	if err != nil {
		return l.fault(opConnect, Fix, err)
	}
	t := tls.Client(l.raw, c)
	if err := t.Handshake(); err != nil {
		return l.handshakeError(&tlsFault{old: server.TLS10, cause: err})
	}
	l.over(t)
	return nil
}

// handshakeError tells what a person has to mend from what passes.
func (l *link) handshakeError(err *tlsFault) *Error {
	class := Fix
	if err.passes() {
		class = Later
	}
	return l.fault(opConnect, class, err)
}

// fault is an error of ours.
func (l *link) fault(op string, class Class, err error) *Error {
	return &Error{Server: l.addr, Role: l.opt.Role, Op: op, Class: class, Said: l.said, Err: err}
}

// do runs one exchange with the server under ctx. An error of the connection,
// or the end of ctx, costs the session.
func (l *link) do(ctx context.Context, op string, f func() error) error {
	if l.lost != nil {
		return l.lost
	}
	if err := ctx.Err(); err != nil {
		return l.fault(op, Later, err)
	}
	stop := context.AfterFunc(ctx, l.raw.kill)
	err := f()
	if !stop() {
		l.lose(op, ctx.Err())
		if err != nil {
			return l.lost
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
	return l.lose(op, err)
}

// lose gives the connection up because of err.
func (l *link) lose(op string, err error) *Error {
	if l.lost == nil {
		l.lost = l.lostError(op, err)
		if l.working == nil || !l.stalled(err) || !l.working() {
			_ = l.Close()
		}
	}
	return l.lost
}

// lostError says why a connection can't be used any more.
func (l *link) lostError(op string, err error) *Error {
	if l.partingWords != nil {
		if e := l.partingWords(op); e != nil {
			e.Err = fmt.Errorf("%w: %w", e.Err, err)
			return e
		}
	}
	e := l.fault(op, Lost, err)
	if much, ok := errors.AsType[*excess](err); ok && much.whole {
		e.Class = Fix
	}
	if l.stalled(err) {
		e.Err = fmt.Errorf("no byte for %v: %w", l.opt.Stall, err)
	}
	return e
}

// stalled tells whether err means that no byte moved for as long as is waited for one.
func (l *link) stalled(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout() && !l.raw.killed.Load()
}

// maxText is the most that is kept of a server's words, in bytes.
const maxText = 500

// Withheld stands in the place of words that repeat a secret.
const Withheld = "(words that repeat the password are left out)"

// clean makes a server's words printable and bounded, and free of secrets.
func (l *link) clean(text string) string {
	for _, secret := range l.secrets {
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
func (l *link) Close() error {
	if l.detached.Load() {
		return nil
	}
	// Not TLS's Close, which would wait for its goodbye to be written.
	if err := l.raw.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// opLogin is the Op of what is wrong with a login.
const opLogin = "login"
