// Package publicnet says which addresses and ports may be connected to for
// somebody who must not reach this machine or the private networks around it
// through Postferry, and makes such connections.
package publicnet

import (
	"net"
	"net/netip"
	"slices"
)

// Reachable tells whether an address may be connected to. Whoever enters a
// domain or a server decides where its names lead. private also allows this
// machine and private networks.
func Reachable(a netip.Addr, private bool) bool {
	a = translated(a.Unmap())
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast(), a.Zone() != "", a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return false
	case private:
		return true
	}
	return !a.IsPrivate() && !a.IsLoopback() && !slices.ContainsFunc(special(), func(p netip.Prefix) bool { return p.Contains(a) })
}

// translated is the IPv4 address that an IPv6 address leads to where the
// network translates (NAT64, RFC 6052; SIIT, RFC 7915 section 5.1; 6to4, RFC 3056) or
// where the system takes one for the other (RFC 4291 section 2.5.5.1); else the
// address itself.
func translated(a netip.Addr) netip.Addr {
	b := a.As16()
	switch {
	case !a.Is6(), a.IsUnspecified(), a.IsLoopback():
		return a
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a), netip.MustParsePrefix("::ffff:0:0:0/96").Contains(a), netip.MustParsePrefix("::/96").Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

// special are the networks that no mail server on the Internet is in
// (RFC 6890 and its registries), besides those package netip knows, and the
// address at which Azure's machines find what is meant for them alone.
func special() []netip.Prefix {
	names := []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "168.63.129.16/32",
		"64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10",
	}
	all := make([]netip.Prefix, len(names))
	for i, n := range names {
		all[i] = netip.MustParsePrefix(n)
	}
	return all
}

// MailPort tells whether a port may be connected to: those of mail, and those
// no well-known service is at.
func MailPort(port int) bool {
	return slices.Contains([]int{110, 143, 993, 995}, port) || port >= 1024 && port <= 65535
}

// WebPort tells whether a port may be connected to: that of HTTPS, and those no well-known service is at.
func WebPort(port int) bool { return port == 443 || port >= 1024 && port <= 65535 }

// Own are this machine's addresses that others can reach. Loopback is not one of
// them: whether that may be connected to is Reachable's matter.
func Own() (all []netip.Addr) {
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
