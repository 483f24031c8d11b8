package proxy

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"unicode"

	"github.com/emersion/go-sasl"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
)

// claim is what a client logs in with.
type claim struct {
	login  string       // whose mailbox it is to be, and so whose account
	secret store.Secret // the password, or the token
	// mechanism is that of a token, which is passed on as it is; "" for a password.
	mechanism string
	// master is the login that the password belongs to, if it isn't the mailbox's own: one that
	// may open others' mailboxes at the new server.
	master string
	// separator stood between the two; "" if they were told by SASL.
	separator string
}

// token tells whether it is one and no password.
func (c *claim) token() bool { return c.mechanism != "" }

// own tells whether the password is the mailbox's own.
func (c *claim) own() bool { return !c.token() && c.master == "" }

// credentials are those of a person with a password.
func (c *claim) credentials() store.Credentials {
	return store.Credentials{Login: c.login, Password: c.secret}
}

// at is the claim as the new server is to see it, which knows the mailbox by a login.
func (c *claim) at(login string) link.SignIn {
	switch {
	case c.token():
		return link.SignIn{Login: login, Secret: c.secret, Token: true, Mechanism: c.mechanism}
	case c.master == "":
		return link.SignIn{Login: login, Secret: c.secret}
	case c.separator != "":
		return link.SignIn{Login: login + c.separator + c.master, Secret: c.secret}
	}
	return link.SignIn{Login: c.master, Secret: c.secret, As: login}
}

// plausible keeps out what no server could take well: an empty password can
// mean an anonymous bind to a directory behind the server, control characters
// in a login would break out of SASL PLAIN.
func (c *claim) plausible() bool {
	for _, login := range []string{c.login, c.master} {
		if len(login) > maxLogin || strings.IndexFunc(login, unicode.IsControl) >= 0 {
			return false
		}
	}
	return c.login != "" && c.secret != "" && !strings.ContainsRune(c.secret.Reveal(), 0)
}

// masterSeparator is what stands between a login and a master's where a domain doesn't say; Dovecot's
// documentation has it (auth_master_user_separator).
const masterSeparator = "*"

// asMaster takes a login such as anna*master apart, as the domain of anna's new server does.
func (s *Server) asMaster(c claim) (as claim, of *config.Domain, ok bool) {
	if !c.own() {
		return c, nil, false
	}
	for i := range len(c.login) {
		user, separator, master := c.login[:i], c.login[i:i+1], c.login[i+1:]
		if user == "" || master == "" {
			continue
		}
		of, known := s.cfg.DomainOf(user)
		if known && separator == separatorOf(of) {
			as = c
			as.login, as.master, as.separator = user, master, separator
			return as, of, true
		}
	}
	return c, nil, false
}

// separatorOf is what stands between two logins at a domain's new server.
func separatorOf(d *config.Domain) string {
	if in := d.New.SignIn; in != nil && in.Method == config.Master && in.Separator != "" {
		return in.Separator
	}
	return masterSeparator
}

// errMalformed: what a client sent is not what the mechanism wants.
var errMalformed = errors.New("malformed")

// claimOf reads a client's response, which is in base64.
func claimOf(mechanism, response string) (claim, error) {
	decoded, err := base64.StdEncoding.DecodeString(response)
	if err != nil {
		return claim{}, errMalformed
	}
	switch mechanism {
	case sasl.Plain:
		return plainClaim(decoded)
	case sasl.OAuthBearer:
		return bearerClaim(decoded)
	}
	return xoauth2Claim(decoded)
}

// plainClaim reads PLAIN (RFC 4616): whose mailbox, who, password.
func plainClaim(response []byte) (c claim, err error) {
	server := sasl.NewPlainServer(func(identity, login, password string) error {
		c = claim{login: login, secret: store.Secret(password)}
		if identity != "" && identity != login {
			c.login, c.master = identity, login
		}
		return nil
	})
	if _, done, err := server.Next(response); !done || err != nil {
		return claim{}, errMalformed
	}
	return c, nil
}

// bearerClaim reads OAUTHBEARER (RFC 7628 section 3.1).
func bearerClaim(response []byte) (claim, error) {
	header, fields, ok := bytes.Cut(response, []byte{1})
	parts := strings.Split(string(header), ",") // gs2-header: flag, authzid, nothing
	if !ok || len(parts) != 3 || parts[0] != "n" && parts[0] != "y" || parts[2] != "" {
		return claim{}, errMalformed
	}
	login := ""
	if parts[1] != "" {
		name, ok := strings.CutPrefix(parts[1], "a=")
		if !ok {
			return claim{}, errMalformed
		}
		login = strings.NewReplacer("=2C", ",", "=2c", ",", "=3D", "=", "=3d", "=").Replace(name)
	}
	return tokenClaim(sasl.OAuthBearer, login, fields)
}

// xoauth2Claim reads XOAUTH2.
func xoauth2Claim(response []byte) (claim, error) {
	first, fields, ok := bytes.Cut(response, []byte{1})
	login, named := strings.CutPrefix(string(first), "user=")
	if !ok || !named {
		return claim{}, errMalformed
	}
	return tokenClaim("XOAUTH2", login, fields)
}

// tokenClaim reads the fields of either, each of which ends with SOH, as does the whole.
func tokenClaim(mechanism, login string, fields []byte) (claim, error) {
	for field := range strings.SplitSeq(string(fields), "\x01") {
		name, value, _ := strings.Cut(field, "=")
		if !strings.EqualFold(name, "auth") {
			continue
		}
		scheme, token, ok := strings.Cut(value, " ")
		if token = strings.TrimSpace(token); !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
			return claim{}, errMalformed
		}
		return claim{login: login, secret: store.Secret(token), mechanism: mechanism}, nil
	}
	return claim{}, errMalformed
}
