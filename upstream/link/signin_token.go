package link

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
)

// xoauth2 is the mechanism that Google and Microsoft had before there was OAUTHBEARER.
const xoauth2 = "XOAUTH2"

// TokenRefusal is what a server says of a token that it refuses, before it says NO: the JSON of
// RFC 7628 section 3.2.2.
type TokenRefusal struct {
	Status string `json:"status"` // invalid_token, insufficient_scope; an HTTP status with XOAUTH2
	Scope  string `json:"scope"`
	// Challenge is all of it as it came, for a client of ours that is to read it itself.
	Challenge string `json:"-"`
}

func (r *TokenRefusal) Error() string {
	switch {
	case r.Status == "":
		return "the token is refused"
	case r.Scope == "":
		return fmt.Sprintf("the token is refused (%s)", cleanText(r.Status))
	}
	return fmt.Sprintf("the token is refused (%s, scope %s)", cleanText(r.Status), cleanText(r.Scope))
}

// maxRefusal bounds what is read of it. Octets.
const maxRefusal = 8 << 10

// parseRefusal reads a challenge that says why a token is refused. What is no JSON says only that
// it is.
func parseRefusal(challenge []byte) *TokenRefusal {
	r := &TokenRefusal{}
	if len(challenge) <= maxRefusal {
		r.Challenge = string(challenge)
		if json.Unmarshal(challenge, r) != nil {
			r.Status, r.Scope = "", "" // half of a text that can't be read says nothing
		}
	}
	return r
}

// bearerClient is OAUTHBEARER (RFC 7628).
type bearerClient struct {
	signIn  SignIn
	refusal *TokenRefusal
}

func (c *bearerClient) Start() (string, []byte, error) {
	var b strings.Builder
	b.WriteString("n,")
	if c.signIn.Login != "" {
		// saslname (RFC 5801 section 4)
		b.WriteString("a=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(c.signIn.Login))
	}
	b.WriteString(",\x01auth=Bearer " + c.signIn.Secret.Reveal() + "\x01\x01")
	return sasl.OAuthBearer, []byte(b.String()), nil
}

// Next takes the reason of a refusal; the server says NO after the answer (section 3.2.3).
func (c *bearerClient) Next(challenge []byte) ([]byte, error) {
	if c.refusal != nil {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	c.refusal = parseRefusal(challenge)
	return []byte{1}, nil
}

// xoauth2Client is XOAUTH2.
type xoauth2Client struct {
	signIn  SignIn
	refusal *TokenRefusal
}

func (c *xoauth2Client) Start() (string, []byte, error) {
	return xoauth2, []byte("user=" + c.signIn.Login + "\x01auth=Bearer " + c.signIn.Secret.Reveal() + "\x01\x01"), nil
}

// Next takes the reason of a refusal; the server says NO after an empty answer.
func (c *xoauth2Client) Next(challenge []byte) ([]byte, error) {
	if c.refusal != nil {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	c.refusal = parseRefusal(challenge)
	return nil, nil
}

// RefusalOf is what a server has said of a token in an exchange; nil if it said nothing.
func RefusalOf(client sasl.Client) *TokenRefusal {
	switch c := client.(type) {
	case *bearerClient:
		return c.refusal
	case *xoauth2Client:
		return c.refusal
	}
	return nil
}
