package upstream

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/emersion/go-sasl"

	"postferry/store"
)

// SignIn is what a session signs in with.
type SignIn struct {
	// Login is who signs in. With a token it is whose mailbox is opened.
	Login string
	// Secret is the password, or the token.
	Secret store.Secret
	// Token says that Secret is an access token (RFC 6750) and no password.
	Token bool
	// As is whose mailbox is opened, where that isn't Login's own: the authorization identity
	// of SASL (RFC 4422 section 3.4.1). Not with a token.
	As string
	// Mechanism is the only one that may be used; "" for the best that the server offers.
	Mechanism string
}

// withPassword is a person who signs in with a password.
func withPassword(c store.Credentials) SignIn { return SignIn{Login: c.Login, Secret: c.Password} }

// unsendable tells whether there is something in it that no mechanism can express.
func (si SignIn) unsendable() bool {
	nul := strings.ContainsRune(si.Login, 0) || strings.ContainsRune(si.As, 0) || strings.ContainsRune(si.Secret.Reveal(), 0)
	// SOH ends the fields of the mechanisms for tokens (RFC 7628 section 3.1).
	return nul || si.Token && (strings.ContainsAny(si.Login, "\x01\r\n") || strings.ContainsAny(si.Secret.Reveal(), "\x01\r\n"))
}

// MechanismsForTokens are the mechanisms that take access tokens, the best first.
func MechanismsForTokens() []string { return []string{sasl.OAuthBearer, xoauth2} }

// mechanismsForPasswords are those that take passwords, the best first. PLAIN comes before
// SCRAM: it works whatever form the server keeps passwords in, and nobody reads along under TLS.
func mechanismsForPasswords() []string { return []string{sasl.Plain, scramSHA256, scramSHA1} }

// mechanisms are those to try, in turn, of what the server offers.
func (si SignIn) mechanisms(offers func(name string) bool) (names []string) {
	all := mechanismsForPasswords()
	if si.Token {
		all = MechanismsForTokens()
	}
	for _, name := range all {
		if (si.Mechanism == "" || strings.EqualFold(si.Mechanism, name)) && offers(name) {
			names = append(names, name)
		}
	}
	return names
}

// inTurn tries the mechanisms that a server takes, one after the other, as long as it lacks what it announced. more
// tells that other ways in may be tried; err is then what the last of these ended with, if there was one.
func (l *link) inTurn(si SignIn, takes func(string) bool, try func(name string, si SignIn) (lacks bool, err error)) (more bool, err error) {
	for _, name := range si.mechanisms(takes) {
		var lacks bool
		if lacks, err = try(name, si); !lacks {
			return false, err
		}
	}
	switch {
	case err == nil && si.Token:
		err = l.fault(opLogin, Fix, errNoTokens)
	case err == nil && si.As != "":
		err = l.fault(opLogin, Fix, errNoProxy)
	}
	return !si.Token && si.As == "", err
}

// client makes the client's side of a mechanism.
func (si SignIn) client(mechanism string) (sasl.Client, error) {
	switch mechanism {
	case sasl.OAuthBearer:
		return &bearerClient{signIn: si}, nil
	case xoauth2:
		return &xoauth2Client{signIn: si}, nil
	case scramSHA256, scramSHA1:
		return newSCRAMClient(mechanism, si)
	case sasl.Login:
		return &loginClient{answers: []string{si.Login, si.Secret.Reveal()}}, nil
	}
	return sasl.NewPlainClient(si.As, si.Login, si.Secret.Reveal()), nil
}

// loginClient is LOGIN (draft-murchison-sasl-login): login and password, each when the server
// asks, whatever its words are.
type loginClient struct{ answers []string }

func (c *loginClient) Start() (string, []byte, error) { return sasl.Login, nil, nil }

func (c *loginClient) Next([]byte) ([]byte, error) {
	if len(c.answers) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	answer := c.answers[0]
	c.answers = c.answers[1:]
	return []byte(answer), nil
}

// maxRounds is how often a server may ask for more in one exchange of SASL. SCRAM has three rounds.
const maxRounds = 10

// errRounds ends an exchange that would never end.
var errRounds = errors.New("the server asks for more and more while signing in")

// tokenRefusal is what the server has said of a token, without what it may repeat of it.
func (l *link) tokenRefusal(client sasl.Client) *TokenRefusal {
	r := refusalOf(client)
	if r == nil {
		return &TokenRefusal{}
	}
	r.Status, r.Scope = l.clean(r.Status), l.clean(r.Scope)
	return r
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

// lacksMechanism reports an answer that says nothing of the password: the
// server lacks what it announced.
func lacksMechanism(st *status) bool {
	return st.kind == "BAD" || (st.kind == "NO" || st.kind == kindErr) && containsAny(strings.ToLower(st.text), mechanismWords)
}

// mechanismWords are by what servers say that they lack a mechanism.
var mechanismWords = []string{"mechanism", "not supported", "unsupported"}
