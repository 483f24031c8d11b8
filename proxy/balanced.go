package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pires/go-proxyproto"
)

// headerBuffer is what the header of a load balancer is read with. Octets.
const headerBuffer = 256

// errNoAddress: a header tells addresses that are none of TCP.
var errNoAddress = errors.New("the header tells no address")

// balanced is a connection that came through a load balancer, which has told where it comes
// from (PROXY protocol, version 1 or 2).
type balanced struct {
	net.Conn
	ahead         *bufio.Reader // what was read behind the header; nil when that is used up
	remote, local net.Addr
}

// balance reads the header that a load balancer sends first.
func balance(conn net.Conn, bound time.Duration) (net.Conn, error) {
	conn.SetReadDeadline(time.Now().Add(bound))
	defer conn.SetReadDeadline(time.Time{})
	r := bufio.NewReaderSize(conn, headerBuffer)
	h, err := proxyproto.Read(r)
	if err != nil {
		return nil, fmt.Errorf("read the header of the PROXY protocol: %w", err)
	}
	b := &balanced{Conn: conn, ahead: r, remote: conn.RemoteAddr(), local: conn.LocalAddr()}
	if h.Command.IsLocal() { // the load balancer itself, to see whether we are well
		return b, nil
	}
	source, destination, ok := h.TCPAddrs()
	if !ok {
		return nil, errNoAddress
	}
	b.remote, b.local = source, destination
	return b, nil
}

func (b *balanced) Read(p []byte) (int, error) {
	if b.ahead != nil {
		if b.ahead.Buffered() > 0 {
			return b.ahead.Read(p)
		}
		b.ahead = nil
	}
	return b.Conn.Read(p)
}

func (b *balanced) RemoteAddr() net.Addr { return b.remote }

func (b *balanced) LocalAddr() net.Addr { return b.local }

// Below is the connection with the load balancer.
func (b *balanced) Below() net.Conn { return b.Conn }

// CloseWrite sends the end of the stream.
func (b *balanced) CloseWrite() error { return closeWriteLayer(b.Conn) }

// fromBalancer reports whether a connection comes from a load balancer that is configured. Nobody
// else may say where a connection comes from.
func (s *Server) fromBalancer(conn net.Conn) bool {
	addr, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return false
	}
	ip := addr.AddrPort().Addr().Unmap().WithZone("")
	return slices.ContainsFunc(s.cfg.Proxy.ProxyProtocolFrom, func(p netip.Prefix) bool { return p.Contains(ip) })
}
