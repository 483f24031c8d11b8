package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// prefixes reads addresses and networks.
func prefixes(v value) ([]netip.Prefix, error) {
	list, err := texts("192.0.2.10", func(s string) (string, error) {
		_, err := parsePrefix(s)
		return s, err
	})(v)
	if err != nil {
		return nil, err
	}
	var all []netip.Prefix
	for _, s := range list {
		p, err := parsePrefix(s)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// parsePrefix reads an address, or a network as ADDRESS/BITS.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf(`%q is no address or network; expected e.g. "192.0.2.10" or "2001:db8::/64"`, s)
	}
	return p.Masked(), nil
}

// acme reads how certificates are got.
func (f *file) acme(b *block, p *Proxy) {
	a := &p.ACME
	set(b, "acme_hosts", &a.Hosts, texts("imap.example.com", ParseDomainName))
	set(b, "acme_email", &a.Email, text("postmaster@example.com", parseAddress))
	set(b, "acme_directory", &a.Directory, text(LetsEncrypt, parseHTTPS))
	set(b, "acme_listen", &a.Listen, text(":80", parseListen))
	if len(a.Hosts) > 0 && a.Listen == "" {
		b.mistake("acme_listen", `must not be empty; expected e.g. ":80", where the authority looks whether acme_hosts are ours`)
	}
}

func parseAddress(s string) (string, error) {
	if local, domain, ok := strings.Cut(s, "@"); s != "" && (!ok || local == "" || domain == "" || strings.ContainsAny(s, " \t\r\n")) {
		return "", fmt.Errorf("%q is no mail address", s)
	}
	return s, nil
}

func parseHTTPS(s string) (string, error) {
	if !strings.HasPrefix(s, "https://") {
		return "", errors.New(`expected a URL that begins with "https://"`)
	}
	return s, nil
}
