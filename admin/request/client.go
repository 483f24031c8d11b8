package request

import (
	"net/http"
	"net/netip"
	"strings"
)

// Secure reports whether the browser reached us by TLS, here or at the
// reverse proxy in front.
func Secure(r *http.Request) bool {
	return r.TLS != nil || fromLoopback(r) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func peer(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Addr().Unmap()
}

// fromLoopback reports a peer on this machine: the one kind of reverse proxy
// whose headers are believed.
func fromLoopback(r *http.Request) bool { return peer(r).IsLoopback() }

// ClientAddr is who a request comes from: the peer, or what a reverse proxy on
// this machine says last.
func ClientAddr(r *http.Request) netip.Addr {
	addr := peer(r)
	if !addr.IsLoopback() {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	if client, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil {
		return client.Unmap()
	}
	return addr
}

// Reached is how the browser reached us: scheme, host and port.
func Reached(r *http.Request) string {
	if Secure(r) {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
