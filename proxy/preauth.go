package proxy

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-sasl"

	"postferry/store"
	"postferry/upstream/link"
	"postferry/wire"
)

// capabilities are those before login.
func (s *session) capabilities() string {
	caps := "IMAP4rev1 LITERAL+ SASL-IR ID"
	if !s.secure {
		caps += " STARTTLS"
	}
	if s.mayLogIn() {
		for _, name := range append([]string{sasl.Plain}, s.srv.offers.all(s.srv.cfg.AllDomains())...) {
			caps += " AUTH=" + name
		}
		return caps
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
	return s.attempt(ctx, c.tag, claim{login: c.args[0], secret: store.Secret(c.args[1])})
}

// attempt tries to log the client in. It isn't sent away meanwhile.
func (s *session) attempt(ctx context.Context, tag string, c claim) error {
	if !s.srv.door.Trying(s.guest) {
		return net.ErrClosed
	}
	begun := time.Now()
	err := s.admit(ctx, tag, c)
	s.deadline = s.deadline.Add(time.Since(begun))
	s.rearm(ctx)
	if refused, ok := errors.AsType[*tokenRefused](err); ok {
		err = s.refuseToken(tag, refused)
	}
	if s.in != nil {
		s.srv.door.Admitted(s.guest)
	} else {
		s.srv.sendAway(s.srv.door.Failed(s.guest))
	}
	return err
}

// authenticate carries out AUTHENTICATE with PLAIN (RFC 4616), OAUTHBEARER (RFC 7628) or
// XOAUTH2, with or without an initial response (RFC 4959). The latter two work whether they
// are offered or not: the new server knows.
func (s *session) authenticate(ctx context.Context, c command) error {
	if !s.mayLogIn() {
		return s.reply("%s NO [PRIVACYREQUIRED] Log in with TLS only", c.tag)
	}
	if len(c.args) == 0 {
		return s.refuse(c.tag, "AUTHENTICATE needs a mechanism")
	}
	mechanism := strings.ToUpper(c.args[0])
	if mechanism != sasl.Plain && !slices.Contains(link.MechanismsForTokens(), mechanism) {
		return s.reply("%s NO [CANNOT] This mechanism is not known here", c.tag)
	}
	response, err := s.response(c)
	if err != nil {
		return err
	}
	if response == "*" {
		return s.refuse(c.tag, "Authentication given up")
	}
	claimed, err := claimOf(mechanism, response)
	switch {
	case err != nil:
		return s.refuse(c.tag, "This is no "+mechanism+" response")
	case claimed.login == "":
		return s.reply("%s NO [AUTHENTICATIONFAILED] Say whose mailbox it is", c.tag)
	}
	return s.attempt(ctx, c.tag, claimed)
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

// tokenRefused is a login that failed because the new server refuses the client's token.
type tokenRefused struct {
	error
	challenge string // what it says of it
}

func (e *tokenRefused) Unwrap() error { return e.error }

// refuseToken passes on what the new server says of a token, hears that the client has heard it
// (RFC 7628 section 3.2.3), and refuses the login.
func (s *session) refuseToken(tag string, refused *tokenRefused) error {
	if err := s.reply("+ %s", base64.StdEncoding.EncodeToString([]byte(refused.challenge))); err != nil {
		return err
	}
	if _, err := s.line(); err != nil {
		return err
	}
	return s.refuseLogin(tag, refused.error)
}
