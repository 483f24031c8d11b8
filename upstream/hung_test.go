package upstream

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
)

// silentAppend is a server that takes APPEND and answers nothing before it is let go on.
func silentAppend(t *testing.T, goOn <-chan struct{}, ends bool) (config.Server, <-chan []byte) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got, done := make(chan []byte, 1), make(chan struct{})
	go func() {
		defer close(done)
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		io.WriteString(nc, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\r\n")
		io.ReadFull(nc, make([]byte, len("P1 AUTHENTICATE PLAIN AGFubgBodXNoLTBmLWFubg==\r\n")))
		io.WriteString(nc, "P1 OK [CAPABILITY IMAP4rev1 LITERAL- MULTIAPPEND UIDPLUS] in\r\n")
		buf := make([]byte, 1024)
		n, _ := nc.Read(buf)
		if bytes.HasPrefix(buf[:n], []byte("P2 STATUS")) {
			io.WriteString(nc, "* STATUS INBOX (UIDNEXT 1)\r\nP2 OK\r\n")
			n, _ = nc.Read(buf)
		}
		<-goOn
		rest, _ := io.ReadAll(nc) // up to the client's end
		got <- append(buf[:n:n], rest...)
		if !ends {
			<-t.Context().Done()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return config.Server{Security: config.Insecure, Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port}, got
}

func hungSession(t *testing.T, server config.Server) *Session {
	t.Helper()
	opt := testOptions(t)
	opt.Stall = time.Second
	s, err := Dial(t.Context(), server, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Login(t.Context(), store.Credentials{Login: "ann", Password: "hush-0f-ann"}); err != nil {
		t.Fatal(err)
	}
	call, err := s.Appender.SendAppend(t.Context(), "INBOX", []Append{{Size: 5, Body: bytes.NewReader([]byte("a: b\n")), Flags: []imap.Flag{imap.FlagSeen}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := call.Wait(t.Context()); link.ClassOf(err) != link.Lost {
		t.Fatal(err)
	}
	return s
}

// TestHungAppend: a session that stalls while an APPEND is under way is kept until the
// server, which may go on any time, has come to the end of what it was given.
func TestHungAppend(t *testing.T) {
	goOn := make(chan struct{})
	server, got := silentAppend(t, goOn, true)
	s := hungSession(t, server)
	if !s.Hung() {
		t.Fatal("the connection was closed")
	}
	ended := make(chan error, 1)
	go func() { ended <- s.AwaitEnd(t.Context()) }()
	select {
	case err := <-ended:
		t.Fatalf("ended before the server: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if text := <-got; !bytes.Contains(text, []byte("a: b\n")) {
		t.Errorf("the server has got %q", text)
	}
	if s.Hung() {
		t.Error("it is still open")
	}
}

// TestHungAppendBound: a server that never goes on is given up with the context.
func TestHungAppendBound(t *testing.T) {
	goOn := make(chan struct{})
	server, _ := silentAppend(t, goOn, false)
	s := hungSession(t, server)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.AwaitEnd(ctx); err == nil || s.Hung() {
		t.Errorf("%v, still open: %v", err, s.Hung())
	}
	close(goOn)
}

// TestOtherStallsClose: a session that stalls with nothing to be stored is closed at once.
func TestOtherStallsClose(t *testing.T) {
	server := hangingServer(t, "* OK [CAPABILITY IMAP4rev1] hello\r\n")
	opt := testOptions(t)
	opt.Stall = time.Second // connecting counts, too
	s, err := Dial(t.Context(), server, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Alive(t.Context()); link.ClassOf(err) != link.Lost || s.Hung() {
		t.Errorf("%v, kept: %v", err, s.Hung())
	}
}

// TestHungInCopy: a server that falls silent in the middle of a COPY may make the copies later.
func TestHungInCopy(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	server, _ := silentAppend(t, goOn, true)
	opt := testOptions(t)
	opt.Stall = 200 * time.Millisecond
	s, err := Dial(t.Context(), server, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Login(t.Context(), store.Credentials{Login: "ann", Password: "hush-0f-ann"}); err != nil {
		t.Fatal(err)
	}
	if _, told, err := s.Changer.CopyUIDs(t.Context(), imap.UIDSetNum(1), "Work"); link.ClassOf(err) != link.Lost || told || !s.Hung() {
		t.Errorf("%v, told: %v, hung: %v", err, told, s.Hung())
	}
	close(goOn)
	if err := s.AwaitEnd(t.Context()); err != nil {
		t.Error(err)
	}
}
