package loopback

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// Address is the one on which the lab listens.
const Address = "127.0.0.1"

// Listen listens on a free port of a loopback address, below the range the
// system gives to outgoing connections, so that none of those can take it while
// it is closed for a moment.
func Listen(tb testing.TB, host string) net.Listener {
	tb.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, 10000+rand.IntN(22000)))
		if err == nil {
			return l
		}
	}
	tb.Fatal("loopback: no free port between 10000 and 32000")
	return nil
}

// Server accepts connections at one address and hands each to serve. It is
// closed when the test ends: connections are cut and all goroutines waited for.
type Server struct {
	Addr  string // host:port
	serve func(ctx context.Context, client *net.TCPConn, number int)

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while refusing
	conns    map[*net.TCPConn]bool
	accepted int
}

// NewServer takes an address; Start begins to serve.
func NewServer(tb testing.TB, serve func(ctx context.Context, client *net.TCPConn, number int)) *Server {
	tb.Helper()
	return NewServerAt(tb, Address, serve)
}

// NewServerAt takes a port of a loopback address.
func NewServerAt(tb testing.TB, host string, serve func(ctx context.Context, client *net.TCPConn, number int)) *Server {
	tb.Helper()
	s := &Server{serve: serve, conns: map[*net.TCPConn]bool{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.listener = Listen(tb, host)
	s.Addr = s.listener.Addr().String()
	tb.Cleanup(s.close)
	return s
}

// Start begins to serve.
func (s *Server) Start() {
	l := s.listener
	s.wg.Go(func() { s.accept(l) })
}

func (s *Server) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed
		}
		client := conn.(*net.TCPConn) // a TCP listener's connections are
		if !s.track(client) {
			client.Close()
			return
		}
		s.mu.Lock()
		number := s.accepted
		s.accepted++
		s.mu.Unlock()
		s.wg.Go(func() {
			defer s.Untrack(client)
			s.serve(s.ctx, client, number)
		})
	}
}

// Accepted counts the connections so far.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// track remembers a connection so that close and ResetAll find it; false if
// everything is closing already.
func (s *Server) track(c *net.TCPConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.conns[c] = true
	return true
}

// Untrack closes a connection.
func (s *Server) Untrack(c *net.TCPConn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	c.Close()
}

// Dial connects to the target; the caller must Untrack the connection.
func (s *Server) Dial(ctx context.Context, target string) (*net.TCPConn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	server := conn.(*net.TCPConn) // "tcp" gives nothing else
	if !s.track(server) {
		server.Close()
		return nil, net.ErrClosed
	}
	return server, nil
}

// ResetAll ends every open connection with a TCP reset.
func (s *Server) ResetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		Reset(c)
	}
}

// Reset closes a connection with RST instead of FIN.
func Reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails only on a connection that is closed already
	c.Close()
}

// Refuse closes the door or opens it again at the same address.
func (s *Server) Refuse(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if on && s.listener != nil {
		err = s.listener.Close()
		s.listener = nil
	} else if !on && s.listener == nil {
		if s.listener, err = net.Listen("tcp", s.Addr); err == nil {
			s.Start()
		}
	}
	return err
}

func (s *Server) close() {
	s.mu.Lock()
	s.cancel()
	if s.listener != nil {
		s.listener.Close()
	}
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Finish closes the door, lets the open connections come to their end for a
// moment and then cuts what is left.
func (s *Server) Finish() {
	s.mu.Lock()
	if s.listener != nil {
		s.listener.Close()
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(ended)
	}()
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case <-ended:
	case <-patience.C:
		s.close()
		<-ended
	}
}
