package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"postferry/internal/asciifold"
)

// Watch is how it is found out when the old server may be switched off.
type Watch struct {
	// Resolvers are the DNS servers that are asked besides the domains' own, as host:port;
	// nil for those of the system.
	Resolvers []string
	// Here are names and addresses by which clients reach Postferry, besides this machine's.
	Here []string
	// MX are hosts that take mail for the new servers, besides those themselves.
	MX []string
	// Every is the time between two looks at a domain's names.
	Every time.Duration
	// Quiet is for how long nothing may have arrived at the old server before it may be switched off.
	Quiet time.Duration
	// Connections bounds the sessions with one old server that wait there for late mail; 0 for none.
	Connections int
}

func (f *file) watch(b *block, w *Watch) {
	set(b, "resolvers", &w.Resolvers, texts("192.0.2.53", parseResolver))
	set(b, "here", &w.Here, texts("imap.example.com", parseHostName))
	set(b, "mx", &w.MX, texts("mx.filter.example", parseHostName))
	set(b, "every", &w.Every, duration(10*time.Second, 24*time.Hour))
	set(b, "quiet", &w.Quiet, duration(time.Minute, 60*24*time.Hour))
	set(b, "connections", &w.Connections, integer(0, 10_000))
}

// parseResolver reads the address of a DNS server, with a port or without.
func parseResolver(s string) (string, error) {
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return net.JoinHostPort(addr.String(), "53"), nil
	}
	if at, err := netip.ParseAddrPort(s); err == nil && at.Port() != 0 {
		return at.String(), nil
	}
	return "", fmt.Errorf(`%q is not the address of a DNS server; expected e.g. "192.0.2.53" or "[2001:db8::53]:53"`, s)
}

// parseHostName reads a host's name or address.
func parseHostName(s string) (string, error) {
	s = asciifold.Lower(strings.TrimSuffix(strings.TrimSpace(s), "."))
	if s == "" || strings.ContainsAny(s, "/@ ") {
		return "", errors.New(`expected the name or the address of a host, e.g. "imap.example.com"`)
	}
	return s, nil
}
