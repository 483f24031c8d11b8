package upstream

import (
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"
)

// mechanism authenticates with one mechanism. lacks tells that it was refused because the
// server lacks what it announced.
func (s *Session) mechanism(name string, si SignIn) (lacks bool, err error) {
	client, err := si.client(name)
	if err != nil {
		return true, s.link.fault(opLogin, Fix, err)
	}
	cmd, wrong, err := s.converse(client)
	switch {
	case err != nil:
		return false, err
	case wrong == nil && cmd.res.kind == "OK" && !proved(client):
		wrong = errUnproved
	}
	if wrong != nil {
		e := s.link.statusError(opLogin, &cmd.res)
		e.Class, e.Err = Fix, fmt.Errorf("%w: %w", e.Err, wrong)
		return false, e
	}
	err = s.loginRefusal(cmd)
	if e, ok := errors.AsType[*Error](err); ok && si.Token {
		e.Token = s.link.tokenRefusal(client)
		return lacksMechanism(&cmd.res) && refusalOf(client) == nil, e
	}
	return lacksMechanism(&cmd.res), err
}

// converse has an exchange of SASL (RFC 9051 section 6.2.2) until the server has
// answered. wrong is what was wrong with what it said meanwhile.
func (s *Session) converse(client sasl.Client) (cmd *command, wrong, err error) {
	name, first, err := client.Start()
	if err != nil {
		return nil, nil, s.link.fault(opLogin, Fix, err)
	}
	if cmd, err = s.begin("AUTHENTICATE"); err != nil {
		return nil, nil, err
	}
	s.enc.SP().Raw(name)
	if first != nil && s.Has(imap.CapSASLIR) {
		s.enc.SP().Raw(s.link.encoded(first, "="))
		first = nil
	}
	s.enc.CRLF()
	for range maxRounds {
		if ok, err := s.awaitGoAhead(cmd); !ok {
			return cmd, wrong, err
		}
		answer := ""
		if first != nil {
			answer, first = s.link.encoded(first, ""), nil
		} else if answer, err = s.link.next(client, s.challenge); err != nil {
			answer = "*" // there is no more to say
			if wrong == nil && !errors.Is(err, sasl.ErrUnexpectedServerChallenge) {
				wrong = err
			}
		}
		s.enc.Raw(answer).CRLF()
	}
	return cmd, wrong, errRounds
}
