package upstream

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"
)

// maxRounds is how often a server may ask for more in one exchange of SASL. SCRAM has three rounds.
const maxRounds = 10

// errRounds ends an exchange that would never end.
var errRounds = errors.New("the server asks for more and more while signing in")

// mechanism authenticates with one mechanism. lacks tells that it was refused because the
// server lacks what it announced.
func (s *Session) mechanism(name string, si SignIn) (lacks bool, err error) {
	client, err := si.client(name)
	if err != nil {
		return true, s.fault(opLogin, Fix, err)
	}
	cmd, wrong, err := s.converse(client)
	switch {
	case err != nil:
		return false, err
	case wrong == nil && cmd.res.kind == "OK" && !proved(client):
		wrong = errUnproved
	}
	if wrong != nil {
		e := s.statusError(opLogin, &cmd.res)
		e.Class, e.Err = Fix, fmt.Errorf("%w: %w", e.Err, wrong)
		return false, e
	}
	err = s.loginRefusal(cmd)
	if e, ok := errors.AsType[*Error](err); ok && si.Token {
		e.Token = s.tokenRefusal(client)
		return lacksMechanism(&cmd.res) && refusalOf(client) == nil, e
	}
	return lacksMechanism(&cmd.res), err
}

// tokenRefusal is what the server has said of a token, without what it may repeat of it.
func (l *link) tokenRefusal(client sasl.Client) *TokenRefusal {
	r := refusalOf(client)
	if r == nil {
		return &TokenRefusal{}
	}
	r.Status, r.Scope = l.clean(r.Status), l.clean(r.Scope)
	return r
}

// converse has an exchange of SASL (RFC 9051 section 6.2.2) until the server has
// answered. wrong is what was wrong with what it said meanwhile.
func (s *Session) converse(client sasl.Client) (cmd *command, wrong, err error) {
	name, first, err := client.Start()
	if err != nil {
		return nil, nil, s.fault(opLogin, Fix, err)
	}
	if cmd, err = s.begin("AUTHENTICATE"); err != nil {
		return nil, nil, err
	}
	s.enc.SP().Raw(name)
	if first != nil && s.Has(imap.CapSASLIR) {
		s.enc.SP().Raw(s.encoded(first, "="))
		first = nil
	}
	s.enc.CRLF()
	for range maxRounds {
		if ok, err := s.awaitGoAhead(cmd); !ok {
			return cmd, wrong, err
		}
		answer := ""
		if first != nil {
			answer, first = s.encoded(first, ""), nil
		} else if answer, err = s.next(client, s.challenge); err != nil {
			answer = "*" // there is no more to say
			if wrong == nil && !errors.Is(err, sasl.ErrUnexpectedServerChallenge) {
				wrong = err
			}
		}
		s.enc.Raw(answer).CRLF()
	}
	return cmd, wrong, errRounds
}

// encoded is what is sent for an answer, which becomes a secret. none stands for an empty one.
func (l *link) encoded(answer []byte, none string) string {
	if len(answer) == 0 {
		return none
	}
	text := base64.StdEncoding.EncodeToString(answer)
	if len(answer) > 1 { // not what says only that the challenge was heard
		l.secrets = append(l.secrets, text)
	}
	return text
}

// next answers a challenge, both as they are sent. What is no base64 was not to be expected.
func (l *link) next(client sasl.Client, challenge string) (string, error) {
	decoded, err := base64.StdEncoding.DecodeString(challenge)
	if err != nil {
		return "", sasl.ErrUnexpectedServerChallenge
	}
	answer, err := client.Next(decoded)
	if err != nil {
		return "", err
	}
	return l.encoded(answer, ""), nil
}
