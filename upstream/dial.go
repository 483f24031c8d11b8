package upstream

import (
	"context"
	"errors"
	"net"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/upstream/link"
)

// Dial connects, reads the greeting, starts TLS and learns the capabilities.
// ctx bounds all of it. An error is of class Later, or Fix where trying again
// won't help: a certificate that isn't accepted, no TLS, no IMAP.
func Dial(ctx context.Context, server config.Server, opt link.Options) (*Session, error) {
	var s *Session
	err := link.Open(ctx, server, opt, func(nc net.Conn, opt link.Options) link.Entrance {
		s = newSession(nc, server, opt)
		return imapEntrance{s}
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Probe connects as Dial does, learns what the server says of itself, and
// leaves. It accepts every certificate, because it tells the server no secret:
// the caller judges it. With an error comes what was learnt before.
func Probe(ctx context.Context, server config.Server, opt link.Options) (link.Answer, error) {
	return link.Probe(ctx, server, opt, func(nc net.Conn, opt link.Options) link.Entrance {
		return imapEntrance{newSession(nc, server, opt)}
	})
}

// imapEntrance is a fresh session on its way to where a login is possible.
type imapEntrance struct{ s *Session }

// Link implements Entrance.
func (e imapEntrance) Link() *link.Link { return &e.s.conn.link }

// Secure implements Entrance.
func (e imapEntrance) Secure(server config.Server) error { return e.s.secure(server) }

// Greeting implements Entrance.
func (e imapEntrance) Greeting() error { return e.s.greeting() }

// StartTLS implements Entrance.
func (e imapEntrance) StartTLS(server config.Server) error { return e.s.startTLS(server) }

// Learn implements Entrance.
func (e imapEntrance) Learn() error { return e.s.conn.learn() }

// Capabilities implements Entrance.
func (e imapEntrance) Capabilities() []string { return e.s.Capabilities() }

// Logout implements Entrance.
func (e imapEntrance) Logout(ctx context.Context) error { return e.s.Logout(ctx) }

// greeting reads the server's first response.
func (s *Session) greeting() error {
	d := s.conn.dec
	if c := d.Peek(); c != '*' && d.Err() == nil {
		d.Fail("an IMAP greeting")
		return &link.Error{Server: s.conn.link.Address, Role: s.conn.opt.Role, Op: link.OpConnect, Class: link.Fix, Err: errors.Join(link.ErrNotIMAP, d.Err())}
	}
	d.Word()
	d.Space()
	kind := upper(d.Word())
	st := link.ParseResponse(kind, d.Text())
	if err := d.Err(); err != nil {
		return err
	}
	s.conn.note(&st)
	s.conn.notice(&st)
	s.conn.link.Welcome = s.conn.link.Clean(st.Text)
	s.conn.link.Met = kind == "OK" || kind == "PREAUTH" || kind == "BYE"
	switch kind {
	case "OK":
	case "PREAUTH":
		s.preauth = true
	case "BYE":
		return s.conn.link.StatusError(link.OpConnect, &st)
	default:
		return &link.Error{Server: s.conn.link.Address, Role: s.conn.opt.Role, Op: link.OpConnect, Class: link.Fix, Err: link.ErrNotIMAP, Text: s.conn.link.Clean(kind + " " + st.Text)}
	}
	return nil
}

// startTLS protects the connection before anything else is said.
func (s *Session) startTLS(server config.Server) error {
	if s.preauth {
		// There is no STARTTLS once logged in (RFC 9051 section 11.1).
		return &link.Error{Server: s.conn.link.Address, Role: s.conn.opt.Role, Op: link.OpConnect, Class: link.Fix, Err: link.ErrPreauth}
	}
	if err := s.conn.learn(); err != nil {
		return err
	}
	if !s.conn.caps.Has(imap.CapStartTLS) {
		return &link.Error{Server: s.conn.link.Address, Role: s.conn.opt.Role, Op: link.OpConnect, Class: link.Fix, Err: link.ErrNoTLS}
	}
	if err := s.conn.exchange("STARTTLS", nil, nil); err != nil {
		if e, ok := errors.AsType[*link.Error](err); ok && e.Class == link.Refused {
			e.Class = link.Fix
		}
		return err
	}
	// What came with the answer was not protected: somebody in between may
	// have put it there to be taken for the server's words (RFC 9051 section 11.1).
	if s.conn.link.Reader.Buffered() > 0 {
		return &link.Error{Server: s.conn.link.Address, Role: s.conn.opt.Role, Op: link.OpConnect, Class: link.Fix, Err: link.ErrInjected}
	}
	if err := s.secure(server); err != nil {
		return err
	}
	s.conn.caps.forget() // those before TLS are not to be trusted
	return nil
}

func (s *Session) secure(server config.Server) error {
	if err := s.conn.link.Handshake(server); err != nil {
		return err
	}
	s.conn.encode()
	return nil
}
