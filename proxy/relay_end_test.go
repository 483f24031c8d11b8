package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/lab/inmemory"
	"postferry/internal/pause"
)

func TestStoppingWaitsForTheEndOfAResponse(t *testing.T) {
	g := newRig(t, nil)
	g.server.says("* 1 FETCH (BODY[] {4}\nab")
	g.client.hears("* 1 FETCH (BODY[] {4}\nab")
	g.stop()
	g.client.hearsNothing()
	g.server.says("cd)\n* 2 EXISTS\n")
	g.endsWith(t, "cd)\n* BYE Postferry is shutting down\n")
}

func TestStoppingAnIdleClient(t *testing.T) {
	g := newRig(t, nil)
	g.client.says("a1 IDLE\n")
	g.server.hears("a1 IDLE\n")
	g.stop()
	g.endsWith(t, "* BYE Postferry is shutting down\n")
	if got := g.ferry.noted(); !slices.Equal(got, []string{"disconnected 7"}) {
		t.Errorf("calls: %q", got)
	}
}

func TestKillingWaitsForNothing(t *testing.T) {
	g := newRig(t, nil)
	g.server.says("* 1 FETCH (BODY[] {4}\nab")
	g.client.hears("* 1 FETCH (BODY[] {4}\nab")
	g.stop()
	g.kill()
	g.ends(t)
}

func TestServerSaysGoodbye(t *testing.T) {
	g := newRig(t, nil)
	g.client.says("a1 LOGOUT\n")
	g.server.hears("a1 LOGOUT\n")
	g.server.says("* BYE x\na1 OK x\n")
	g.server.Close()
	g.endsWith(t, "* BYE x\na1 OK x\n")
}

func TestServerVanishes(t *testing.T) {
	g := newRig(t, nil)
	g.client.says("a1 NOOP\n")
	g.server.hears("a1 NOOP\n")
	g.server.Close()
	g.endsWith(t, "* BYE [UNAVAILABLE] The mail server closed the connection\n")
}

func TestServerVanishesWithinAResponse(t *testing.T) {
	g := newRig(t, nil)
	g.server.says("* 1 FETCH (BODY[] {4}\nab")
	g.server.Close()
	g.endsWith(t, "* 1 FETCH (BODY[] {4}\nab")
}

// TestClientThatStays: one that doesn't close its connection when it has heard the end is waited for a moment only.
func TestClientThatStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRigInMemory(t, nil)
		g.server.Close()
		g.client.hears("* BYE [UNAVAILABLE] The mail server closed the connection\n")
		g.client.hearsEnd()
		begun := time.Now()
		g.ends(t)
		if stayed := time.Since(begun); stayed != lingerBound {
			t.Errorf("the relay ends after %v", stayed)
		}
	})
}

// TestServerThatStays: one that doesn't end what it says when the client has gone has its time for last words.
func TestServerThatStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRigInMemory(t, nil)
		g.client.says("a1 NOOP\n")
		g.server.hears("a1 NOOP\n")
		closeWrite(g.client.Conn)
		g.server.hearsEnd()
		time.Sleep(leavingBound - time.Second)
		g.server.says("* 1 EXISTS\n")
		g.client.hears("* 1 EXISTS\n")
		begun := time.Now()
		g.client.SetReadDeadline(begun.Add(2 * leavingBound))
		if rest, err := g.client.r.ReadString(0); err != io.EOF || rest != "" {
			t.Errorf("the client heard %q, %v", rest, err)
		}
		if stayed := time.Since(begun); stayed != leavingBound {
			t.Errorf("what it says next is waited for during %v", stayed)
		}
	})
}

// TestServerThatStopsReading: it does not keep a client's place for ever. One that reads again in time goes on.
func TestServerThatStopsReading(t *testing.T) {
	t.Parallel()
	const size = 10_000_000
	say := func(g *rig) {
		io.WriteString(g.client.Conn, crlf(fmt.Sprintf("a APPEND x {%d+}\n", size)))
		g.client.Write(make([]byte, size))
		io.WriteString(g.client.Conn, crlf("\nb NOOP\n"))
	}
	t.Run("for ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newRigInMemory(t, nil)
			go say(g)
			pause.For(t.Context(), time.Second)
			g.client.Close()
			begun := time.Now()
			<-g.ended
			if took := time.Since(begun); took > writeBound+lingerBound {
				t.Errorf("it took %v", took)
			}
		})
	})
	t.Run("for a while", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newRigInMemory(t, nil)
			go say(g)
			for range 10 {
				pause.For(t.Context(), writeBound-writeBound/8)
				if n, err := io.CopyN(io.Discard, g.server.r, size/10); err != nil {
					t.Fatal(n, err)
				}
			}
			g.server.SetReadDeadline(time.Now().Add(patience))
			if rest, err := io.ReadAll(io.LimitReader(g.server.r, 34)); err != nil || !strings.HasSuffix(string(rest), "b NOOP\r\n") {
				t.Errorf("heard %q, %v", rest, err)
			}
		})
	})
}

// TestEndInTheMiddle: what was kept back of a command or a response when its sender leaves is passed on as
// it came.
func TestEndInTheMiddle(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	g.client.says("a1 NOOP\nb2")
	g.server.hears("a1 NOOP\n")
	closeWrite(g.client.Conn)
	g.server.hears("b2")
	g.server.hearsEnd()
	g.server.says("a1 OK done\n* CAPABILITY X")
	g.client.hears("a1 OK done\n")
	closeWrite(g.server.Conn)
	g.client.hears("* CAPABILITY X")
	g.client.hearsEnd()
}

// lateReader is a connection whose reader takes a moment to awake, as those of the system do: a deadline that is put off
// meanwhile has not been.
type lateReader struct {
	*inmemory.Conn
	mu       sync.Mutex
	deadline time.Time
}

func (l *lateReader) SetReadDeadline(at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = at
	return l.Conn.SetReadDeadline(at)
}

func (l *lateReader) Read(p []byte) (int, error) {
	for {
		n, err := l.Conn.Read(p)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		time.Sleep(time.Millisecond)
		l.mu.Lock()
		over := !time.Now().Before(l.deadline)
		l.mu.Unlock()
		if over {
			return n, err
		}
	}
}

// TestClientLeavesAtTheLastWord: nothing is waited for when a client that was told to go goes at once.
func TestClientLeavesAtTheLastWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRigOn(t, func(t testing.TB) (ours, theirs net.Conn) {
			ours, theirs = pipeInMemory(t)
			return &lateReader{Conn: ours.(*inmemory.Conn)}, theirs
		}, nil)
		g.client.says("a IDLE\n")
		g.server.hears("a IDLE\n")
		g.stop()
		g.client.hears("* BYE Postferry is shutting down\n")
		g.client.Close()
		begun := time.Now()
		<-g.ended
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it ends after %v", took)
		}
	})
}
