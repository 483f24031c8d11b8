package lab

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// echo is a server that greets and then sends everything back.
func echo(t *testing.T, greeting string) string {
	t.Helper()
	r := newRelay(t, func(_ context.Context, c *net.TCPConn, _ int) {
		if _, err := io.WriteString(c, greeting); err != nil {
			return
		}
		_, _ = io.Copy(c, c)
		_ = c.CloseWrite()
	})
	r.start()
	return r.addr
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("heard %q, %v; want %q", got[:n], err, want)
	}
}

// silent checks that nothing arrives for a moment.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(make([]byte, 1))
	var timeout net.Error
	if n != 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("heard %d octets, %v; want silence", n, err)
	}
	if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
}

func TestDelayLine(t *testing.T) {
	const oneWay = 30 * time.Millisecond
	line := DelayLine(t, echo(t, "hello"), oneWay)
	start := time.Now()
	c := dial(t, line.Addr)
	hear(t, c, "hello")
	if took := time.Since(start); took < 4*oneWay {
		t.Errorf("greeting after %v, want two round trips of %v", took, 2*oneWay)
	}
	start = time.Now()
	say(t, c, "a")
	hear(t, c, "a")
	if took := time.Since(start); took < 2*oneWay {
		t.Errorf("answer after %v, want a round trip of %v", took, 2*oneWay)
	}
	line.Set(0)
	start = time.Now()
	for range 20 {
		say(t, c, "b")
		hear(t, c, "b")
	}
	if took := time.Since(start); took >= 20*2*oneWay {
		t.Errorf("20 round trips without delay took %v", took)
	}
}

func TestDelayLineDoesNotLimitThroughput(t *testing.T) {
	line := DelayLine(t, echo(t, ""), 50*time.Millisecond)
	c := dial(t, line.Addr)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MB: 256 chunks
	start := time.Now()
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	got, err := io.ReadAll(c)
	if err := errors.Join(err, <-sent); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d of %d octets came back: %v", len(got), len(data), err)
	}
	// Waiting for each of the chunks in turn would take 12 s.
	if took := time.Since(start); took > 11*time.Second {
		t.Errorf("16 MB took %v", took)
	}
}

func TestDelayLinePassesEndsOn(t *testing.T) {
	line := DelayLine(t, echo(t, ""), 5*time.Millisecond)
	c := dial(t, line.Addr)
	say(t, c, "last words")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); string(got) != "last words" || err != nil {
		t.Errorf("after the half-close: %q, %v", got, err)
	}
	faulty := FaultLine(t, echo(t, "hello"), nil)
	c = dial(t, DelayLine(t, faulty.Addr, 5*time.Millisecond).Addr)
	hear(t, c, "hello")
	faulty.CutAll()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after the reset: %v", err)
	}
}

func TestFaultLineBreaksAtTheOctet(t *testing.T) {
	text := bytes.Repeat([]byte("abcdefgh"), 20_000)
	for _, at := range []int{0, 1, 5, 32 << 10, 100_001} {
		line := FaultLine(t, echo(t, string(text)), func(conn int) Plan {
			return Plan{ToClient: Fault{Kind: []FaultKind{Cut, Stall, Corrupt}[conn], At: int64(at)}}
		})
		c := dial(t, line.Addr)
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, text[:at]) {
			t.Errorf("cut after %d octets: %d came, %v", at, len(got), err)
		}
		if _, back := line.Bytes(); back != int64(at) {
			t.Errorf("counted %d octets instead of %d", back, at)
		}
		c = dial(t, line.Addr)
		hear(t, c, string(text[:at]))
		silent(t, c)
		c = dial(t, line.Addr)
		broken := bytes.Clone(text)
		broken[at] ^= 0xff
		hear(t, c, string(broken))
		if n := line.Connections(); n != 3 {
			t.Errorf("counted %d connections", n)
		}
	}
}

func TestFaultLineBreaksTheOtherDirection(t *testing.T) {
	line := FaultLine(t, echo(t, ""), func(conn int) Plan {
		return []Plan{
			{ToServer: Fault{Kind: Cut, At: 3}},
			{ToServer: Fault{Kind: Stall, At: 3}},
			{ToServer: Fault{Kind: Corrupt, At: 3, Mask: 1}},
			{ToServer: Fault{Kind: Reset, At: 3}},
		}[conn]
	})
	c := dial(t, line.Addr)
	say(t, c, "abcdef")
	// The echo of the three may be cut with the rest, but no more may come.
	if got, err := io.ReadAll(c); err != nil || len(got) > 3 {
		t.Errorf("after a cut: %q, %v", got, err)
	}
	c = dial(t, line.Addr)
	say(t, c, "abcdef")
	hear(t, c, "abc")
	silent(t, c)
	c = dial(t, line.Addr)
	say(t, c, "abcdef")
	hear(t, c, "abceef")
	c = dial(t, line.Addr)
	say(t, c, "abcdef")
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a reset: %v", err)
	}
	if n := line.Strikes(); n != 3 {
		t.Errorf("counted %d strikes, not those of the cut, the stall and the reset", n)
	}
}

func TestFaultLineOnDemand(t *testing.T) {
	line := FaultLine(t, echo(t, "one\r\ntwo\r\n"), nil)
	c := dial(t, line.Addr)
	hear(t, c, "one\r\ntwo\r\n")
	line.CutAll()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after CutAll: %v", err)
	}

	open := dial(t, line.Addr)
	hear(t, open, "one\r\ntwo\r\n")
	line.Refuse(true)
	if _, err := net.Dial("tcp", line.Addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("while refusing: %v", err)
	}
	say(t, open, "still here")
	hear(t, open, "still here")
	line.Refuse(false)
	hear(t, dial(t, line.Addr), "one\r\ntwo\r\n")

	line.Hang(true)
	say(t, open, "waiting")
	silent(t, open)
	late := dial(t, line.Addr)
	silent(t, late)
	line.Hang(false)
	hear(t, open, "waiting")
	hear(t, late, "one\r\n")

	line.HangAfterGreeting(true)
	greeted := dial(t, line.Addr)
	hear(t, greeted, "one\r\n")
	say(t, greeted, "anybody?")
	silent(t, greeted)
	line.HangAfterGreeting(false)
	hear(t, greeted, "two\r\nanybody?")
}
