package server

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
)

// inBubble does something with a page in a bubble, in which time passes only while everybody waits for it. Page and callers
// are connected in memory: as long as somebody waits for a socket no time passes.
func inBubble(t *testing.T, do func(t *testing.T, p *page)) {
	t.Helper()
	t.Parallel()
	if _, err := loaded(); err != nil { // before it begins: others take them, too
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		do(t, newPage(t, newMemory()))
	})
}

// memory is a listener whose connections are in memory.
type memory struct {
	came   chan net.Conn
	closed chan struct{}
	close  func()
}

func newMemory() *memory {
	m := &memory{came: make(chan net.Conn), closed: make(chan struct{})}
	m.close = sync.OnceFunc(func() { close(m.closed) })
	return m
}

// Dial connects with who accepts.
func (m *memory) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case m.came <- here{far}:
		return near, nil
	case <-m.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (m *memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.came:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// Close implements net.Listener.
func (m *memory) Close() error {
	m.close()
	return nil
}

// here is a connection from this machine.
type here struct{ net.Conn }

// RemoteAddr implements net.Conn.
func (here) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }
