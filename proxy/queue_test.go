package proxy

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/lab/inmemory"
	"postferry/internal/pause"
	"postferry/proxy/admission"
)

// slowServer is a new server that takes a while for each login, and for more of them at
// the same time longer than anybody waits.
type slowServer struct {
	net.Listener
	takes  time.Duration
	atOnce int

	mu         sync.Mutex
	busy, most int
	order      []string
}

func startSlowServer(t *testing.T, l net.Listener, takes time.Duration, atOnce int) *slowServer {
	s := &slowServer{Listener: l, takes: takes, atOnce: atOnce}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(t.Context(), conn) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return s
}

// serve answers a login after its while, and everything else at once.
func (s *slowServer) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	fmt.Fprint(conn, "* OK [CAPABILITY IMAP4rev1] ready\r\n")
	for r := bufio.NewScanner(conn); r.Scan(); {
		tag, command, _ := strings.Cut(r.Text(), " ")
		if !strings.HasPrefix(command, "LOGIN") {
			fmt.Fprintf(conn, "%s OK x\r\n", tag)
			continue
		}
		s.mu.Lock()
		s.busy++
		s.most = max(s.most, s.busy)
		s.order = append(s.order, command)
		takes := s.takes
		if s.atOnce > 0 && s.busy > s.atOnce {
			takes = time.Hour
		}
		s.mu.Unlock()
		pause.For(ctx, takes)
		s.mu.Lock()
		s.busy--
		s.mu.Unlock()
		fmt.Fprintf(conn, "%s OK [CAPABILITY IMAP4rev1] in\r\n", tag)
	}
}

// logInAs logs in at the plain port and returns the answer and what was said before it.
func logInAs(t *testing.T, imap *inmemory.Listener, login string) (answer, before string) {
	conn, err := imap.DialContext(t.Context(), "tcp", "")
	if err != nil {
		t.Error(err)
		return "", ""
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * loginBound))
	fmt.Fprintf(conn, "a LOGIN %s pw\r\n", login)
	for r := bufio.NewScanner(conn); r.Scan(); {
		if answer, ok := strings.CutPrefix(r.Text(), "a "); ok {
			return answer, before
		}
		before += r.Text() + "\n"
	}
	return "", before
}

// TestSlowNewServer: as many right logins succeed as directly, however many come at once,
// and the new server never has more at the same time than it is said to take.
func TestSlowNewServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const clients, atOnce = 160, 20
		l := inmemory.NewListener()
		s := startSlowServer(t, l, 5*time.Second, atOnce)
		_, _, imap := startProxyInMemory(t, l, func(p *proxyRig) {
			p.cfg.Domains[0].Logins, p.cfg.Domains[0].Enrol = atOnce, false
			p.logins, p.door, p.guard = admission.NewQueue(1000), admission.NewDoor(4000), admission.NewGuard(4000, perAddress(), perLogin())
		})
		refused, reassured := make(chan string, clients), make(chan string, clients)
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				pause.For(t.Context(), time.Duration(i)*2*time.Millisecond)
				answer, before := logInAs(t, imap, fmt.Sprintf("u%d@example.com", i))
				if !strings.HasPrefix(answer, "OK") {
					refused <- answer
				}
				if strings.Contains(before, worthWaiting) {
					reassured <- before
				}
			})
		}
		wg.Wait()
		if len(refused) > 0 {
			t.Errorf("%d of %d logins are refused: %s", len(refused), clients, <-refused)
		}
		if len(reassured) == 0 {
			t.Error("nobody is told that it is worth waiting")
		}
		if s.most > atOnce {
			t.Errorf("%d logins at the same time", s.most)
		}
	})
}

// TestLoginsOverTheBound: what comes in a flood is refused at once, takes no lasting
// room, and keeps nobody out afterwards.
func TestLoginsOverTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, waiting = 200, 10
		l := inmemory.NewListener()
		s := startSlowServer(t, l, time.Hour, 0)
		_, _, imap := startProxyInMemory(t, l, func(p *proxyRig) {
			p.cfg.Domains[0].Logins, p.cfg.Domains[0].Enrol = 1, false
			p.logins, p.door, p.guard = admission.NewQueue(4*waiting), admission.NewDoor(4000), admission.NewGuard(4000, perAddress(), perLogin())
		})
		synctest.Wait()
		before := goroutines()
		answers, late := make(chan string, clients), make(chan string, clients)
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				begun := time.Now()
				answer, _ := logInAs(t, imap, fmt.Sprintf("u%d@example.com", i))
				answers <- answer
				if time.Since(begun) > time.Second {
					late <- answer
				}
			})
		}
		wg.Wait()
		close(answers)
		said := map[string]int{}
		for a := range answers {
			said[a]++
		}
		if n := said["NO [UNAVAILABLE] The mail server is busy, try again later"]; n < clients-1-waiting || len(said) > 2 {
			t.Errorf("answers: %v", said)
		}
		if len(late) > waiting+2 {
			t.Errorf("%d are told late", len(late))
		}
		synctest.Wait()
		if n := goroutines(); n > before+10 {
			t.Errorf("%d goroutines, %d before", n, before)
		}
		s.mu.Lock()
		s.takes = 0
		s.mu.Unlock()
		if answer, _ := logInAs(t, imap, "late@example.com"); !strings.HasPrefix(answer, "OK") {
			t.Errorf("afterwards: %q", answer)
		}
	})
}

