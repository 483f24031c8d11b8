package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// socketPair is a socket, and the connection of its peer.
func socketPair(t *testing.T) (*socket, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return (&buffers{}).socket(near).(*socket), far
}

// TestLull: a wait that is not to last ends after a while, and that ends nothing else: neither a wait that
// lasts, nor reading.
func TestLull(t *testing.T) {
	t.Parallel()
	s, peer := socketPair(t)
	begun := time.Now()
	if err := s.wait(false); err != errLull || time.Since(begun) < lullAfter/2 {
		t.Fatalf("%v after %v", err, time.Since(begun))
	}
	p := make([]byte, 10)
	for _, eager := range []bool{true, false} { // the deadline of the wait is over
		io.WriteString(peer, "x")
		if s.eager = eager; eager {
			if err := s.wait(true); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := s.Read(p); n != 1 || err != nil {
			t.Errorf("eager %v: %d octets, %v", eager, n, err)
		}
		if err := s.wait(false); err != errLull {
			t.Errorf("eager %v: %v", eager, err)
		}
	}
	s.eager = true
	if _, err := s.Read(p); err != errQuiet {
		t.Errorf("reading what is not there: %v", err)
	}
	if err := s.wait(false); err != errLull {
		t.Errorf("before: %v", err)
	}
	later := time.AfterFunc(2*lullAfter, func() { io.WriteString(peer, "y") })
	defer later.Stop()
	if err := s.wait(true); err != nil {
		t.Errorf("a wait that lasts: %v", err)
	}
}

// TestLullAndDeadline: whoever ends reading ends waits of both kinds, also one that is under way.
func TestLullAndDeadline(t *testing.T) {
	t.Parallel()
	for _, lasting := range []bool{false, true} {
		s, _ := socketPair(t)
		now := time.AfterFunc(lullAfter/4, func() { s.SetReadDeadline(time.Now()) })
		defer now.Stop()
		err := s.wait(lasting)
		for n := 0; err == errLull && !lasting && n < 50; n++ { // a busy machine may be late with the end
			err = s.wait(lasting)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("lasting %v, under way: %v", lasting, err)
		}
		if err := s.wait(lasting); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("lasting %v, before: %v", lasting, err)
		}
		s.SetReadDeadline(time.Now().Add(10 * lullAfter))
		if err := s.wait(false); err != errLull {
			t.Errorf("lasting %v, with a later one: %v", lasting, err)
		}
		if err := s.wait(true); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("lasting %v, the later one: %v", lasting, err)
		}
	}
}

// talk is a direction in which something comes at once as often as it says, and then after a while.
type talk struct{ bursts, lulls int }

func (d *talk) burst(context.Context) error {
	if d.bursts--; d.bursts == 0 {
		return io.EOF
	}
	return errQuiet
}

func (d *talk) idle(lasting bool) bool {
	if lasting || d.lulls == 0 {
		return true
	}
	d.lulls--
	return false
}

// TestFreshGoroutineAfterLull: a conversation is carried on by one goroutine, and only after a lull by another.
func TestFreshGoroutineAfterLull(t *testing.T) {
	for lulls := range 3 {
		var wg sync.WaitGroup
		begun, ended := 0, error(nil)
		c := &carrier{ctx: t.Context(), wg: &wg, d: &talk{bursts: 100, lulls: lulls}, ended: func(err error) { ended = err }}
		c.step = func() { begun++; c.carry() }
		c.goOn()
		wg.Wait()
		if begun != 1+lulls || ended != io.EOF {
			t.Errorf("%d lulls: %d goroutines, %v", lulls, begun, ended)
		}
	}
}
