package inmemory

import (
	"context"
	"net"
	"sync"
)

// Listener is for a server that accepts connections. Those who connect come from this machine. Make it in the bubble in which
// it is listened on.
type Listener struct {
	came   chan net.Conn
	closed chan struct{}
	close  func()
}

// NewListener makes one.
func NewListener() *Listener {
	l := &Listener{came: make(chan net.Conn), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

// here is an address of this machine.
func here(port int) *net.TCPAddr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port} }

// DialContext connects, whatever it is called with, once the connection is accepted.
func (l *Listener) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	near, far := Pipe(here(2).String(), l.Addr().String())
	select {
	case l.came <- accepted{far}:
		return near, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: network, Addr: l.Addr(), Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// accepted is a connection from this machine.
type accepted struct{ *Conn }

func (accepted) RemoteAddr() net.Addr { return here(2) }

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.came:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Addr is an address of this machine, at which nobody listens.
func (l *Listener) Addr() net.Addr { return here(1) }

// Close has nobody accepted any more.
func (l *Listener) Close() error {
	l.close()
	return nil
}
