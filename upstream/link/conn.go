package link

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// writeStep is the most that is written under one deadline, so that a slow
// line counts as alive. Octets.
const writeStep = 64 << 10

// Conn gives up a connection on which no byte moves, and can be ended from
// another goroutine without being closed. It lies below TLS.
type Conn struct {
	net.Conn
	stall    time.Duration // for each wait; 0 for none
	Patience time.Duration // instead of stall while reading, if not 0
	progress func()        // called when bytes arrived
	traffic  Traffic       // nil for no bound
	piece    int           // octets to be moved at once, 0 for any number
	dead     chan struct{} // closed when the connection is killed or closed
	bury     func()        // closes dead
	killed   atomic.Bool
	Closed   atomic.Bool
	// interrupted ends the present wait for reading only.
	interrupted atomic.Bool
}

func newConn(nc net.Conn, opt Options) *Conn {
	c := &Conn{Conn: nc, stall: opt.Stall, progress: opt.Progress, traffic: opt.Traffic, dead: make(chan struct{})}
	c.bury = sync.OnceFunc(func() { close(c.dead) })
	if c.traffic != nil {
		c.piece = c.traffic.Piece()
	}
	return c
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// Kill ends all waits now and for good.
func (c *Conn) Kill() {
	c.killed.Store(true)
	c.bury()
	// Errors: the connection is closed already, which ends the waits as well.
	_ = c.Conn.SetDeadline(past)
}

// Interruptible makes the end of ctx end the wait for reading with a timeout,
// until the function it returns is called. Nothing is lost by it.
func (c *Conn) Interruptible(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		c.interrupted.Store(true)
		_ = c.Conn.SetReadDeadline(past)
	})
	return func() {
		if !cancel() {
			<-done
			c.interrupted.Store(false)
		}
	}
}

// arm sets the deadline of one wait. The order matters: a kill between the
// two steps is seen by the second, a later one overrides the first.
func (c *Conn) arm(set func(time.Time) error, wait time.Duration) error {
	if wait > 0 {
		if err := set(time.Now().Add(wait)); err != nil {
			return err
		}
	}
	if c.killed.Load() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	wait := c.stall
	if c.Patience > 0 {
		wait = c.Patience
	}
	if err := c.arm(c.Conn.SetReadDeadline, wait); err != nil {
		return 0, err
	}
	if c.interrupted.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	if c.piece > 0 {
		p = p[:min(len(p), c.piece)]
	}
	n, err := c.Conn.Read(p)
	if n > 0 && c.progress != nil {
		c.progress()
	}
	if n > 0 && c.traffic != nil {
		c.rest(c.traffic.Moved(n, 0))
	}
	return n, err
}

// sign is how often a connection that rests for a limit of ours shows that it
// is not the server that is silent.
const sign = 500 * time.Millisecond

// rest waits for as long as a limit wants, or until the connection ends.
func (c *Conn) rest(wait time.Duration) {
	for wait > 0 {
		t := time.NewTimer(min(wait, sign))
		select {
		case <-t.C:
		case <-c.dead:
			t.Stop()
			return
		}
		if wait -= sign; wait > 0 && c.progress != nil {
			c.progress()
		}
	}
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	written := 0
	step := writeStep
	if c.piece > 0 {
		step = min(step, c.piece)
	}
	for {
		if c.traffic != nil {
			c.rest(c.traffic.Moved(0, min(len(p), step)))
		}
		if err := c.arm(c.Conn.SetWriteDeadline, c.stall); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(p[:min(len(p), step)])
		written += n
		if p = p[n:]; err != nil || len(p) == 0 {
			return written, err
		}
	}
}

// Below is the connection that Options.Wrap has given.
func (c *Conn) Below() net.Conn { return c.Conn }

// CloseWrite half-closes the connection, for the relay.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	c.Closed.Store(true)
	c.bury()
	return c.Conn.Close()
}

// Hush half-closes the connection and takes the bounds off what is still to be read.
func (c *Conn) Hush() error {
	if c.killed.Load() {
		return os.ErrDeadlineExceeded
	}
	if err := c.Conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if c.killed.Load() { // meanwhile: its deadline was the one before
		return os.ErrDeadlineExceeded
	}
	return c.CloseWrite()
}

// Release takes the bounds off.
func (c *Conn) Release() error {
	c.stall, c.Patience, c.progress, c.traffic, c.piece = 0, 0, nil, nil, 0
	return c.Conn.SetDeadline(time.Time{})
}
