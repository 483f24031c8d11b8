package upstream

import (
	"context"
	"errors"
	"net"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
)

// Dial connects, reads the greeting, starts TLS and learns the capabilities.
// ctx bounds all of it. An error is of class Later, or Fix where trying again
// won't help: a certificate that isn't accepted, no TLS, no IMAP.
func Dial(ctx context.Context, server config.Server, opt Options) (*Session, error) {
	var s *Session
	err := open(ctx, server, opt, func(nc net.Conn, opt Options) Entrance {
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
func Probe(ctx context.Context, server config.Server, opt Options) (Answer, error) {
	return probe(ctx, server, opt, func(nc net.Conn, opt Options) Entrance {
		return imapEntrance{newSession(nc, server, opt)}
	})
}

// imapEntrance is a fresh session on its way to where a login is possible.
type imapEntrance struct{ s *Session }

// Link implements Entrance.
func (e imapEntrance) Link() *link { return &e.s.link }

// Secure implements Entrance.
func (e imapEntrance) Secure(server config.Server) error { return e.s.secure(server) }

// Greeting implements Entrance.
func (e imapEntrance) Greeting() error { return e.s.greeting() }

// StartTLS implements Entrance.
func (e imapEntrance) StartTLS(server config.Server) error { return e.s.startTLS(server) }

// Learn implements Entrance.
func (e imapEntrance) Learn() error { return e.s.learn() }

// Capabilities implements Entrance.
func (e imapEntrance) Capabilities() []string { return e.s.Capabilities() }

// Logout implements Entrance.
func (e imapEntrance) Logout(ctx context.Context) error { return e.s.Logout(ctx) }

// greeting reads the server's first response.
func (s *Session) greeting() error {
	d := s.dec
	if c := d.Peek(); c != '*' && d.Err() == nil {
		d.Fail("an IMAP greeting")
		return &Error{Server: s.link.addr, Role: s.opt.Role, Op: opConnect, Class: Fix, Err: errors.Join(ErrNotIMAP, d.Err())}
	}
	d.Word()
	d.Space()
	kind := upper(d.Word())
	st := parseStatus(kind, d.Text())
	if err := d.Err(); err != nil {
		return err
	}
	s.note(&st)
	s.notice(&st)
	s.link.welcome = s.link.clean(st.text)
	s.link.met = kind == "OK" || kind == "PREAUTH" || kind == "BYE"
	switch kind {
	case "OK":
	case "PREAUTH":
		s.preauth = true
	case "BYE":
		return s.link.statusError(opConnect, &st)
	default:
		return &Error{Server: s.link.addr, Role: s.opt.Role, Op: opConnect, Class: Fix, Err: ErrNotIMAP, Text: s.link.clean(kind + " " + st.text)}
	}
	return nil
}

// startTLS protects the connection before anything else is said.
func (s *Session) startTLS(server config.Server) error {
	if s.preauth {
		// There is no STARTTLS once logged in (RFC 9051 section 11.1).
		return &Error{Server: s.link.addr, Role: s.opt.Role, Op: opConnect, Class: Fix, Err: errPreauth}
	}
	if err := s.learn(); err != nil {
		return err
	}
	if !s.Has(imap.CapStartTLS) {
		return &Error{Server: s.link.addr, Role: s.opt.Role, Op: opConnect, Class: Fix, Err: ErrNoTLS}
	}
	if err := s.exchange("STARTTLS", nil, nil); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Class == Refused {
			e.Class = Fix
		}
		return err
	}
	// What came with the answer was not protected: somebody in between may
	// have put it there to be taken for the server's words (RFC 9051 section 11.1).
	if s.link.r.Buffered() > 0 {
		return &Error{Server: s.link.addr, Role: s.opt.Role, Op: opConnect, Class: Fix, Err: errInjected}
	}
	if err := s.secure(server); err != nil {
		return err
	}
	s.caps = capabilities{} // those before TLS are not to be trusted
	return nil
}

func (s *Session) secure(server config.Server) error {
	if err := s.link.handshake(server); err != nil {
		return err
	}
	s.encode()
	return nil
}
