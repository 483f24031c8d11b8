package lab

import (
	"bytes"
	"io"
	"testing"
	"time"

	"postferry/internal/lab/loopback"
)

// TestStopAfter stops three connections together at an octet; what comes back
// is not stopped, and the rest follows afterwards.
func TestStopAfter(t *testing.T) {
	line := FaultLine(t, echo(t, ""), nil)
	data := bytes.Repeat([]byte("abcdefgh"), 20_000)
	for _, n := range []int64{1, 50_000, 300_001} {
		before, _ := line.Bytes()
		stopped, resume := line.StopAfter(n)
		back := make(chan int, 3)
		for range 3 {
			c := loopback.Dial(t, line.Addr)
			go func() {
				_, _ = c.Write(data) // that it came is seen below
				_ = c.CloseWrite()
			}()
			go func() {
				got, _ := io.ReadAll(c)
				back <- len(got)
			}()
		}
		select {
		case <-stopped:
		case <-time.After(30 * time.Second):
			t.Fatalf("not stopped after %d octets", n)
		}
		awaitBack(t, line)
		if now, _ := line.Bytes(); now-before != n {
			t.Errorf("%d octets are through to the server, want %d", now-before, n)
		}
		resume()
		for range 3 {
			if got := <-back; got != len(data) {
				t.Errorf("after it was lifted %d octets came back, want %d", got, len(data))
			}
		}
	}
}

// awaitBack waits until all that is through to the server has come back.
func awaitBack(t *testing.T, line *Faulty) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for bound := time.After(30 * time.Second); ; {
		there, back := line.Bytes()
		if there == back {
			return
		}
		select {
		case <-tick.C:
		case <-bound:
			t.Fatalf("of %d octets %d have come back", there, back)
		}
	}
}
