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

	"postferry/internal/lab/loopback"
)

// echo is a server that greets and then sends everything back.
func echo(t *testing.T, greeting string) string {
	t.Helper()
	r := loopback.NewServer(t, func(_ context.Context, c *net.TCPConn, _ int) {
		if _, err := io.WriteString(c, greeting); err != nil {
			return
		}
		_, _ = io.Copy(c, c)
		_ = c.CloseWrite()
	})
	r.Start()
	return r.Addr
}

func TestDelayLine(t *testing.T) {
	const oneWay = 30 * time.Millisecond
	line := DelayLine(t, echo(t, "hello"), oneWay)
	start := time.Now()
	c := loopback.Dial(t, line.Addr)
	loopback.Hear(t, c, "hello")
	if took := time.Since(start); took < 4*oneWay {
		t.Errorf("greeting after %v, want two round trips of %v", took, 2*oneWay)
	}
	start = time.Now()
	loopback.Say(t, c, "a")
	loopback.Hear(t, c, "a")
	if took := time.Since(start); took < 2*oneWay {
		t.Errorf("answer after %v, want a round trip of %v", took, 2*oneWay)
	}
	line.Set(0)
	start = time.Now()
	for range 20 {
		loopback.Say(t, c, "b")
		loopback.Hear(t, c, "b")
	}
	if took := time.Since(start); took >= 20*2*oneWay {
		t.Errorf("20 round trips without delay took %v", took)
	}
}

func TestDelayLineDoesNotLimitThroughput(t *testing.T) {
	line := DelayLine(t, echo(t, ""), 50*time.Millisecond)
	c := loopback.Dial(t, line.Addr)
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
	c := loopback.Dial(t, line.Addr)
	loopback.Say(t, c, "last words")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); string(got) != "last words" || err != nil {
		t.Errorf("after the half-close: %q, %v", got, err)
	}
	faulty := FaultLine(t, echo(t, "hello"), nil)
	c = loopback.Dial(t, DelayLine(t, faulty.Addr, 5*time.Millisecond).Addr)
	loopback.Hear(t, c, "hello")
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
		c := loopback.Dial(t, line.Addr)
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, text[:at]) {
			t.Errorf("cut after %d octets: %d came, %v", at, len(got), err)
		}
		if _, back := line.Bytes(); back != int64(at) {
			t.Errorf("counted %d octets instead of %d", back, at)
		}
		c = loopback.Dial(t, line.Addr)
		loopback.Hear(t, c, string(text[:at]))
		loopback.Silent(t, c)
		c = loopback.Dial(t, line.Addr)
		broken := bytes.Clone(text)
		broken[at] ^= 0xff
		loopback.Hear(t, c, string(broken))
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
	c := loopback.Dial(t, line.Addr)
	loopback.Say(t, c, "abcdef")
	// The echo of the three may be cut with the rest, but no more may come.
	if got, err := io.ReadAll(c); err != nil || len(got) > 3 {
		t.Errorf("after a cut: %q, %v", got, err)
	}
	c = loopback.Dial(t, line.Addr)
	loopback.Say(t, c, "abcdef")
	loopback.Hear(t, c, "abc")
	loopback.Silent(t, c)
	c = loopback.Dial(t, line.Addr)
	loopback.Say(t, c, "abcdef")
	loopback.Hear(t, c, "abceef")
	c = loopback.Dial(t, line.Addr)
	loopback.Say(t, c, "abcdef")
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a reset: %v", err)
	}
	if n := line.Strikes(); n != 3 {
		t.Errorf("counted %d strikes, not those of the cut, the stall and the reset", n)
	}
}

func TestFaultLineOnDemand(t *testing.T) {
	line := FaultLine(t, echo(t, "one\r\ntwo\r\n"), nil)
	c := loopback.Dial(t, line.Addr)
	loopback.Hear(t, c, "one\r\ntwo\r\n")
	line.CutAll()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after CutAll: %v", err)
	}

	open := loopback.Dial(t, line.Addr)
	loopback.Hear(t, open, "one\r\ntwo\r\n")
	line.Refuse(true)
	if _, err := net.Dial("tcp", line.Addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("while refusing: %v", err)
	}
	loopback.Say(t, open, "still here")
	loopback.Hear(t, open, "still here")
	line.Refuse(false)
	loopback.Hear(t, loopback.Dial(t, line.Addr), "one\r\ntwo\r\n")

	line.Hang(true)
	loopback.Say(t, open, "waiting")
	loopback.Silent(t, open)
	late := loopback.Dial(t, line.Addr)
	loopback.Silent(t, late)
	line.Hang(false)
	loopback.Hear(t, open, "waiting")
	loopback.Hear(t, late, "one\r\n")

	line.HangAfterGreeting(true)
	greeted := loopback.Dial(t, line.Addr)
	loopback.Hear(t, greeted, "one\r\n")
	loopback.Say(t, greeted, "anybody?")
	loopback.Silent(t, greeted)
	line.HangAfterGreeting(false)
	loopback.Hear(t, greeted, "two\r\nanybody?")
}
