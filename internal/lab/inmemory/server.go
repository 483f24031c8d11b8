package inmemory

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
)

// Server hands each connection that is dialled to it to serve. It is closed when the test ends: connections are cut and
// all goroutines waited for. Start it in the bubble in which it is dialled.
type Server struct {
	Addr  string // host:port
	serve func(ctx context.Context, client net.Conn, number int)

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	conns    map[*Conn]bool
	accepted int
}

// NewServer starts a server at an address that nobody but its Dial knows.
func NewServer(tb testing.TB, addr string, serve func(ctx context.Context, client net.Conn, number int)) *Server {
	s := &Server{Addr: addr, serve: serve, conns: map[*Conn]bool{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	tb.Cleanup(s.close)
	return s
}

// Dial connects to the server; another address is refused.
func (s *Server) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if address != s.Addr || s.ctx.Err() != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addr(address), Err: fmt.Errorf("inmemory: only %s is there", s.Addr)}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	number := s.accepted
	s.accepted++
	client, server := Pipe(fmt.Sprintf("client.test:%d", 10000+number), s.Addr)
	s.conns[server] = true
	s.wg.Go(func() {
		defer s.forget(server)
		s.serve(s.ctx, server, number)
	})
	return client, nil
}

// Accepted counts the connections so far.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	c.Close()
}

func (s *Server) close() {
	s.cancel()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}
