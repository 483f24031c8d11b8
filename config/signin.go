package config

import (
	"cmp"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"

	"postferry/internal/secret"
)

// SignInMethod is how Postferry signs in for accounts at one of a domain's servers.
type SignInMethod string

const (
	// Passwords are each account's own.
	Passwords SignInMethod = "password"
	// Master is one login that opens all mailboxes.
	Master SignInMethod = "master"
	// Microsoft is an application that has access to the mailboxes of a tenant.
	Microsoft SignInMethod = "microsoft"
	// Google is a service account that may act for the people of a domain.
	Google SignInMethod = "google"
	// Consent is each person's own agreement at an OpenID provider.
	Consent SignInMethod = "consent"
	// TokenCommand is a program that prints tokens.
	TokenCommand SignInMethod = "token_command"
)

// SignIn is how Postferry signs in for the accounts of a domain at one of its servers, if not
// with their own passwords. It is never changed.
type SignIn struct {
	Method SignInMethod
	Domain string // the domain's name
	Side   string // "old" or "new"

	Login     string // master: its login; google: an administrator, in whose name the list of mailboxes is read
	Separator string // master: stands between a login and the master's; "" to tell both by SASL
	Tenant    string // microsoft: its ID or one of its domain names
	ClientID  string // microsoft, consent: the application's
	// Issuer is the provider: of consent its OpenID issuer, of microsoft where tokens are given out,
	// "" for the one that belongs to the server.
	Issuer string
	Scope  string // what a token is asked for; "" for what belongs to the server
	// Secret is the master's password, the application's secret or its certificate with the private
	// key (PEM), or the service account's key (JSON); "" if there is none.
	Secret secret.Text
	// Command is the program that prints tokens, with its arguments. In those {login} stands for the
	// login of the mailbox.
	Command []string
}

// HasCertificate tells whether the application shows a certificate and no secret.
func (s *SignIn) HasCertificate() bool {
	return strings.Contains(s.Secret.Reveal(), "-----BEGIN CERTIFICATE-----")
}

// PerMailbox tells whether each mailbox has tokens of its own.
func (s *SignIn) PerMailbox() bool {
	switch s.Method {
	case Google, Consent:
		return true
	case TokenCommand:
		return slices.ContainsFunc(s.Command, func(arg string) bool { return strings.Contains(arg, commandLogin) })
	}
	return false
}

// NeedsPassword tells whether the line of an account of the domain must have a password: it needs none
// where Postferry signs in in another way.
func (d *Domain) NeedsPassword(a AccountLine) bool {
	return d.Old.SignIn == nil || d.New.SignIn == nil && a.NewPassword == ""
}

// CheckLine is AccountLine.Check for an account of the domain, which may need no password.
func (d *Domain) CheckLine(a AccountLine) error {
	if a.Password == "" && !d.NeedsPassword(a) {
		a.Password = "-"
	}
	return a.Check()
}

// Passwordless is for ListOptions: whether an account of the domain needs no password; nil if all do.
func (d *Domain) Passwordless() func(AccountLine) bool {
	if d.Old.SignIn == nil {
		return nil
	}
	return func(a AccountLine) bool { return !d.NeedsPassword(a) }
}

// commandLogin stands for the login in a command.
const commandLogin = "{login}"

// Args is the command for a mailbox.
func (s *SignIn) Args(login string) []string {
	args := slices.Clone(s.Command)
	for i := range args[1:] {
		args[i+1] = strings.ReplaceAll(args[i+1], commandLogin, login)
	}
	return args
}

// signInKeys are the keys that belong to a method, besides the method itself; those that must be
// there come first, up to need.
var signInKeys = map[SignInMethod]struct {
	keys []string
	need int
}{
	Passwords:    {nil, 0},
	Master:       {[]string{"login", "secret", "secret_file", "separator"}, 1},
	Microsoft:    {[]string{"tenant", "client_id", "secret", "secret_file", "certificate_file", "authority", "scope"}, 2},
	Google:       {[]string{"key_file", "scope", "login"}, 1},
	Consent:      {[]string{"issuer", "client_id", "secret", "secret_file", "scope"}, 2},
	TokenCommand: {[]string{"command"}, 1},
}

