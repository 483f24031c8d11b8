package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"postferry/internal/asciifold"
	"postferry/internal/secret"
)

// Notify is who is told how moves go on, and how.
type Notify struct {
	SMTP SMTP
	// Digest is the time of the day at which a digest is sent, since midnight; NoDigest for none.
	Digest     time.Duration
	Recipients []Recipient
}

// NoDigest is when no digest is sent.
const NoDigest time.Duration = -1

// SMTP is the server that takes e-mail.
type SMTP struct {
	Security Security
	Host     string // "" for no server
	Port     int
	CA       string // PEM file with the authorities to trust instead of the system's; "" for those
	From     string // mail address
	Login    string // "" to send without signing in
	Secret   secret.Text
}

// Address is host:port.
func (s *SMTP) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Recipient is somebody who is told, by e-mail, by a webhook, or both.
type Recipient struct {
	To       []string // mail addresses
	Domains  []string // in lower case; none for all
	Language string   // of the page's texts
	line     int      // of Language, for CheckLanguages
	// Webhook is the URL that messages are posted to, which may hold a secret itself; "" for none.
	Webhook secret.Text
	// WebhookSecret signs them.
	WebhookSecret secret.Text
	// ID names a webhook that somebody has added while Postferry runs; "" for those of the configuration.
	ID string
}

// Wants tells whether somebody is to be told about a domain.
func (r *Recipient) Wants(domain string) bool {
	return len(r.Domains) == 0 || slices.Contains(r.Domains, domain)
}

// Recipients are all who are told how moves go on: those of the configuration, and those whom somebody has added to domains
// while Postferry runs. Of these, who gets e-mail is one recipient even if added to several domains, and told nothing
// twice that the configuration has him told as well; webhooks are each their own.
func (c *Config) Recipients() (all []*Recipient) {
	for i := range c.Notify.Recipients {
		all = append(all, &c.Notify.Recipients[i])
	}
	type key struct{ to, language string }
	added := map[key]*Recipient{}
	for _, d := range c.AllDomains() {
		for _, r := range d.Recipients {
			if r.Webhook != "" {
				all = append(all, &r)
				continue
			}
			k := key{asciifold.Lower(r.To[0]), r.Language}
			switch {
			case c.Notify.SMTP.Host == "":
			case c.Notify.tells(r.To[0], d.Name):
			case added[k] == nil:
				r.Domains = slices.Clone(r.Domains)
				added[k] = &r
				all = append(all, added[k])
			default:
				added[k].Domains = append(added[k].Domains, d.Name)
			}
		}
	}
	return all
}

// tells tells whether the configuration has an address told about a domain.
func (n *Notify) tells(address, domain string) bool {
	return slices.ContainsFunc(n.Recipients, func(r Recipient) bool {
		return r.Wants(domain) && slices.ContainsFunc(r.To, func(to string) bool { return asciifold.Lower(to) == asciifold.Lower(address) })
	})
}

// AddedRecipient is somebody whom somebody has added to a domain while Postferry runs.
func AddedRecipient(domain, to, language string) Recipient {
	return Recipient{To: []string{to}, Domains: []string{domain}, Language: language}
}

// AddedWebhook is a webhook that somebody has added to a domain while Postferry runs.
func AddedWebhook(domain, id string, to, key secret.Text, language string) Recipient {
	return Recipient{Domains: []string{domain}, Language: language, Webhook: to, WebhookSecret: key, ID: id}
}

// WebhookHost is the host of a webhook, for people; the rest of its URL may be a secret.
func WebhookHost(u secret.Text) string {
	if parsed, err := url.Parse(u.Reveal()); err == nil {
		return parsed.Host
	}
	return "?"
}

// notify reads [notify] and all [[recipient]] blocks.
func (f *file) notify(n *Notify) {
	b := f.block("notify")
	set(b, "digest", &n.Digest, text("07:00", parseClock))
	f.smtp(b, &n.SMTP)
	for _, b := range f.blocks {
		if b.name != "recipient" {
			continue
		}
		if r := f.recipient(b, n); len(r.To) > 0 || r.Webhook != "" {
			n.Recipients = append(n.Recipients, r)
		}
	}
}

func (f *file) smtp(b *block, s *SMTP) {
	var ca, file string
	var server SMTP
	set(b, "smtp", &server, text("smtp://mail.example.com", parseSMTP))
	*s = server
	set(b, "smtp_ca", &ca, text("ca.pem", f.path))
	set(b, "from", &s.From, text("postferry@example.com", ParseMailbox))
	set(b, "login", &s.Login, text("postferry", plainText))
	s.Secret = b.secretOf("secret", "secret_file", &file)
	if s.CA = ca; ca != "" {
		checkCA(b, "smtp_ca", ca)
	}
	switch {
	case s.Login != "" && s.Secret == "" && b.fine("secret", "secret_file"):
		b.mistake("secret", "is missing for the login; expected secret or secret_file")
	case s.Login == "" && s.Secret != "":
		b.mistake("secret", "means nothing without login")
	case s.Login != "" && s.Security == Insecure && !loopback(s.Host):
		b.mistake("login", "would travel unprotected; expected smtp to begin with smtps:// or smtp://")
	case s.Host != "" && s.From == "" && b.fine("from"):
		b.mistake("from", "is missing; expected the address that e-mail comes from")
	}
}

