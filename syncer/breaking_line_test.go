package syncer

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"postferry/internal/lab"
)

// breakingLine leads to a server in memory, and breaks where it is told to: lab.FaultLine for bubbles. It knows lab.Cut and lab.Reset.
type breakingLine struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	plan func(conn int) lab.Plan

	dialled, toServer, toClient, strikes atomic.Int64
}

// Dial connects with the server.
func (l *breakingLine) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := l.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	plan := l.plan(int(l.dialled.Add(1) - 1))
	return &breakingConn{Conn: conn, line: l,
		there: breakingWay{fault: plan.ToServer, all: &l.toServer}, back: breakingWay{fault: plan.ToClient, all: &l.toClient}}, nil
}

// breakingConn is the client's end of a connection.
type breakingConn struct {
	net.Conn
	line        *breakingLine
	there, back breakingWay

	mu     sync.Mutex
	broken lab.FaultKind
}

// breakingWay is one direction of a connection. Whoever writes or reads owns it.
type breakingWay struct {
	fault lab.Fault
	moved int64
	all   *atomic.Int64
}

// left is how many of n octets still get through.
func (w *breakingWay) left(n int) int {
	if w.fault.Kind == lab.NoFault {
		return n
	}
	return int(min(int64(n), w.fault.At-w.moved))
}

// move counts what has got through, and tells whether the fault strikes now.
func (w *breakingWay) move(n int) bool {
	w.moved += int64(n)
	w.all.Add(int64(n))
	return w.fault.Kind != lab.NoFault && w.moved >= w.fault.At
}

func (c *breakingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p[:c.there.left(len(p))])
	if c.there.move(n) {
		c.strike(c.there.fault.Kind)
	}
	if broken := c.brokenBy(); broken != lab.NoFault && n < len(p) {
		return n, syscall.EPIPE
	}
	return n, err
}

func (c *breakingConn) Read(p []byte) (int, error) {
	if c.back.move(0) { // at its first octet
		c.strike(c.back.fault.Kind)
	}
	n, err := 0, error(nil)
	if c.brokenBy() == lab.NoFault {
		n, err = c.Conn.Read(p[:c.back.left(len(p))])
	}
	if c.back.move(n) {
		c.strike(c.back.fault.Kind)
	}
	switch broken := c.brokenBy(); {
	case n > 0 || broken == lab.NoFault:
		return n, err
	case broken == lab.Reset:
		return 0, syscall.ECONNRESET
	default:
		return 0, io.EOF
	}
}

// strike breaks the connection, both ways.
func (c *breakingConn) strike(kind lab.FaultKind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != lab.NoFault {
		return
	}
	c.broken = kind
	c.line.strikes.Add(1)
	c.Conn.Close()
}

func (c *breakingConn) brokenBy() lab.FaultKind {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}
