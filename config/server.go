package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"postferry/internal/asciifold"
)

// Protocol is what a server is spoken to in.
type Protocol string

const (
	IMAP Protocol = ""     // the zero value, as nearly all servers do
	POP3 Protocol = "pop3" // old servers only, and only their inbox
)

// Security is how a connection is protected.
type Security string

const (
	ImplicitTLS Security = "tls"      // TLS from the first byte
	StartTLS    Security = "starttls" // STARTTLS (POP3: STLS) required before login
	Insecure    Security = "insecure" // plain text, only where written out
)

// Server is where one side's mail lives and how it is reached.
type Server struct {
	Protocol Protocol
	Security Security
	Host     string // name or IP address, without brackets
	Port     int
	CA       string // PEM file with the authorities to trust instead of the system's; "" for those
	// Authorities are the certificates of those, in PEM form, where there is no file of them.
	Authorities string
	// Fingerprint is the SHA-256 of the one certificate to accept, whatever
	// its name, issuer or dates; nil to check the chain.
	Fingerprint []byte
	// TLS10 accepts TLS 1.0 and 1.1 too, and key exchange by RSA alone: for an old server
	// that has nothing newer (RFC 8996 tells why nobody should). Otherwise it is TLS 1.2.
	TLS10 bool
	// PublicOnly is set if whoever chose the server must not reach this machine or
	// private networks through us: it is connected to with TLS only, at addresses
	// outside and at ports at which mail may be.
	PublicOnly bool
	// ProxyProtocol is the version of the PROXY protocol with which a connection begins, to tell
	// the server where the client is; 0 for none.
	ProxyProtocol int
	// SignIn is how Postferry signs in for accounts; nil for each account's own password.
	SignIn *SignIn
}

// scheme is the beginning of a server's URL and what it stands for, with the
// port registered for it (RFC 8314 section 7.2, RFC 9051 section 2.1, RFC 1939 section 3).
type scheme struct {
	name     string
	protocol Protocol
	security Security
	port     int
}

var schemes = []scheme{
	{"imaps", IMAP, ImplicitTLS, 993},
	{"imap", IMAP, StartTLS, 143},
	{"imap+insecure", IMAP, Insecure, 143},
	{"pop3s", POP3, ImplicitTLS, 995},
	{"pop3", POP3, StartTLS, 110},
	{"pop3+insecure", POP3, Insecure, 110},
}

// Writable tells whether mail can be written to a server by the protocol.
func (p Protocol) Writable() bool { return p == IMAP }

// Title is the name that people give it.
func (p Protocol) Title() string { return strings.ToUpper(p.Name()) }

// Name is what it is called where names are in small letters.
func (p Protocol) Name() string { return cmp.Or(string(p), "imap") }

// secureSchemes are the beginnings of its URLs that stand for TLS.
func (p Protocol) secureSchemes() string {
	var names []string
	for _, c := range schemes {
		if c.protocol == p && c.security != Insecure {
			names = append(names, c.name+"://")
		}
	}
	return strings.Join(names, " or ")
}

// Address is host:port, as net.Dial wants it.
func (s Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// String is the server's URL, without the port if it is the scheme's own.
func (s Server) String() string {
	for _, c := range schemes {
		if c.protocol != s.Protocol || c.security != s.Security {
			continue
		}
		if s.Port != c.port {
			return c.name + "://" + s.Address()
		}
		if strings.Contains(s.Host, ":") {
			return c.name + "://[" + s.Host + "]"
		}
		return c.name + "://" + s.Host
	}
	return s.Address()
}

// ParseServer reads a server's URL: SCHEME://HOST[:PORT] and nothing more.
// What is wrong is said without repeating the text, which might hold a password.
func ParseServer(text string) (Server, error) {
	name, rest, ok := strings.Cut(text, "://")
	if !ok {
		return Server{}, errors.New(`expected a URL, e.g. "imaps://imap.example.com"`)
	}
	at := slices.IndexFunc(schemes, func(c scheme) bool { return c.name == asciifold.Lower(name) })
	if at < 0 {
		return Server{}, errors.New("unknown scheme; expected imaps:// (TLS), imap:// (STARTTLS) or imap+insecure:// (no protection), " +
			"for an old server also pop3s://, pop3:// or pop3+insecure://")
	}
	if strings.Contains(rest, "@") {
		return Server{}, errors.New("a login does not belong into the URL; expected only the host and the port")
	}
	if strings.ContainsAny(rest, "/?#") {
		return Server{}, errors.New("expected nothing after the host and the port")
	}
	host, port, err := splitServer(rest)
	if err != nil {
		return Server{}, err
	}
	s := Server{Protocol: schemes[at].protocol, Security: schemes[at].security, Host: host, Port: schemes[at].port}
	if port != "" {
		if s.Port, err = parsePort(port, 1); err != nil {
			return Server{}, err
		}
	}
	return s, nil
}

// splitServer splits HOST[:PORT]; port is "" if none is given.
func splitServer(s string) (host, port string, err error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		host, rest, closed := strings.Cut(inner, "]")
		if addr, err := netip.ParseAddr(host); !closed || err != nil || !addr.Is6() {
			return "", "", errors.New(`expected an IPv6 address between the brackets, e.g. "imaps://[2001:db8::1]"`)
		}
		if rest == "" {
			return host, "", nil
		}
		port, ok := strings.CutPrefix(rest, ":")
		if !ok || port == "" {
			return "", "", errors.New("expected a colon and a port after the bracket, or nothing")
		}
		return host, port, nil
	}
	host, port, colon := strings.Cut(s, ":")
	switch {
	case strings.Contains(port, ":"):
		return "", "", errors.New(`an IPv6 address is written in brackets, e.g. "imaps://[2001:db8::1]:993"`)
	case colon && port == "":
		return "", "", errors.New("expected a port after the colon")
	}
	host, err = asciiHost(host)
	return host, port, err
}

// asciiHost is a host's name as DNS and certificates have it, of what people write: names with other letters than those of ASCII
// are read as browsers read them (UTS 46).
func asciiHost(host string) (string, error) {
	if strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }) {
		ascii, err := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false)).ToASCII(host)
		if err != nil {
			return "", errors.New("this cannot be a host name: its letters don't go together, or are none that names can have")
		}
		host = ascii
	}
	return host, checkHost(host)
}

// checkHost accepts host names (RFC 1123, and the underscore that is about) and IPv4 addresses.
func checkHost(host string) error {
	if host == "" {
		return errors.New("expected a host name or an IP address")
	}
	if len(host) > 253 {
		return errors.New("the host name is longer than 253 characters")
	}
	for _, r := range host {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.', r == '_':
		default:
			return fmt.Errorf("the character %q cannot be part of a host name", r)
		}
	}
	return nil
}

// parsePort reads a port number of at least lowest.
func parsePort(s string, lowest int) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || int(n) < lowest || n > 65535 {
		return 0, fmt.Errorf("expected a port between %d and 65535", lowest)
	}
	return int(n), nil
}