// signIn reads [domain.old_sign_in] or [domain.new_sign_in].
func (f *file) signIn(domain *block, side string, d *Domain, s *Server) {
	b := f.blockOf(domain, "domain."+side+"_sign_in")
	method := string(Passwords)
	set(b, "method", &method, oneOf(string(Passwords), string(Master), string(Microsoft), string(Google), string(Consent), string(TokenCommand)))
	in := SignIn{Method: SignInMethod(method), Domain: d.Name, Side: side}
	var secretFile, certificateFile, keyFile string
	set(b, "login", &in.Login, text("postferry", plainText))
	set(b, "separator", &in.Separator, text("*", ParseSeparator))
	set(b, "tenant", &in.Tenant, text("example.onmicrosoft.com", parseTenant))
	set(b, "client_id", &in.ClientID, text("00000000-0000-0000-0000-000000000000", plainText))
	var authority string
	set(b, "authority", &authority, text("https://login.microsoftonline.com", ParseProviderURL))
	set(b, "issuer", &in.Issuer, text("https://accounts.google.com", ParseProviderURL))
	in.Issuer = cmp.Or(in.Issuer, authority) // one of them belongs to the method
	set(b, "scope", &in.Scope, text("https://mail.example.com/imap", plainText))
	set(b, "secret", &in.Secret, text("...", func(s string) (secret.Text, error) { return secret.Text(s), nil }))
	set(b, "secret_file", &secretFile, text("secret", f.path))
	set(b, "certificate_file", &certificateFile, text("application.pem", f.path))
	set(b, "key_file", &keyFile, text("service-account.json", f.path))
	set(b, "command", &in.Command, texts("/usr/local/bin/token", plainText))
	if !b.fine("method") {
		return
	}
	b.checkKeys(in.Method)
	in.readSecret(b, secretFile, certificateFile, keyFile)
	if in.Method == TokenCommand {
		b.checkCommand(in.Command)
	}
	if in.Method != Passwords {
		s.SignIn = &in
	}
}

// checkKeys reports keys that mean nothing with a method, and those that are missing.
func (b *block) checkKeys(method SignInMethod) {
	of := signInKeys[method]
	for key := range b.entries {
		if key != "method" && b.given(key) && slices.Contains(b.known, key) && !slices.Contains(of.keys, key) {
			b.mistake(key, "means nothing with method = %q", method)
		}
	}
	for _, key := range of.keys[:of.need] {
		if !b.given(key) && b.fine(key) && !b.broken() {
			b.mistake(key, "is missing with method = %q", method)
		}
	}
}

// given tells whether a key is there with something in it.
func (b *block) given(key string) bool {
	e, ok := b.entries[key]
	empty := e.value.kind == unstable.String && e.value.text == "" || e.value.kind == unstable.Array && len(e.value.list) == 0
	return ok && !empty
}

// readSecret reads what is secret, and wants it to be given in one way.
func (s *SignIn) readSecret(b *block, secretFile, certificateFile, keyFile string) {
	given := 0
	for _, key := range []string{"secret", "secret_file", "certificate_file"} {
		if b.given(key) {
			given++
		}
	}
	switch {
	case given > 1:
		b.mistake("secret_file", "expected only one of secret, secret_file and certificate_file")
	case given == 0 && s.Method == Master, given == 0 && s.Method == Microsoft:
		b.mistake("secret", "is missing with method = %q; expected secret or secret_file", s.Method)
	}
	if secretFile != "" && given == 1 {
		s.Secret = secret.Text(strings.TrimRight(string(b.readSecretFile("secret_file", secretFile)), "\r\n"))
	}
	if certificateFile != "" && given == 1 {
		data := b.readSecretFile("certificate_file", certificateFile)
		if data != nil && CheckCertificate(data) != nil {
			b.mistake("certificate_file", "%q %s", certificateFile, CheckCertificate(data))
		}
		s.Secret = secret.Text(data)
	}
	if keyFile != "" {
		data := b.readSecretFile("key_file", keyFile)
		if data != nil && CheckServiceAccount(data) != nil {
			b.mistake("key_file", "%q %s", keyFile, CheckServiceAccount(data))
		}
		s.Secret = secret.Text(data)
	}
	if secretFile != "" && given == 1 && s.Secret == "" && b.fine("secret_file") {
		b.mistake("secret_file", "%q is empty", secretFile)
	}
}

