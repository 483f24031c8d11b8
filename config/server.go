package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Security is how a connection is protected.
type Security string

const (
	ImplicitTLS Security = "imaps"         // TLS from the first byte
	StartTLS    Security = "imap"          // STARTTLS required before login
	Insecure    Security = "imap+insecure" // plain text, only where written out
)

// Server is where one side's mail lives and how it is reached.
type Server struct {
	Security Security
	Host     string // name or IP address, without brackets
	Port     int
	CA       string // PEM file with the authorities to trust instead of the system's; "" for those
	// Fingerprint is the SHA-256 of the one certificate to accept, whatever
	// its name, issuer or dates; nil to check the chain.
	Fingerprint []byte
}

// Address is host:port, as net.Dial wants it.
func (s Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// String is the server's URL, without the port if it is the scheme's own.
func (s Server) String() string {
	if s.Port == defaultPort(s.Security) {
		host := s.Host
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return string(s.Security) + "://" + host
	}
	return string(s.Security) + "://" + s.Address()
}

// defaultPort is the port registered for a scheme (RFC 8314 section 7.2, RFC 9051 section 2.1).
func defaultPort(s Security) int {
	if s == ImplicitTLS {
		return 993
	}
	return 143
}

// ParseServer reads a server's URL: SCHEME://HOST[:PORT] and nothing more.
// What is wrong is said without repeating the text, which might hold a password.
func ParseServer(text string) (Server, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return Server{}, errors.New(`expected a URL, e.g. "imaps://imap.example.com"`)
	}
	s := Server{Security: Security(lowerASCII(scheme))}
	switch s.Security {
	case ImplicitTLS, StartTLS, Insecure:
	default:
		return Server{}, errors.New("unknown scheme; expected imaps:// (TLS), imap:// (STARTTLS) or imap+insecure:// (no protection)")
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
	s.Host, s.Port = host, defaultPort(s.Security)
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
	return host, port, checkHost(host)
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
		case r > 127:
			return errors.New(`expected the host name in its ASCII form, e.g. "xn--bcher-kva.example"`)
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
