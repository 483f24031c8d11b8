package credential

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"postferry/internal/publicnet"
)

// askBound bounds one question to a provider.
const askBound = 30 * time.Second

// newClient asks providers. It follows no redirection: what is sent is meant for one address.
func newClient(outside bool) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	proxy := http.ProxyFromEnvironment
	if outside {
		dialer.ControlContext, proxy = onlyOutside, nil
	}
	transport := &http.Transport{Proxy: proxy, DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second}
	return &http.Client{
		Timeout:       askBound,
		Transport:     wholeLives{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// onlyOutside is called before each attempt to connect to an address.
func onlyOutside(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !publicnet.AllowedWeb(to) {
		return fmt.Errorf("%w: %s", publicnet.ErrBarred, address)
	}
	return nil
}
