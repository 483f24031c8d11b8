package main

import (
	"context"
	"fmt"
	"net"

	"postferry/internal/lab/nameserver"
)

// records are the names of both domains: where their mail programs and their mail go.
func (a *browserArc) records(clients, mx bool) (all []string) {
	host, exchanger := arcOld, "mx.old.example."
	if clients {
		host = "127.0.0.1"
	}
	if mx {
		exchanger = "mx.new.example."
	}
	for _, domain := range []string{arcDomain, arcBack} {
		all = append(all, fmt.Sprintf("%s. %d IN MX 10 %s", domain, arcTTL, exchanger), fmt.Sprintf("imap.%s. %d IN A %s", domain, arcTTL, host),
			domain+". 3600 IN NS ns.example.net.")
	}
	return append(all, "mx.old.example. 3600 IN A "+arcOld, "mx.new.example. 3600 IN A "+arcNew, "ns.example.net. 3600 IN A "+arcAuthority)
}

// tell makes DNS tell something else; resolvers go on with what they remember, but for those that are named.
func (a *browserArc) tell(clients, mx bool, anew ...*nameserver.Resolver) {
	a.t.Helper()
	a.zone.Tell(a.records(clients, mx)...)
	for _, r := range anew {
		r.Forget()
	}
}

// dialDNS reaches the domains' own name server, whose port is nobody's here, and everybody else.
func (a *browserArc) dialDNS(ctx context.Context, network, addr string) (net.Conn, error) {
	if addr == net.JoinHostPort(arcAuthority, "53") {
		addr = a.zone.Addr
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}
