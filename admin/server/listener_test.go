package server

import (
	"io"
	"net"
	"testing"
	"time"
)

// addressed is a listener whose connections seem to come from other networks, one
// after the other.
type addressed struct {
	net.Listener
	from []string
}

func (a *addressed) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	from := a.from[0]
	a.from = a.from[1:]
	return &addressedConn{conn, &net.TCPAddr{IP: net.ParseIP(from), Port: 4711}}, nil
}

type addressedConn struct {
	net.Conn
	from net.Addr
}

func (a *addressedConn) RemoteAddr() net.Addr { return a.from }

// TestFairListener: a network that has all it may gets no more, others do, and it
// gets another one when one has ended. This machine, where reverse proxies are, has no bound.
func TestFairListener(t *testing.T) {
	steps := []struct {
		from string
		ok   bool
		end  string // whose connection ends then; "" for none's
	}{
		{"192.0.2.1", true, ""}, {"192.0.2.1", true, ""}, {"192.0.2.1", false, ""}, {"::ffff:192.0.2.1", false, ""},
		{"192.0.2.2", true, ""}, {"2001:db8::1", true, ""}, {"2001:db8::2", true, ""}, {"2001:db8::3", false, ""},
		{"2001:db8:0:1::1", true, "192.0.2.1"}, {"192.0.2.1", true, ""}, {"192.0.2.1", false, ""},
		{"127.0.0.1", true, ""}, {"127.0.0.1", true, ""}, {"127.0.0.1", true, ""}, {"::1", true, ""},
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &addressed{Listener: tcp}
	for _, s := range steps {
		a.from = append(a.from, s.from)
	}
	l := newFairListener(a, 2)
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	open := map[string]net.Conn{}
	for i, s := range steps {
		client, err := net.Dial("tcp", tcp.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if s.ok {
			conn := <-accepted
			defer conn.Close()
			open[s.from] = conn
		} else {
			client.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := client.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("step %d from %s: %v", i, s.from, err)
			}
		}
		if conn := open[s.end]; conn != nil {
			conn.Close()
			conn.Close() // counts once
		}
	}
	tcp.Close()
	if _, more := <-accepted; more {
		t.Error("one that should have been refused was accepted")
	}
	for _, conn := range open {
		conn.Close()
	}
}
