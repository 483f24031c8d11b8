package inmemory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestConn: both directions carry more than they hold, a half that is closed is read to its end, and deadlines pass with
// the time of a bubble.
func TestConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(t, "server.test:143", func(_ context.Context, c net.Conn, _ int) { // says what it hears
			_, _ = io.Copy(c, c)
		})
		if _, err := s.Dial(t.Context(), "tcp", "other.test:143"); err == nil {
			t.Error("another server is there")
		}
		c, err := s.Dial(t.Context(), "tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		c.SetReadDeadline(began.Add(time.Minute))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		c.SetDeadline(time.Time{})
		sent := bytes.Repeat([]byte("0123456789"), room/3)
		wrote := make(chan error, 1)
		go func() {
			_, err := c.Write(sent)
			wrote <- errors.Join(err, c.(*Conn).CloseWrite())
		}()
		got, err := io.ReadAll(c)
		if err := errors.Join(err, <-wrote); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d octets of %d: %v", len(got), len(sent), err)
		}
		if s.Accepted() != 1 || c.RemoteAddr().String() != s.Addr {
			t.Errorf("%d connections, with %v", s.Accepted(), c.RemoteAddr())
		}
		c.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestWriteDeadline: who writes to somebody who reads nothing is told in time, and at once when the other end is closed.
func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := Pipe("a.test:1", "b.test:2")
		client.SetWriteDeadline(time.Now().Add(time.Hour))
		if n, err := client.Write(make([]byte, 2*room)); n != room || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d octets, %v", n, err)
		}
		server.Close()
		client.SetWriteDeadline(time.Time{})
		if _, err := client.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("after the other's end: %v", err)
		}
		client.Close()
	})
}
