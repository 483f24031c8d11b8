package config

import (
	"errors"
	"net"
)

// domains reads all [[domain]] blocks.
func (f *file) domains() []Domain {
	var domains []Domain
	named := map[string]int{} // name -> line
	defaultLine := 0
	for _, b := range f.blocks {
		if b.name != "domain" {
			continue
		}
		d := f.domain(b)
		if first, ok := named[d.Name]; ok && d.Name != "" {
			b.mistake("name", "%q is the name of the domain in line %d already", d.Name, first)
		} else {
			named[d.Name] = b.lineOf("name")
		}
		if d.Default && defaultLine > 0 {
			b.mistake("default", "the domain in line %d is the default already; expected only one", defaultLine)
		} else if d.Default {
			defaultLine = b.lineOf("default")
		}
		domains = append(domains, d)
	}
	return domains
}

// domain reads one [[domain]] block.
func (f *file) domain(b *block) Domain {
	var d Domain
	set(b, "name", &d.Name, text("example.com", ParseDomainName))
	set(b, "default", &d.Default, boolean)
	set(b, "old", &d.Old, text("imaps://imap.old.example", ParseServer))
	set(b, "new", &d.New, text("imaps://imap.new.example", ParseServer))
	set(b, "enrol", &d.Enrol, boolean)
	set(b, "way_back", &d.WayBack, boolean)
	d.Folders = f.folders(b)
	f.limits(b, &d)
	f.trust(b, "old", &d.Old)
	f.oldTLS(b, &d.Old)
	f.trust(b, "new", &d.New)
	set(b, "new_proxy_protocol", &d.New.ProxyProtocol, text("v2", parseProxyProtocol))
	f.signIn(b, "old", &d, &d.Old)
	f.signIn(b, "new", &d, &d.New)
	for _, key := range []string{"name", "old", "new"} {
		if !b.has(key) && !b.broken() {
			b.mistake(key, "is missing in this [[domain]]")
		}
	}
	if !d.New.Protocol.Writable() {
		b.mistake("new", "mail can't be written to a server by %s; expected a URL that begins with imaps:// or imap://", d.New.Protocol.Title())
	}
	if d.WayBack && b.fine("old") && !d.Old.Protocol.Writable() {
		b.mistake("way_back", "mail can't be written to a server by %s; expected an old server with IMAP", d.Old.Protocol.Title())
	}
	if b.fine("old", "new") && d.Old.Address() == d.New.Address() {
		b.warn("new", "is the same server as old (%s)", d.Old.Address())
	}
	return d
}

// trust reads what is accepted as a server's certificate.
func (f *file) trust(b *block, side string, s *Server) {
	ca, fingerprint := side+"_ca", side+"_fingerprint"
	set(b, ca, &s.CA, text("ca.pem", f.path))
	set(b, fingerprint, &s.Fingerprint, text("AB:CD:...", ParseFingerprint))
	if s.CA != "" {
		checkCA(b, ca, s.CA)
	}
	if s.CA != "" && s.Fingerprint != nil {
		b.mistake(fingerprint, "expected either %s or %s: a fingerprint is accepted whoever issued the certificate", ca, fingerprint)
	}
	if s.Security != Insecure {
		return
	}
	secure := s.Protocol.secureSchemes()
	const noTLS = "means nothing without TLS; expected %s to begin with %s"
	if s.CA != "" {
		b.mistake(ca, noTLS, side, secure)
	}
	if s.Fingerprint != nil {
		b.mistake(fingerprint, noTLS, side, secure)
	}
	if !loopback(s.Host) {
		b.warn(side, "passwords and mail travel unprotected to %s", s.Address())
	}
}

// oldTLS reads whether an old server may speak a TLS that nobody should any more.
func (f *file) oldTLS(b *block, s *Server) {
	set(b, "old_tls", &s.TLS10, text("1.0", ParseOldTLS))
	switch {
	case !s.TLS10:
	case s.Security == Insecure:
		b.mistake("old_tls", "means nothing without TLS; expected old to begin with %s, %s", IMAP.secureSchemes(), POP3.secureSchemes())
	default:
		b.warn("old_tls", "passwords and mail travel from %s with an encryption that can be broken; expected it only while there is no other way", s.Address())
	}
}

// ParseOldTLS reads the oldest TLS that is accepted of an old server, and tells whether that is one
// that nobody should use any more.
func ParseOldTLS(version string) (bool, error) {
	switch version {
	case "1.0":
		return true, nil
	case "1.2":
		return false, nil
	}
	return false, errors.New(`expected "1.0" (old encryption is accepted, too) or "1.2"`)
}

// parseProxyProtocol reads the version of the PROXY protocol that a server wants.
func parseProxyProtocol(version string) (int, error) {
	switch version {
	case "":
		return 0, nil
	case "v1":
		return 1, nil
	case "v2":
		return 2, nil
	}
	return 0, errors.New(`expected "v1", "v2" or "" for none`)
}

// loopback reports a host that is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