// secretOf reads a secret, or the file that has it.
func (b *block) secretOf(key, fileKey string, path *string) (s secret.Text) {
	set(b, key, &s, text("...", func(s string) (secret.Text, error) { return secret.Text(s), nil }))
	set(b, fileKey, path, text("secret", b.file.path))
	switch {
	case *path == "":
		return s
	case s != "":
		b.mistake(fileKey, "expected only one of %s and %s", key, fileKey)
		return s
	}
	s = secret.Text(strings.TrimRight(string(b.readSecretFile(fileKey, *path)), "\r\n"))
	if s == "" && b.fine(fileKey) {
		b.mistake(fileKey, "%q is empty", *path)
	}
	return s
}

// recipient reads one [[recipient]] block.
func (f *file) recipient(b *block, n *Notify) Recipient {
	r := Recipient{Language: "en"}
	var path string
	set(b, "to", &r.To, texts("postmaster@example.com", ParseMailbox))
	set(b, "domains", &r.Domains, texts("example.com", ParseDomainName))
	set(b, "language", &r.Language, text("en", plainText))
	r.line = b.lineOf("language")
	set(b, "webhook", &r.Webhook, text("https://hooks.example.com/postferry", ParseWebhook))
	r.WebhookSecret = b.secretOf("webhook_secret", "webhook_secret_file", &path)
	switch {
	case len(r.To) > 0 && n.SMTP.Host == "" && f.block("notify").fine("smtp"):
		b.mistake("to", "needs a server that takes e-mail; expected smtp in [notify]")
	case r.Webhook != "" && r.WebhookSecret == "" && b.fine("webhook_secret", "webhook_secret_file"):
		b.mistake("webhook_secret", "is missing for the webhook; expected a long random text that whoever receives it knows, too")
	case r.WebhookSecret != "" && CheckWebhookSecret(r.WebhookSecret) != nil:
		b.mistake("webhook_secret", "%v", CheckWebhookSecret(r.WebhookSecret))
	}
	return r
}

// CheckLanguages is a check for Load: nobody is to be told anything in a language without texts. known are
// those that have some; it is asked only where English isn't all.
func CheckLanguages(known func() ([]string, error)) func(*Config) []Finding {
	return func(c *Config) (found []Finding) {
		for _, r := range c.Notify.Recipients {
			if r.Language == "en" {
				continue
			}
			languages, err := known()
			if err == nil && !slices.Contains(languages, r.Language) {
				err = fmt.Errorf("%q is unknown; expected %s", r.Language, orList(languages))
			}
			if err != nil {
				found = append(found, Finding{File: c.source.file, Line: r.line, Key: "recipient.language", Text: err.Error()})
			}
		}
		return found
	}
}

// minWebhookSecret is how long a secret to sign with is at least.
const minWebhookSecret = 16

// parseClock reads a time of the day; "" is none.
func parseClock(s string) (time.Duration, error) {
	if s == "" {
		return NoDigest, nil
	}
	at, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf(`%q is no time of the day; expected e.g. "07:00", or "" for none`, s)
	}
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, nil
}

// ParseMailbox reads a mail address without a name; "" stays "".
func ParseMailbox(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s {
		return "", fmt.Errorf("%q is no mail address", s)
	}
	return s, nil
}

// smtpSchemes are how a server that takes e-mail may be spoken to (RFC 8314 section 7.3, RFC 6409 section 3.1).
var smtpSchemes = map[string]SMTP{
	"smtps":         {Security: ImplicitTLS, Port: 465},
	"smtp":          {Security: StartTLS, Port: 587},
	"smtp+insecure": {Security: Insecure, Port: 25},
}

// parseSMTP reads the URL of a server that takes e-mail; "" is none.
func parseSMTP(text string) (SMTP, error) {
	if text == "" {
		return SMTP{}, nil
	}
	name, rest, _ := strings.Cut(text, "://")
	s, ok := smtpSchemes[asciifold.Lower(name)]
	if !ok {
		return SMTP{}, errors.New("expected a URL that begins with smtps:// (TLS), smtp:// (STARTTLS) or smtp+insecure:// (no protection)")
	}
	if strings.ContainsAny(rest, "@/?#") {
		return SMTP{}, errors.New("expected only the host and the port in the URL; a login has a key of its own")
	}
	host, port, err := splitServer(rest)
	if err != nil {
		return SMTP{}, err
	}
	if s.Host = host; port != "" {
		s.Port, err = parsePort(port, 1)
	}
	return s, err
}

// CheckWebhookSecret tells whether something can be signed with a secret.
func CheckWebhookSecret(s secret.Text) error {
	if len(s.Reveal()) < minWebhookSecret {
		return fmt.Errorf("is too short to sign with; expected at least %d characters", minWebhookSecret)
	}
	if key, whsec := strings.CutPrefix(s.Reveal(), "whsec_"); whsec {
		if _, err := base64.StdEncoding.DecodeString(key); err != nil {
			return errors.New("begins with whsec_, but is no base64")
		}
	}
	return nil
}

// ParseWebhook reads where messages are posted to: https, or http on this machine. What is wrong
// is said without repeating the URL, which may hold a secret.
func ParseWebhook(s string) (secret.Text, error) {
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Fragment != "",
		u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return "", errors.New(`expected a URL that begins with https://`)
	case u.User != nil:
		return "", errors.New("a login does not belong into the URL")
	}
	return secret.Text(s), nil
}
