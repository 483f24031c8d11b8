package publicnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// ErrBarred is the cause if an address or a port must not be connected to.
var ErrBarred = errors.New("not an address outside at which a mail server may be looked for")

// Dialer connects to what is outside. It looks at each address that a name has led
// to at the moment at which it is connected to, so that it doesn't matter what the name
// led to before, or how the address was written.
type Dialer struct {
	Timeout  time.Duration // of a connection; 0 for none
	Resolver *net.Resolver // nil for the system's
}

// DialContext connects to addr (host:port).
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: d.Timeout, Resolver: d.Resolver, ControlContext: control}
	return dialer.DialContext(ctx, network, addr)
}

// control is called before each attempt to connect to an address.
func control(_ context.Context, network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q", ErrBarred, address)
	}
	if !Allowed(to) {
		return fmt.Errorf("%w: %s", ErrBarred, to)
	}
	return nil
}

// Allowed tells whether an address is outside, and its port one at which a mail server
// may be looked for.
func Allowed(to netip.AddrPort) bool { return MailPort(int(to.Port())) && outside(to.Addr()) }

// AllowedWeb is Allowed for a web server.
func AllowedWeb(to netip.AddrPort) bool { return WebPort(int(to.Port())) && outside(to.Addr()) }

// outside tells whether an address is neither this machine's nor one of a private network.
func outside(a netip.Addr) bool { return Reachable(a, false) && !slices.Contains(Own(), a.Unmap()) }
