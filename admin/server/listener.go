package server

import (
	"net"
	"net/netip"
	"sync"

	"postferry/internal/throttle"
)

// maxConnectionsEach bounds the connections of one network, so that it leaves room for
// others. A reverse proxy on this machine stands for everybody and has no such bound.
const maxConnectionsEach = maxConnections / 2

// fairListener closes connections of a network that has as many as it may.
type fairListener struct {
	net.Listener
	each int

	mu   sync.Mutex
	open map[netip.Prefix]int
}

func newFairListener(l net.Listener, each int) *fairListener {
	return &fairListener{Listener: l, each: each, open: map[netip.Prefix]int{}}
}

// Accept implements net.Listener.
func (l *fairListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr, ok := conn.RemoteAddr().(*net.TCPAddr)
		if !ok || addr.IP.IsLoopback() {
			return conn, nil
		}
		client := throttle.Client(addr.AddrPort().Addr())
		if l.enter(client) {
			return &fairConn{Conn: conn, leave: sync.OnceFunc(func() { l.leave(client) })}, nil
		}
		conn.Close()
	}
}

func (l *fairListener) enter(client netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[client] >= l.each {
		return false
	}
	l.open[client]++
	return true
}

func (l *fairListener) leave(client netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[client]--; l.open[client] == 0 {
		delete(l.open, client)
	}
}

// fairConn is a connection that counts until it is closed.
type fairConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *fairConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
