package upstream

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
)

// Dial connects, reads the greeting, starts TLS and learns the capabilities.
// ctx bounds all of it. An error is of class Later, or Fix where trying again
// won't help: a certificate that isn't accepted, no TLS, no IMAP.
func Dial(ctx context.Context, server config.Server, opt Options) (*Session, error) {
	s, err := reachIMAP(ctx, server, opt)
	if err != nil {
		return nil, veil(ctx, server, opt, false, err)
	}
	if err := s.start(ctx, server); err != nil {
		return nil, veil(ctx, server, opt, s.met, err)
	}
	return s, nil
}

// reachIMAP makes the connection.
func reachIMAP(ctx context.Context, server config.Server, opt Options) (*Session, error) {
	opt = opt.withDefaults()
	nc, err := connect(ctx, server, opt)
	if err != nil {
		return nil, err
	}
	return newSession(nc, server, opt), nil
}

// start brings a fresh connection to where a login is possible, or closes it.
func (s *Session) start(ctx context.Context, server config.Server) error {
	err := s.do(ctx, opConnect, func() error { return approach(s, server) })
	if err != nil {
		_ = s.Close()
		return dialError(err)
	}
	return nil
}

// dialError makes what would cost a session a server that is unwell.
func dialError(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	if e.Op = opConnect; e.Class == Lost {
		e.Class = Later
	}
	return e
}

// entrance is what either protocol has between the connection and a login.
type entrance interface {
	secure(server config.Server) error
	greeting() error
	startTLS(server config.Server) error
	learn() error
}

// approach brings a fresh connection to where a login is possible.
func approach(s entrance, server config.Server) error {
	if server.Security == config.ImplicitTLS {
		if err := s.secure(server); err != nil {
			return err
		}
	}
	if err := s.greeting(); err != nil {
		return err
	}
	if server.Security == config.StartTLS {
		if err := s.startTLS(server); err != nil {
			return err
		}
	}
	return s.learn()
}

// greeting reads the server's first response.
func (s *Session) greeting() error {
	d := s.dec
	if c := d.Peek(); c != '*' && d.Err() == nil {
		d.Fail("an IMAP greeting")
		return &Error{Server: s.addr, Role: s.opt.Role, Op: opConnect, Class: Fix, Err: errors.Join(ErrNotIMAP, d.Err())}
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
	s.welcome = s.clean(st.text)
	s.met = kind == "OK" || kind == "PREAUTH" || kind == "BYE"
	switch kind {
	case "OK":
	case "PREAUTH":
		s.preauth = true
	case "BYE":
		return s.statusError(opConnect, &st)
	default:
		return &Error{Server: s.addr, Role: s.opt.Role, Op: opConnect, Class: Fix, Err: ErrNotIMAP, Text: s.clean(kind + " " + st.text)}
	}
	return nil
}

// startTLS protects the connection before anything else is said.
func (s *Session) startTLS(server config.Server) error {
	if s.preauth {
		// There is no STARTTLS once logged in (RFC 9051 section 11.1).
		return &Error{Server: s.addr, Role: s.opt.Role, Op: opConnect, Class: Fix, Err: errPreauth}
	}
	if err := s.learn(); err != nil {
		return err
	}
	if !s.Has(imap.CapStartTLS) {
		return &Error{Server: s.addr, Role: s.opt.Role, Op: opConnect, Class: Fix, Err: ErrNoTLS}
	}
	if err := s.exchange("STARTTLS", nil, nil); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Class == Refused {
			e.Class = Fix
		}
		return err
	}
	// What came with the answer was not protected: somebody in between may
	// have put it there to be taken for the server's words (RFC 9051 section 11.1).
	if s.r.Buffered() > 0 {
		return &Error{Server: s.addr, Role: s.opt.Role, Op: opConnect, Class: Fix, Err: errInjected}
	}
	if err := s.secure(server); err != nil {
		return err
	}
	s.caps = capabilities{} // those before TLS are not to be trusted
	return nil
}

func (s *Session) secure(server config.Server) error {
	if err := s.handshake(server); err != nil {
		return err
	}
	s.encode()
	return nil
}
