package discover

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"postferry/config"
)

// Single tries one server that somebody has named, as a search tries its candidates. others are the
// hosts of the domain's other server, which it can't be. Only where private networks may be looked into,
// any port may be tried.
func (f *Finder) Single(ctx context.Context, server config.Server, others ...string) Attempt {
	c := candidate{source: SourceNamed, protocol: IMAP, security: TLS, host: server.Host, port: server.Port, tls10: server.TLS10}
	if server.Protocol == config.POP3 {
		c.protocol = POP3
	}
	switch server.Security {
	case config.StartTLS:
		c.security = StartTLS
	case config.Insecure:
		c.security = Plaintext
	}
	named := *f
	named.New = func(string) []string { return others }
	if roots, err := server.Roots(); err == nil && roots != nil {
		named.Roots = roots
	}
	s := &search{Finder: &named, dns: f.client(), report: &Report{}, anyPort: f.AllowPrivate}
	ctx, cancel := context.WithTimeout(ctx, defaultBound)
	defer cancel()
	s.learnGates(ctx)
	return s.try(ctx, c)
}

// Same tells whether two names lead to one mail server: they have an address in common, and the
// same port there or both a usual one. What can't be known is not the same.
func (f *Finder) Same(ctx context.Context, x, y config.Server) bool {
	if x.Port != y.Port && !(slices.Contains(usualPorts(), x.Port) && slices.Contains(usualPorts(), y.Port)) {
		return false
	}
	if x.Host == y.Host {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, sameBound)
	defer cancel()
	of := f.client()
	xs, err := of.addresses(ctx, x.Host)
	if err != nil {
		return false
	}
	ys, err := of.addresses(ctx, y.Host)
	return err == nil && common(xs, ys)
}

// Swapped tells whether a domain's mail is delivered to the new server already and not to the old one: whoever has not
// begun to move may have mixed them up.
func (f *Finder) Swapped(ctx context.Context, domain, old, new string) bool {
	state := func(host string) MXState {
		one := *f
		one.New, one.Bound = func(string) []string { return []string{host} }, sameBound
		mx, err := one.MX(ctx, domain)
		if err != nil {
			return MXUnknown
		}
		return mx.State
	}
	return state(new) == MXMoved && state(old) == MXNotMoved
}

// sameBound is how long finding out whether two servers are one may take.
const sameBound = 3 * time.Second

// usualPorts are those registered for IMAP and POP3.
func usualPorts() []int { return []int{143, 993, 110, 995} }

// hostsOf asks the machine's own resolver, which knows names that DNS doesn't (hosts(5)).
func hostsOf(ctx context.Context, host string) []netip.Addr {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs
}