// readSecretFile reads a file that nobody else should; nil if it can't be read.
func (b *block) readSecretFile(key, path string) []byte {
	data, err := readPEM(path)
	if err != nil {
		b.mistake(key, "%q cannot be read: %s", path, plainError(err))
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
		b.warn(key, "%q can be read by every user of this machine; expected chmod 600", path)
	}
	return data
}

// CheckCertificate wants a PEM file with an application's certificate and its private key.
func CheckCertificate(data []byte) error {
	pair, err := tls.X509KeyPair(data, data)
	if err != nil {
		return errors.New("holds no certificate with its private key in PEM form; expected both in this file")
	}
	if _, ok := pair.PrivateKey.(*rsa.PrivateKey); !ok {
		return errors.New("has a key that is not RSA; Microsoft takes no others")
	}
	return nil
}

// CheckServiceAccount wants the JSON file with the key of a service account.
func CheckServiceAccount(data []byte) error {
	var key struct {
		Type       string `json:"type"`
		Email      string `json:"client_email"`
		PrivateKey string `json:"private_key"`
		TokenURI   string `json:"token_uri"`
	}
	if json.Unmarshal(data, &key) != nil || key.Type != "service_account" || key.Email == "" || key.PrivateKey == "" {
		return errors.New("is not the key of a service account; expected the JSON file that Google gave out for it")
	}
	if key.TokenURI != "" {
		if _, err := ParseProviderURL(key.TokenURI); err != nil {
			return errors.New("names a token_uri that is not to be trusted; expected https")
		}
	}
	return nil
}

// checkCommand wants a program that can be run, whatever the search path is.
func (b *block) checkCommand(command []string) {
	switch {
	case !b.fine("command") || len(command) == 0:
	case !filepath.IsAbs(command[0]):
		b.mistake("command", "%q is not a whole path; expected one that begins with /", command[0])
	default:
		info, err := os.Stat(command[0])
		if err != nil {
			b.mistake("command", "%q cannot be run: %s", command[0], plainError(err))
		} else if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			b.mistake("command", "%q cannot be run: it is no program", command[0])
		} else if info.Mode().Perm()&0o002 != 0 {
			b.mistake("command", "%q can be changed by every user of this machine; expected chmod o-w", command[0])
		}
	}
}

// plainText is text without control characters.
func plainText(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("expected text without control characters")
	}
	return s, nil
}

// ParseSeparator reads what stands between two logins.
func ParseSeparator(s string) (string, error) {
	if utf8.RuneCountInString(s) > 1 || strings.ContainsAny(s, "@\" ") || s != "" && (s[0] <= ' ' || s[0] >= 0x7f) {
		return "", errors.New(`expected one character, e.g. "*", or "" to tell both logins by SASL`)
	}
	return s, nil
}

// parseTenant reads the ID of a tenant, or a domain's name.
func parseTenant(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return "", errors.New("expected the tenant's ID or one of its domain names")
	}
	return s, nil
}

// ParseProviderURL reads the address of a provider: https, or http on this machine.
func ParseProviderURL(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	bad := errors.New(`expected an address that begins with https://, e.g. "https://login.example.com"`)
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", bad
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return "", bad
	}
	return strings.TrimRight(s, "/"), nil
}
