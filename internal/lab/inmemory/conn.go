package inmemory

import (
	"errors"
	"net"
	"time"
)

// Conn is one end of a connection. Like that of a socket it takes some octets before the other end reads them,
// and each direction ends by itself.
type Conn struct {
	in, out      *stream
	local, other addr
}

// addr is host:port.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

// Pipe returns both ends of a connection from one address to another.
func Pipe(from, to string) (client, server *Conn) {
	a, b := newStream(), newStream()
	return &Conn{in: a, out: b, local: addr(from), other: addr(to)}, &Conn{in: b, out: a, local: addr(to), other: addr(from)}
}

func (c *Conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *Conn) Write(p []byte) (int, error) { return c.out.write(p) }

// CloseWrite says that nothing more will be written.
func (c *Conn) CloseWrite() error {
	c.out.end()
	return nil
}

// Close ends both directions. What was written can still be read at the other end.
func (c *Conn) Close() error {
	c.out.end()
	c.in.leave()
	return c.SetDeadline(time.Time{})
}

func (c *Conn) LocalAddr() net.Addr  { return c.local }
func (c *Conn) RemoteAddr() net.Addr { return c.other }

func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.until(&c.in.reading, t)
	return nil
}

func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.until(&c.out.writing, t)
	return nil
}