// goroutines counts them. The runtime does that by its lists of ended ones, between which it may be moving dozens: nothing
// moves behind a collection, which stops all.
func goroutines() int {
	runtime.GC()
	return runtime.NumGoroutine()
}

// TestClientThatLeavesTheQueue: its login is never tried, and who only sends its next
// commands along is not taken for one that has left.
func TestClientThatLeavesTheQueue(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := startSlowServer(t, l, 400*time.Millisecond, 0)
	p := startProxy(t, insecure(l), func(p *proxyRig) { p.cfg.Domains[0].Logins, p.cfg.Domains[0].Enrol = 1, false })
	first, leaver, stayer := p.greeted(t), p.greeted(t), p.greeted(t)
	first.says("a LOGIN u1@example.com pw\n")
	wantWaiting(t, p, 1, 0)
	leaver.says("a LOGIN u2@example.com pw\n")
	wantWaiting(t, p, 1, 1)
	stayer.says("a LOGIN u3@example.com pw\nb NOOP\n")
	wantWaiting(t, p, 1, 2)
	leaver.Close()
	wantWaiting(t, p, 1, 1)
	first.hears("a OK ")
	stayer.hears("a OK [CAPABILITY IMAP4rev1] Logged in\nb OK x\n")
	if slices.ContainsFunc(s.order, func(c string) bool { return strings.Contains(c, "u2") }) {
		t.Errorf("tried: %q", s.order)
	}
}

// wantWaiting waits until so many logins are under way and wait.
func wantWaiting(t *testing.T, p *proxyRig, busy, waiting int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		under, waits := p.logins.Counts()
		ok := under == busy && waits == waiting
		if ok {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("not %d logins under way and %d waiting", busy, waiting)
		}
		pause.For(ctx, time.Millisecond)
	}
}

const worthWaiting = "* OK The mail server is busy, please wait\n"

// hearsInTheEnd expects text, before which it may be told that it is worth waiting.
func (p *peer) hearsInTheEnd(text string) {
	p.t.Helper()
	p.SetReadDeadline(time.Now().Add(2 * loginBound))
	for {
		if next, err := p.r.Peek(1); err != nil || next[0] != '*' {
			break
		}
		p.hears(worthWaiting)
		p.SetReadDeadline(time.Now().Add(2 * loginBound))
	}
	p.hears(text)
}

// busy takes the only turn of example.com for the rest of the test.
func busy(t *testing.T, p *proxyRig) {
	t.Helper()
	leave, err := p.logins.Enter(t.Context(), "example.com", 1, "busy@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(leave)
}

// TestWaitingDoesNotCountAsSlowness: a client that waited for its turn in vain has its time for
// logging in afterwards.
func TestWaitingDoesNotCountAsSlowness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, imap := startProxyInMemory(t, nobody(), func(p *proxyRig) { p.cfg.Domains[0].Logins = 1 })
		busy(t, p)
		c := connectInMemory(t, imap)
		c.hears(ready)
		c.says("a LOGIN u@example.com pw\n")
		for range 2 {
			time.Sleep(reassureEvery)
			c.hears(worthWaiting)
		}
		c.hearsNothing()
		c.hearsInTheEnd("a NO [UNAVAILABLE] The mail server is busy, try again later\n")
		time.Sleep(preauthBound / 2)
		c.says("b NOOP\n")
		c.hears("b OK Done\n")
		time.Sleep(preauthBound / 2)
		c.hears("* BYE Too slow to log in\n")
	})
}

// TestStoppingWhileALoginWaits: a client that waits for its turn is told, and holds nothing up.
func TestStoppingWhileALoginWaits(t *testing.T) {
	p := startProxy(t, nowhere, func(p *proxyRig) { p.cfg.Domains[0].Logins = 1 })
	busy(t, p)
	c := p.greeted(t)
	c.says("a LOGIN u@example.com pw\n")
	wantWaiting(t, p, 1, 1)
	p.stopWith(func() {
		c.hears("a NO [UNAVAILABLE] The mail server is busy, try again later\n* BYE Postferry is shutting down\n")
		c.Close()
	})
}
