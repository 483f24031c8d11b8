package discover

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// gates are where a candidate may not lead: the new server and ourselves. After
// the change of DNS, mail.DOMAIN and the MX may lead there.
type gates struct {
	newHosts, ownHosts []string
	newAddrs, ownAddrs []netip.Addr
	unresolved         error // why addresses of the new server are not known
}

// learnGates resolves the names of the new server and our own.
func (s *search) learnGates(ctx context.Context) {
	var g gates
	if s.New != nil {
		g.newHosts = fold(s.New(s.query.domain))
	}
	g.ownHosts = fold(s.Own)
	own := make(chan []netip.Addr)
	go func() {
		addrs, _ := s.resolveAll(ctx, g.ownHosts) // the greeting gives us away as well
		own <- addrs
	}()
	g.newAddrs, g.unresolved = s.resolveAll(ctx, g.newHosts)
	g.ownAddrs = append(<-own, localAddrs()...)
	if g.unresolved != nil {
		s.note(say(codeNewUnknown, "cause", g.unresolved.Error()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gates = g
}

// resolveAll are the addresses of all hosts. The error is the first one.
func (s *search) resolveAll(ctx context.Context, hosts []string) (all []netip.Addr, err error) {
	found := make([][]netip.Addr, len(hosts))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, h := range hosts {
		g.Go(func() (err error) {
			if found[i], err = s.dns.addresses(ctx, h); err != nil {
				return fmt.Errorf("%s: %w", h, err)
			}
			return nil
		})
	}
	err = g.Wait()
	return slices.Concat(found...), err
}

func fold(hosts []string) []string {
	out := make([]string, len(hosts))
	for i, h := range hosts {
		out[i] = strings.ToLower(strings.TrimSuffix(h, "."))
	}
	return out
}

// localAddrs are this machine's addresses that others can reach. Loopback is
// not one of them: whether that is tried is Finder.AllowPrivate's matter.
func localAddrs() (all []netip.Addr) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && !prefix.Addr().IsLoopback() {
			all = append(all, prefix.Addr().Unmap())
		}
	}
	return all
}

// isNew tells whether a host is the new server.
func (g *gates) isNew(host string, addrs []netip.Addr) bool {
	return slices.Contains(g.newHosts, host) || common(g.newAddrs, addrs)
}

// isOwn tells whether a host leads to us.
func (g *gates) isOwn(host string, addrs []netip.Addr) bool {
	return slices.Contains(g.ownHosts, host) || common(g.ownAddrs, addrs)
}

func common(x, y []netip.Addr) bool {
	return slices.ContainsFunc(x, func(a netip.Addr) bool { return slices.Contains(y, a) })
}

// OwnGreeting ends the greeting of Postferry, by which it knows itself behind
// an address that is not this machine's own: port forwarding, containers.
const OwnGreeting = "Postferry ready"

// reachable tells whether an address may be connected to. Whoever enters a
// domain decides where its names lead.
func (f *Finder) reachable(a netip.Addr) bool {
	a = translated(a.Unmap())
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast(), a.Zone() != "", a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return false
	case f.AllowPrivate:
		return true
	}
	return !a.IsPrivate() && !a.IsLoopback() && !slices.ContainsFunc(special(), func(p netip.Prefix) bool { return p.Contains(a) })
}

// translated is the IPv4 address that an IPv6 address leads to where the
// network translates (NAT64, RFC 6052; 6to4, RFC 3056); else the address itself.
func translated(a netip.Addr) netip.Addr {
	b := a.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

// special are the networks that no mail server on the Internet is in
// (RFC 6890 and its registries), besides those package netip knows.
func special() []netip.Prefix {
	names := []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "64:ff9b:1::/48", "100::/64", "2001:db8::/32", "fec0::/10",
	}
	all := make([]netip.Prefix, len(names))
	for i, n := range names {
		all[i] = netip.MustParsePrefix(n)
	}
	return all
}

// mailPort tells whether a port may be connected to: those of mail, and those
// no well-known service is at.
func mailPort(port int) bool {
	return slices.Contains([]int{110, 143, 993, 995}, port) || port >= 1024 && port <= 65535
}
