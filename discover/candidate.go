package discover

import (
	"cmp"
	"slices"
	"strings"

	"postferry/config"
)

// candidate is a server that might be the old one.
type candidate struct {
	source    Source
	protocol  Protocol
	security  Security
	host      string
	port      int
	login     *LoginForm
	oauthOnly bool
	provider  string // who runs it, if that is known from the MX
	tls10     bool   // old encryption is accepted
}

// server is the candidate as the configuration knows servers.
func (c candidate) server() config.Server {
	s := config.Server{Host: c.host, Port: c.port, Security: config.ImplicitTLS, TLS10: c.tls10}
	switch c.security {
	case StartTLS:
		s.Security = config.StartTLS
	case Plaintext:
		s.Security = config.Insecure
	}
	if c.protocol == POP3 {
		s.Protocol = config.POP3
	}
	return s
}

// guess adds candidates by where the mail goes and by usual names.
func (s *search) guess() {
	domain := s.query.domain
	names := map[Protocol][]string{IMAP: {"imap.", "mail.", "mx."}, POP3: {"pop.", "pop3.", "mail."}}
	for _, h := range s.report.MX.Hosts[:min(len(s.report.MX.Hosts), maxMX)] {
		if h.New {
			continue // what is beside it is the new server's, too
		}
		p, known := providerOf(h.Name)
		if known {
			s.noteProvider(p, h.Name)
			s.offerProvider(p)
			continue
		}
		for _, host := range append([]string{h.Name}, parents(h.Name)...) {
			s.offerBoth(SourceMX, host, host)
			if host != h.Name {
				for protocol, prefixes := range names {
					for _, prefix := range prefixes[:2] {
						s.offerHost(SourceMX, protocol, prefix+host)
					}
				}
			}
		}
	}
	for protocol, prefixes := range names {
		for _, prefix := range prefixes {
			s.offerHost(SourceNames, protocol, prefix+domain)
		}
	}
	s.offerBoth(SourceNames, domain, domain)
	s.found = s.ordered()
}

func (s *search) offerBoth(source Source, imap, pop string) {
	s.offerHost(source, IMAP, imap)
	s.offerHost(source, POP3, pop)
}

// offerHost offers a host at its protocol's ports, protected.
func (s *search) offerHost(source Source, protocol Protocol, host string) {
	for _, security := range []Security{TLS, StartTLS} {
		s.offer(candidate{source: source, protocol: protocol, security: security, host: host, port: usualPort(protocol, security)})
	}
}

// usualPort is the one registered for a protocol (RFC 8314 section 7, RFC 9051 section 2.1, RFC 1939 section 3).
func usualPort(protocol Protocol, security Security) int {
	switch {
	case protocol == IMAP && security == TLS:
		return 993
	case protocol == IMAP:
		return 143
	case security == TLS:
		return 995
	}
	return 110
}

// sourceRank is how much a source is believed.
func sourceRank(s Source) int {
	return slices.Index([]Source{SourceSRV, SourceAutoconfig, SourceProvider, SourceMX, SourceNames}, s)
}

// ordered are the candidates by preference, each once, and not too many.
func (s *search) ordered() []candidate {
	all := slices.Clone(s.found)
	slices.SortStableFunc(all, func(x, y candidate) int {
		return cmp.Or(
			cmp.Compare(x.protocol, y.protocol), // "imap" before "pop3"
			cmp.Compare(sourceRank(x.source), sourceRank(y.source)),
			cmp.Compare(nameRank(x), nameRank(y)),
			cmp.Compare(x.host, y.host),
			strings.Compare(string(y.security), string(x.security)), // "tls" before "starttls"
		)
	})
	type place struct {
		protocol Protocol
		host     string
		port     int
	}
	seen := map[place]bool{}
	type origin struct {
		protocol Protocol
		source   Source
	}
	count := map[origin]int{}
	return slices.DeleteFunc(all, func(c candidate) bool {
		at := place{c.protocol, c.host, c.port}
		twice := seen[at]
		seen[at] = true
		from := origin{c.protocol, c.source}
		if !twice {
			count[from]++
		}
		return twice || count[from] > maxOfSource
	})
}

// nameRank puts the most telling names first.
func nameRank(c candidate) int {
	for i, prefix := range []string{string(c.protocol) + ".", "pop.", "mail."} {
		if strings.HasPrefix(c.host, prefix) {
			return i
		}
	}
	return 9
}
