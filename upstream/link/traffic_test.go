package link

import (
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slowly allows pieces of ten octets, one a second.
type slowly struct{ read, written atomic.Int64 }

func (s *slowly) Piece() int { return 10 }

func (s *slowly) Moved(read, written int) time.Duration {
	s.read.Add(int64(read))
	s.written.Add(int64(written))
	return time.Duration(read+written) * time.Second / 10
}

func TestTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		var traffic slowly
		signs := 0
		c := newConn(near, Options{Stall: 5 * time.Second, Traffic: &traffic, Progress: func() { signs++ }})
		text := bytes.Repeat([]byte("x"), 95)
		go far.Write(text)
		began := time.Now()
		got := make([]byte, len(text))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%q, %v", got, err)
		}
		if took := time.Since(began); took != 9500*time.Millisecond {
			t.Errorf("95 octets took %v", took)
		}
		if signs < 19 {
			t.Errorf("%d signs of life in ten seconds: the server would pass for silent", signs)
		}
		go io.Copy(io.Discard, far)
		began = time.Now()
		if n, err := c.Write(text); n != len(text) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if took := time.Since(began); took != 9500*time.Millisecond {
			t.Errorf("writing took %v", took)
		}
		if traffic.read.Load() != 95 || traffic.written.Load() != 95 {
			t.Errorf("%d read, %d written", traffic.read.Load(), traffic.written.Load())
		}
		began = time.Now()
		time.AfterFunc(time.Second, c.Kill)
		if _, err := c.Write(text); err == nil {
			t.Error("written to the end after it was killed")
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("the end of the connection was waited for %v", took)
		}
		c.Close()
	})
}
