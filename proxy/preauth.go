package proxy

import (
	"context"
	"encoding/base64"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-sasl"

	"postferry/store"
	"postferry/wire"
)

// capabilities are those before login.
func (s *session) capabilities() string {
	caps := "IMAP4rev1 LITERAL+ SASL-IR ID"
	if !s.secure {
		caps += " STARTTLS"
	}
	if s.mayLogIn() {
		return caps + " AUTH=PLAIN"
	}
	return caps + " LOGINDISABLED"
}

func (s *session) mayLogIn() bool { return s.secure || s.srv.cfg.Proxy.AllowPlaintext }

// answer carries out one command.
func (s *session) answer(ctx context.Context, c command) error {
	switch c.verb {
	case wire.VerbCapability:
		return s.reply("* CAPABILITY %s\r\n%s OK Done", s.capabilities(), c.tag)
	case wire.VerbID:
		if id, ok := wire.ParseID(s.said); ok {
			s.id = id
		}
		s.said = nil
		return s.reply("* ID NIL\r\n%s OK Done", c.tag)
	case wire.VerbNoop:
		return s.reply("%s OK Done", c.tag)
	case wire.VerbLogout:
		if err := s.reply("* BYE Goodbye\r\n%s OK Done", c.tag); err != nil {
			return err
		}
		return errGoodbye
	case wire.VerbStartTLS:
		return s.upgrade(ctx, c)
	case wire.VerbLogin:
		return s.login(ctx, c)
	case wire.VerbAuthenticate:
		return s.authenticate(ctx, c)
	}
	return s.refuse(c.tag, "Log in first")
}

// upgrade carries out STARTTLS. Whatever came in the same breath may have been
// slipped in by somebody on the way and must not be taken for the client's
// words under TLS (RFC 9051 section 6.2.1), so such a connection ends.
func (s *session) upgrade(ctx context.Context, c command) error {
	if s.secure {
		return s.refuse(c.tag, "TLS is active already")
	}
	if s.r.Buffered() > 0 {
		s.log.Warn().Msg("input behind STARTTLS, connection refused")
		if err := s.reply("%s BAD Nothing may follow STARTTLS\r\n* BYE Nothing may follow STARTTLS", c.tag); err != nil {
			return err
		}
		return errGoodbye
	}
	if err := s.reply("%s OK Begin TLS now", c.tag); err != nil {
		return err
	}
	if !s.startTLS(ctx) {
		return errHandshake
	}
	return nil
}

// login carries out LOGIN.
func (s *session) login(ctx context.Context, c command) error {
	if !s.mayLogIn() {
		return s.reply("%s NO [PRIVACYREQUIRED] Log in with TLS only", c.tag)
	}
	if len(c.args) != 2 {
		return s.refuse(c.tag, "LOGIN needs a login and a password")
	}
	return s.attempt(ctx, c.tag, store.Credentials{Login: c.args[0], Password: store.Secret(c.args[1])})
}

// attempt tries to log the client in. It isn't sent away meanwhile.
func (s *session) attempt(ctx context.Context, tag string, c store.Credentials) error {
	if !s.srv.door.trying(s.guest) {
		return net.ErrClosed
	}
	begun := time.Now()
	err := s.admit(ctx, tag, c)
	s.deadline = s.deadline.Add(time.Since(begun))
	s.rearm(ctx)
	if s.in != nil {
		s.srv.door.admitted(s.guest)
	} else {
		s.srv.sendAway(s.srv.door.failed(s.guest))
	}
	return err
}

// authenticate carries out AUTHENTICATE PLAIN (RFC 4616), with or without an
// initial response (RFC 4959).
func (s *session) authenticate(ctx context.Context, c command) error {
	if !s.mayLogIn() {
		return s.reply("%s NO [PRIVACYREQUIRED] Log in with TLS only", c.tag)
	}
	if len(c.args) == 0 {
		return s.refuse(c.tag, "AUTHENTICATE needs a mechanism")
	}
	if !strings.EqualFold(c.args[0], sasl.Plain) {
		return s.reply("%s NO [CANNOT] This mechanism is not known here", c.tag)
	}
	response, err := s.response(c)
	if err != nil {
		return err
	}
	if response == "*" {
		return s.refuse(c.tag, "Authentication given up")
	}
	creds, ok := plain(response)
	if !ok {
		return s.refuse(c.tag, "This is no PLAIN response")
	}
	return s.attempt(ctx, c.tag, creds)
}

// response returns the client's response in base64, asking for it unless it
// came with the command.
func (s *session) response(c command) (string, error) {
	if len(c.args) == 2 {
		return strings.TrimPrefix(c.args[1], "="), nil
	}
	if err := s.reply("+ "); err != nil {
		return "", err
	}
	return s.line()
}

// plain decodes a PLAIN response. Acting for somebody else is not possible.
func plain(response string) (c store.Credentials, ok bool) {
	decoded, err := base64.StdEncoding.DecodeString(response)
	if err != nil {
		return c, false
	}
	server := sasl.NewPlainServer(func(identity, login, password string) error {
		if identity != "" && identity != login {
			return errIdentity
		}
		c = store.Credentials{Login: login, Password: store.Secret(password)}
		return nil
	})
	_, done, err := server.Next(decoded)
	return c, done && err == nil
}
