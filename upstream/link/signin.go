package link

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

// WithPassword is a person who signs in with a password.
func WithPassword(c store.Credentials) SignIn { return SignIn{Login: c.Login, Secret: c.Password} }

// Unsendable tells whether there is something in it that no mechanism can express.
func (si SignIn) Unsendable() bool {
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

// InTurn tries the mechanisms that a server takes, one after the other, as long as it lacks what it announced. more
// tells that other ways in may be tried; err is then what the last of these ended with, if there was one.
func (l *Link) InTurn(si SignIn, takes func(string) bool, try func(name string, si SignIn) (lacks bool, err error)) (more bool, err error) {
	for _, name := range si.mechanisms(takes) {
		var lacks bool
		if lacks, err = try(name, si); !lacks {
			return false, err
		}
	}
	switch {
	case err == nil && si.Token:
		err = l.Fault(OpLogin, Fix, errNoTokens)
	case err == nil && si.As != "":
		err = l.Fault(OpLogin, Fix, errNoProxy)
	}
	return !si.Token && si.As == "", err
}

// Client makes the client's side of a mechanism.
func (si SignIn) Client(mechanism string) (sasl.Client, error) {
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

// MaxRounds is how often a server may ask for more in one exchange of SASL. SCRAM has three rounds.
const MaxRounds = 10

// ErrRounds ends an exchange that would never end.
var ErrRounds = errors.New("the server asks for more and more while signing in")

// TokenRefusal is what the server has said of a token, without what it may repeat of it.
func (l *Link) TokenRefusal(client sasl.Client) *TokenRefusal {
	r := RefusalOf(client)
	if r == nil {
		return &TokenRefusal{}
	}
	r.Status, r.Scope = l.Clean(r.Status), l.Clean(r.Scope)
	return r
}

// Encoded is what is sent for an answer, which becomes a secret. none stands for an empty one.
func (l *Link) Encoded(answer []byte, none string) string {
	if len(answer) == 0 {
		return none
	}
	text := base64.StdEncoding.EncodeToString(answer)
	if len(answer) > 1 { // not what says only that the challenge was heard
		l.Secrets = append(l.Secrets, text)
	}
	return text
}

// Next answers a challenge, both as they are sent. What is no base64 was not to be expected.
func (l *Link) Next(client sasl.Client, challenge string) (string, error) {
	decoded, err := base64.StdEncoding.DecodeString(challenge)
	if err != nil {
		return "", sasl.ErrUnexpectedServerChallenge
	}
	answer, err := client.Next(decoded)
	if err != nil {
		return "", err
	}
	return l.Encoded(answer, ""), nil
}

// LacksMechanism reports an answer that says nothing of the password: the
// server lacks what it announced.
func LacksMechanism(st *Response) bool {
	return st.Kind == "BAD" || (st.Kind == "NO" || st.Kind == KindErr) && containsAny(strings.ToLower(st.Text), mechanismWords)
}

// mechanismWords are by what servers say that they lack a mechanism.
var mechanismWords = []string{"mechanism", "not supported", "unsupported"}
