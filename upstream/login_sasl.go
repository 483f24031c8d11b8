package upstream

import (
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"

	"postferry/upstream/link"
)

// signing is a login.
type signing struct{ conn *conn }

// mechanism authenticates with one mechanism. lacks tells that it was refused because the
// server lacks what it announced.
func (s signing) mechanism(name string, si link.SignIn) (lacks bool, err error) {
	client, err := si.Client(name)
	if err != nil {
		return true, s.conn.link.Fault(link.OpLogin, link.Fix, err)
	}
	cmd, wrong, err := s.converse(client)
	switch {
	case err != nil:
		return false, err
	case wrong == nil && cmd.res.Kind == "OK" && !link.Proved(client):
		wrong = link.ErrUnproved
	}
	if wrong != nil {
		e := s.conn.link.StatusError(link.OpLogin, &cmd.res)
		e.Class, e.Err = link.Fix, fmt.Errorf("%w: %w", e.Err, wrong)
		return false, e
	}
	err = s.loginRefusal(cmd)
	if e, ok := errors.AsType[*link.Error](err); ok && si.Token {
		e.Token = s.conn.link.TokenRefusal(client)
		return link.LacksMechanism(&cmd.res) && link.RefusalOf(client) == nil, e
	}
	return link.LacksMechanism(&cmd.res), err
}

// converse has an exchange of SASL (RFC 9051 section 6.2.2) until the server has
// answered. wrong is what was wrong with what it said meanwhile.
func (s signing) converse(client sasl.Client) (cmd *command, wrong, err error) {
	name, first, err := client.Start()
	if err != nil {
		return nil, nil, s.conn.link.Fault(link.OpLogin, link.Fix, err)
	}
	if cmd, err = s.conn.begin("AUTHENTICATE"); err != nil {
		return nil, nil, err
	}
	s.conn.enc.SP().Raw(name)
	if first != nil && s.conn.caps.Has(imap.CapSASLIR) {
		s.conn.enc.SP().Raw(s.conn.link.Encoded(first, "="))
		first = nil
	}
	s.conn.enc.CRLF()
	for range link.MaxRounds {
		if ok, err := s.conn.awaitGoAhead(cmd); !ok {
			return cmd, wrong, err
		}
		answer := ""
		if first != nil {
			answer, first = s.conn.link.Encoded(first, ""), nil
		} else if answer, err = s.conn.link.Next(client, s.conn.goAhead.text); err != nil {
			answer = "*" // there is no more to say
			if wrong == nil && !errors.Is(err, sasl.ErrUnexpectedServerChallenge) {
				wrong = err
			}
		}
		s.conn.enc.Raw(answer).CRLF()
	}
	return cmd, wrong, link.ErrRounds
}
