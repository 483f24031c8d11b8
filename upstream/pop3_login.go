package upstream

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"

	"postferry/store"
)

// Login authenticates: AUTH PLAIN where offered (RFC 5034), else USER and
// PASS, and APOP where a server takes nothing else. A refusal is an *Error of
// class Fix, unless the server says that it passes: another session has the
// mailbox (IN-USE), or the last login was too recently (LOGIN-DELAY).
// Afterwards the capabilities are those after login.
func (s *POP3) Login(ctx context.Context, c store.Credentials) error {
	return s.do(ctx, opLogin, func() error {
		defer func() { s.secrets = nil }()
		s.secrets = []string{c.Password.Reveal()}
		if err := s.authenticate(c); err != nil {
			return err
		}
		s.inside = true
		if len(s.caps.list) == 0 {
			return nil
		}
		return s.learn()
	})
}

// authenticate picks the way in.
func (s *POP3) authenticate(c store.Credentials) error {
	password := c.Password.Reveal()
	if slices.Contains(s.caps.known["SASL"], sasl.Plain) {
		if strings.Contains(c.Login+password, "\x00") {
			return s.fault(opLogin, Fix, errNUL)
		}
		return s.authPlain(c)
	}
	if strings.ContainsAny(c.Login+password, "\r\n\x00") {
		return s.fault(opLogin, Fix, errUnsendable)
	}
	if len(s.caps.list) > 0 && !s.Has("USER") && s.stamp != "" {
		return s.apop(c)
	}
	r, err := s.secretCommand("USER", c.Login)
	if err != nil {
		return err
	}
	if r.kind != replyOK {
		if s.stamp != "" && r.code == "" {
			return s.apop(c)
		}
		return s.loginRefusal(r)
	}
	if r, err = s.secretCommand("PASS", password); err != nil {
		return err
	}
	return s.loginRefusal(r)
}

// maxInitial is the longest AUTH command (RFC 5034 section 4). Octets.
const maxInitial = 255

// authPlain authenticates with SASL PLAIN (RFC 4616).
func (s *POP3) authPlain(c store.Credentials) error {
	client := sasl.NewPlainClient("", c.Login, c.Password.Reveal())
	mech, first, err := client.Start()
	if err != nil {
		return err
	}
	initial := base64.StdEncoding.EncodeToString(first)
	s.secrets = append(s.secrets, initial)
	args := mech + " " + initial
	short := len("AUTH "+args+"\r\n") <= maxInitial
	if !short {
		args = mech
	}
	r, err := s.secretCommand("AUTH", args)
	if err == nil && r.kind == replyMore && !short {
		r, err = s.secretCommand(initial, "")
	}
	for err == nil && r.kind == replyMore {
		r, err = s.secretCommand("*", "") // PLAIN has no more to say
	}
	if err != nil {
		return err
	}
	return s.loginRefusal(r)
}

// apop authenticates with APOP (RFC 1939 section 7), whose MD5 protects
// nothing; it is for servers that have no other way in.
func (s *POP3) apop(c store.Credentials) error {
	sum := md5.Sum([]byte(s.stamp + c.Password.Reveal()))
	r, err := s.secretCommand("APOP", c.Login+" "+hex.EncodeToString(sum[:]))
	if err != nil {
		return err
	}
	return s.loginRefusal(r)
}

// secretCommand is command without a trace of what is said.
func (s *POP3) secretCommand(verb, args string) (reply, error) {
	switch verb {
	case "USER", "PASS", "APOP", "AUTH":
		s.tell('C', verb+" [secret]")
	default:
		s.tell('C', "[secret]")
	}
	if err := s.send(verb, args); err != nil {
		return reply{}, err
	}
	if err := s.w.Flush(); err != nil {
		return reply{}, err
	}
	r, err := s.answer()
	if err == nil {
		s.tell('S', r.status()+" [masked]")
	}
	return r, err
}

// loginRefusal is nil if the login was accepted.
func (s *POP3) loginRefusal(r reply) error {
	if r.kind == replyOK {
		return nil
	}
	return s.refusal(opLogin, r)
}
