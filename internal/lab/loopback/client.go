package loopback

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// patience bounds how long a client waits for what it should hear.
const patience = 30 * time.Second

// Dial connects a client to a server until the test ends.
func Dial(tb testing.TB, addr string) *net.TCPConn {
	tb.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatal(err)
	}
	return c.(*net.TCPConn) // "tcp" gives nothing else
}

// Say sends a text.
func Say(tb testing.TB, c net.Conn, text string) {
	tb.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		tb.Fatal(err)
	}
}

// Hear wants a text to come next.
func Hear(tb testing.TB, c net.Conn, want string) {
	tb.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		tb.Fatalf("heard %q, %v; want %q", got[:n], err, want)
	}
}

// Silent wants nothing to come for a moment.
func Silent(tb testing.TB, c net.Conn) {
	tb.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		tb.Fatal(err)
	}
	n, err := c.Read(make([]byte, 1))
	var timeout net.Error
	if n != 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
		tb.Fatalf("heard %d octets, %v; want silence", n, err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatal(err)
	}
}
