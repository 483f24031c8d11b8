package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// loopback is the address on which the lab listens.
const loopback = "127.0.0.1"

// listen listens on a free port of a loopback address, below the range the
// system gives to outgoing connections, so that none of those can take it while
// it is closed for a moment.
func listen(tb testing.TB, host string) net.Listener {
	tb.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, 10000+rand.IntN(22000)))
		if err == nil {
			return l
		}
	}
	tb.Fatal("lab: no free port between 10000 and 32000")
	return nil
}

// relay accepts connections at one address and hands each to serve. It is
// closed when the test ends: connections are cut and all goroutines waited for.
type relay struct {
	addr  string
	serve func(ctx context.Context, client *net.TCPConn, number int)

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while refusing
	conns    map[*net.TCPConn]bool
	accepted int
}

// newRelay takes an address; start begins to serve.
func newRelay(tb testing.TB, serve func(ctx context.Context, client *net.TCPConn, number int)) *relay {
	tb.Helper()
	return newRelayAt(tb, loopback, serve)
}

// newRelayAt takes a port of a loopback address.
func newRelayAt(tb testing.TB, host string, serve func(ctx context.Context, client *net.TCPConn, number int)) *relay {
	tb.Helper()
	r := &relay{serve: serve, conns: map[*net.TCPConn]bool{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.listener = listen(tb, host)
	r.addr = r.listener.Addr().String()
	tb.Cleanup(r.close)
	return r
}

func (r *relay) start() {
	l := r.listener
	r.wg.Go(func() { r.accept(l) })
}

func (r *relay) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed
		}
		client := conn.(*net.TCPConn) // a TCP listener's connections are
		if !r.track(client) {
			client.Close()
			return
		}
		r.mu.Lock()
		number := r.accepted
		r.accepted++
		r.mu.Unlock()
		r.wg.Go(func() {
			defer r.untrack(client)
			r.serve(r.ctx, client, number)
		})
	}
}

// track remembers a connection so that close and cutAll find it; false if
// everything is closing already.
func (r *relay) track(c *net.TCPConn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return false
	}
	r.conns[c] = true
	return true
}

// untrack closes a connection.
func (r *relay) untrack(c *net.TCPConn) {
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
	c.Close()
}

// dial connects to the target; the caller must untrack the connection.
func (r *relay) dial(ctx context.Context, target string) (*net.TCPConn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	server := conn.(*net.TCPConn) // "tcp" gives nothing else
	if !r.track(server) {
		server.Close()
		return nil, net.ErrClosed
	}
	return server, nil
}

// resetAll ends every open connection with a TCP reset.
func (r *relay) resetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		reset(c)
	}
}

// reset closes a connection with RST instead of FIN.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails only on a connection that is closed already
	c.Close()
}

// refuse closes the door or opens it again at the same address.
func (r *relay) refuse(on bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if on && r.listener != nil {
		err = r.listener.Close()
		r.listener = nil
	} else if !on && r.listener == nil {
		if r.listener, err = net.Listen("tcp", r.addr); err == nil {
			r.start()
		}
	}
	return err
}

func (r *relay) close() {
	r.mu.Lock()
	r.cancel()
	if r.listener != nil {
		r.listener.Close()
	}
	for c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

// finish closes the door, lets the open connections come to their end for a
// moment and then cuts what is left.
func (r *relay) finish() {
	r.mu.Lock()
	if r.listener != nil {
		r.listener.Close()
	}
	r.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(ended)
	}()
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case <-ended:
	case <-patience.C:
		r.close()
		<-ended
	}
}

// sleep waits until t; false if ctx ended first.
func sleep(ctx context.Context, t time.Time) bool {
	wait := time.Until(t)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
