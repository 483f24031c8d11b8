package pop3

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"

	"postferry/store"
	"postferry/upstream/link"
)

// Login is SignIn with a login and its password, or with what the options have in place of it.
func (s *Session) Login(ctx context.Context, c store.Credentials) error {
	if s.opt.SignIn != nil {
		return s.SignIn(ctx, *s.opt.SignIn)
	}
	return s.SignIn(ctx, link.WithPassword(c))
}

// SignIn authenticates: AUTH with the best mechanism that is offered (RFC 5034), else (a
// password only) USER and PASS, and APOP where a server takes nothing else. A refusal is
// an *Error of class Fix, unless the server says that it passes: another session has
// the mailbox (IN-USE), or the last login was too recently (LOGIN-DELAY).
// Afterwards the capabilities are those after login.
func (s *Session) SignIn(ctx context.Context, si link.SignIn) error {
	return s.do(ctx, link.OpLogin, func() error {
		if si.Secret == "" {
			return s.link.Fault(link.OpLogin, link.Fix, link.ErrNoSecret)
		}
		defer func() { s.link.Secrets = nil }()
		s.link.Secrets = []string{si.Secret.Reveal()}
		if err := s.authenticate(si); err != nil {
			return err
		}
		s.inside = true
		if len(s.caps.list) == 0 {
			return nil
		}
		return s.learn()
	})
}

// authenticate tries the ways in, in turn, as long as the server lacks what it announced.
func (s *Session) authenticate(si link.SignIn) error {
	more, err := s.link.InTurn(si, s.takes, s.mechanism)
	if !more {
		return err
	}
	return s.user(si)
}

// takes tells whether the server offers a mechanism.
func (s *Session) takes(mechanism string) bool {
	return slices.ContainsFunc(s.caps.known["SASL"], func(name string) bool { return strings.EqualFold(name, mechanism) })
}

// user authenticates with USER and PASS, or with APOP.
func (s *Session) user(si link.SignIn) error {
	if strings.ContainsAny(si.Login+si.Secret.Reveal(), "\r\n\x00") {
		return s.link.Fault(link.OpLogin, link.Fix, link.ErrUnsendable)
	}
	if len(s.caps.list) > 0 && !s.Has("USER") && s.stamp != "" {
		return s.apop(si)
	}
	r, err := s.secretCommand("USER", si.Login)
	if err != nil {
		return err
	}
	if r.kind != replyOK {
		if s.stamp != "" && r.code == "" {
			return s.apop(si)
		}
		return s.loginRefusal(r)
	}
	if r, err = s.secretCommand("PASS", si.Secret.Reveal()); err != nil {
		return err
	}
	return s.loginRefusal(r)
}

// maxInitial is the longest AUTH command (RFC 5034 section 4). Octets.
const maxInitial = 255

// mechanism authenticates with one mechanism. lacks tells that it was refused because the
// server lacks what it announced.
func (s *Session) mechanism(name string, si link.SignIn) (lacks bool, err error) {
	if si.Unsendable() {
		return false, s.link.Fault(link.OpLogin, link.Fix, link.ErrNUL)
	}
	client, err := si.Client(name)
	if err != nil {
		return true, s.link.Fault(link.OpLogin, link.Fix, err)
	}
	r, wrong, err := s.converse(client)
	switch {
	case err != nil:
		return false, err
	case wrong == nil && r.kind == replyOK && !link.Proved(client):
		wrong = link.ErrUnproved
	}
	if wrong != nil {
		e := s.refusal(link.OpLogin, r)
		e.Class, e.Err = link.Fix, fmt.Errorf("%w: %w", e.Err, wrong)
		return false, e
	}
	err = s.loginRefusal(r)
	lacks = err != nil && link.LacksMechanism(r.response())
	if e, ok := errors.AsType[*link.Error](err); ok && si.Token {
		e.Token = s.link.TokenRefusal(client)
		return lacks && link.RefusalOf(client) == nil, e
	}
	return lacks, err
}

// converse has an exchange of SASL (RFC 5034 section 4) until the server has answered. wrong
// is what was wrong with what it said meanwhile.
func (s *Session) converse(client sasl.Client) (r reply, wrong, err error) {
	name, first, err := client.Start()
	if err != nil {
		return r, nil, s.link.Fault(link.OpLogin, link.Fix, err)
	}
	args := name
	if first != nil {
		if initial := s.link.Encoded(first, "="); len("AUTH "+name+" "+initial+"\r\n") <= maxInitial {
			args, first = name+" "+initial, nil
		}
	}
	r, err = s.secretCommand("AUTH", args)
	for range link.MaxRounds {
		if err != nil || r.kind != replyMore {
			return r, wrong, err
		}
		answer := ""
		if first != nil {
			answer, first = s.link.Encoded(first, ""), nil
		} else if answer, err = s.link.Next(client, r.text); err != nil {
			answer = "*" // there is no more to say
			if wrong == nil && !errors.Is(err, sasl.ErrUnexpectedServerChallenge) {
				wrong = err
			}
		}
		r, err = s.secretCommand(answer, "")
	}
	if err == nil && r.kind == replyMore {
		err = link.ErrRounds
	}
	return r, wrong, err
}

// apop authenticates with APOP (RFC 1939 section 7), whose MD5 protects
// nothing; it is for servers that have no other way in.
func (s *Session) apop(si link.SignIn) error {
	sum := md5.Sum([]byte(s.stamp + si.Secret.Reveal()))
	r, err := s.secretCommand("APOP", si.Login+" "+hex.EncodeToString(sum[:]))
	if err != nil {
		return err
	}
	return s.loginRefusal(r)
}

// secretCommand is command without a trace of what is said.
func (s *Session) secretCommand(verb, args string) (reply, error) {
	switch verb {
	case "USER", "PASS", "APOP", "AUTH":
		s.tell('C', verb+" [secret]")
	default:
		s.tell('C', "[secret]")
	}
	if err := s.send(verb, args); err != nil {
		return reply{}, err
	}
	if err := s.link.Writer.Flush(); err != nil {
		return reply{}, err
	}
	r, err := s.answer()
	if err == nil {
		s.tell('S', r.status()+" [masked]")
	}
	return r, err
}

// loginRefusal is nil if the login was accepted.
func (s *Session) loginRefusal(r reply) error {
	if r.kind == replyOK {
		return nil
	}
	return s.refusal(link.OpLogin, r)
}
