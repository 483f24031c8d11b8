package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/internal/lab/light"
)

// termVariable says how many clients TestTermUnderClients connects.
const termVariable = "POSTFERRY_TEST_TERM"

// appender is a client that appends one message after the other, and connects anew when it is
// told to go.
type appender struct {
	name string
	d    *testDaemon
	stop <-chan struct{}

	n          int
	stored     []string // as it was told
	unanswered []string // BYE came instead
	byes       int
	err        error // what must not happen
}

// text is its nth message.
func (a *appender) text(n int) string { return fmt.Sprintf("Subject: %s %d\r\n\r\n", a.name, n) }

// run appends until it is told to stop.
func (a *appender) run() {
	for a.err == nil {
		select {
		case <-a.stop:
			return
		default:
		}
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", a.d.IMAPS(), &tls.Config{InsecureSkipVerify: true})
		if err != nil { // the daemon is not there at the moment
			select {
			case <-time.After(50 * time.Millisecond):
				continue
			case <-a.stop:
				return
			}
		}
		a.converse(conn)
		conn.Close()
	}
}

// converse is one connection, from the greeting to BYE.
func (a *appender) converse(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(patience)) // an error shows with the next step
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); err != nil || strings.HasPrefix(line, "* BYE") {
		return // it came as the daemon went
	}
	fmt.Fprintf(conn, "l LOGIN %s pw\r\n", a.name)
	if answer, _ := a.answer(r, "l"); !strings.HasPrefix(answer, "l OK") {
		if !strings.HasPrefix(answer, "* BYE") && answer != "" {
			a.err = fmt.Errorf("login: %q", answer)
		}
		return
	}
	for {
		select {
		case <-a.stop:
			return
		default:
		}
		a.n++
		text := a.text(a.n)
		fmt.Fprintf(conn, "a APPEND INBOX {%d+}\r\n%s\r\n", len(text), text)
		answer, err := a.answer(r, "a")
		switch {
		case strings.HasPrefix(answer, "a OK"):
			a.stored = append(a.stored, text)
			continue
		case strings.HasPrefix(answer, "* BYE"):
			a.byes++
			a.unanswered = append(a.unanswered, text)
			if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
				a.err = fmt.Errorf("after BYE: %v", err)
			}
		default:
			a.err = fmt.Errorf("%q, %v instead of an answer or BYE", answer, err)
		}
		return
	}
}

// answer reads up to a completion or BYE.
func (a *appender) answer(r *bufio.Reader, tag string) (string, error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil || strings.HasPrefix(line, tag+" ") || strings.HasPrefix(line, "* BYE") {
			return line, err
		}
	}
}

// TestTermUnderClients stops a daemon while clients work through it: what was begun is answered,
// then each hears BYE, and nothing that a client was not answered has been done. The clients come
// back to the next daemon by themselves. make relay does it with many.
func TestTermUnderClients(t *testing.T) {
	t.Parallel()
	n := 30
	if many := os.Getenv(termVariable); many != "" {
		var err error
		if n, err = strconv.Atoi(many); err != nil {
			t.Fatal(err)
		}
	}
	ca := lab.NewCA(t)
	server := light.Start(t, light.Options{CA: ca, Append: 100 * time.Millisecond})
	p := &pair{t: t, ca: ca, newCA: true, oldURL: "imap+insecure://127.0.0.1:1", newURL: server.Server().String(), proxy: fmt.Sprintf("max_connections = %d", 8*n)}
	d := p.serve()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	clients := make([]*appender, n)
	for i := range clients {
		clients[i] = &appender{name: fmt.Sprintf("user%d@example.com", i), d: d, stop: stop}
		wg.Go(clients[i].run)
	}
	eventually(t, "each client to work", func() bool {
		appended := server.Appended()
		for _, a := range clients {
			if appended[a.text(2)] == 0 {
				return false
			}
		}
		return true
	})
	begun := time.Now()
	d.Stop()
	t.Logf("%d clients: ended %v after SIGTERM", n, time.Since(begun).Round(time.Millisecond))
	before := len(server.Appended())
	d.Restart()
	eventually(t, "the clients to work again", func() bool { return len(server.Appended()) >= before+3*n })
	close(stop)
	wg.Wait()
	checkAppenders(t, clients, server.Appended())
}

// checkAppenders compares what clients were told with what the server has.
func checkAppenders(t *testing.T, clients []*appender, appended map[string]int) {
	t.Helper()
	byes := 0
	for _, a := range clients {
		byes += a.byes
		if a.err != nil {
			t.Errorf("%s: %v", a.name, a.err)
		}
		for _, text := range a.stored {
			if appended[text] != 1 {
				t.Errorf("%q is there %d times, but the client was told OK", text, appended[text])
			}
		}
		for _, text := range a.unanswered {
			if appended[text] != 0 {
				t.Errorf("%q was stored, but the client has only heard BYE", text)
			}
		}
	}
	if byes != len(clients) {
		t.Errorf("%d of %d clients have heard BYE", byes, len(clients))
	}
}
