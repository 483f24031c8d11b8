package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/upstream/link"
	"postferry/upstream/transcript"
)

func TestGreetings(t *testing.T) {
	for script, want := range map[string]string{
		"S: * BYE [UNAVAILABLE] too many connections": `later 0s: server: connect: the server says [UNAVAILABLE] "too many connections": BYE`,
		"S: 220 mx.example ESMTP":                     `fix 0s: server: connect: the server does not speak IMAP`,
		"S: * HELLO":                                  `fix 0s: server: connect: `,
		"S: ":                                         `fix 0s: server: connect: the server does not speak IMAP`,
		"# nothing at all":                            "later 0s: server: connect: ",
		"S| \"* OK [CAPAB\"":                          "later 0s: server: connect: unexpected EOF",
		"S: * OK hello\nC: P1 CAPABILITY\nS: P1 BAD x": `refused 0s: server: connect: the server says "x": BAD`,
	} {
		_, err := dialScript(t, script)
		if got := transcript.Verdict(err); !strings.HasPrefix(got, want) {
			t.Errorf("%q:\ngot  %s\nwant %s", script, got, want)
		}
	}
}

func TestDialNobody(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	ln.Close()
	_, err = Dial(context.Background(), config.Server{Security: config.Insecure, Host: "127.0.0.1", Port: port}, testOptions(t))
	if e, ok := errors.AsType[*link.Error](err); !ok || e.Class != link.Later || e.Op != "connect" || !strings.Contains(e.Summary().String(), "can't be reached") {
		t.Fatal(err)
	}
}

// tlsServer speaks plain text up to STARTTLS, then TLS.
func tlsServer(t *testing.T, injected string, cert tls.Certificate) config.Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		io.WriteString(nc, "* OK [CAPABILITY IMAP4rev1 STARTTLS X-UNPROTECTED] hello\r\n")
		io.ReadFull(nc, make([]byte, len("P1 STARTTLS\r\n")))
		io.WriteString(nc, "P1 OK now\r\n"+injected)
		c := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
		transcript.Parse(t, "C: P2 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: P2 OK").Play(c)
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return config.Server{Security: config.StartTLS, Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port}
}

func TestStartTLS(t *testing.T) {
	cert := lab.NewCA(t).Issue(t, "127.0.0.1")
	server := tlsServer(t, "", cert)
	server.Fingerprint = lab.Fingerprint(cert)
	s, err := Dial(context.Background(), server, testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Has("X-UNPROTECTED") || !s.Has(imap.CapIMAP4rev1) {
		t.Errorf("capabilities: %v", s.Capabilities())
	}
}

func TestStartTLSInjection(t *testing.T) {
	cert := lab.NewCA(t).Issue(t, "127.0.0.1")
	server := tlsServer(t, "* CAPABILITY IMAP4rev1 X-EVIL\r\n", cert)
	server.Fingerprint = lab.Fingerprint(cert)
	_, err := Dial(context.Background(), server, testOptions(t))
	if !errors.Is(err, link.ErrInjected) || link.ClassOf(err) != link.Fix {
		t.Fatal(err)
	}
}

func TestStartTLSRequired(t *testing.T) {
	for script, want := range map[string]error{
		"S: * OK [CAPABILITY IMAP4rev1] hello":                                        link.ErrNoTLS,
		"S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] in":                             link.ErrPreauth,
		"S: * OK [CAPABILITY STARTTLS] hello\nC: P1 STARTTLS\nS: P1 NO not available": link.Kind("NO"),
	} {
		server := transcript.Serve(t, transcript.Parse(t, script))
		server.Security = config.StartTLS
		if _, err := Dial(context.Background(), server, testOptions(t)); !errors.Is(err, want) || link.ClassOf(err) != link.Fix {
			t.Errorf("%s: %v", script, err)
		} else if e, ok := errors.AsType[*link.Error](err); ok && want == link.ErrNoTLS && !strings.Contains(e.Summary().String(), "no STARTTLS") {
			t.Error(e.Summary().String())
		}
	}
}

func TestCertificateFileIsMissing(t *testing.T) {
	server := transcript.Serve(t, transcript.Parse(t, ""))
	server.Security, server.CA = config.ImplicitTLS, "testdata/none.pem"
	if _, err := Dial(context.Background(), server, testOptions(t)); link.ClassOf(err) != link.Fix {
		t.Error(err)
	}
}

// hangingServer sends what it is given and then nothing, without closing.
func hangingServer(t *testing.T, say string) config.Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		io.WriteString(nc, say)
		io.Copy(io.Discard, nc)
		nc.Close()
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return config.Server{Security: config.Insecure, Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port}
}

const hello = "* OK [CAPABILITY IMAP4rev1 IDLE] hello\r\n"

func TestStall(t *testing.T) {
	opt := testOptions(t)
	opt.Stall = 500 * time.Millisecond
	_, err := Dial(context.Background(), hangingServer(t, ""), opt)
	if link.ClassOf(err) != link.Later || err == nil || !strings.Contains(err.Error(), "no byte for 500ms") {
		t.Errorf("greeting: %v", err)
	}
	s, err := Dial(context.Background(), hangingServer(t, hello+"* "), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first := s.Alive(context.Background())
	if link.ClassOf(first) != link.Lost || first == nil {
		t.Errorf("NOOP: %v", first)
	}
	if again := s.Alive(context.Background()); again != first {
		t.Errorf("afterwards: %v", again)
	}
}

func TestStallWhileWriting(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		nc, _ := ln.Accept()
		io.WriteString(nc, "* OK [CAPABILITY IMAP4rev1 LITERAL+] hello\r\n")
		accepted <- nc // and reads nothing
	}()
	defer func() { ln.Close(); (<-accepted).Close() }()
	opt := testOptions(t)
	opt.Stall = 500 * time.Millisecond
	s, err := Dial(context.Background(), config.Server{Security: config.Insecure, Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port}, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	body := make([]byte, 1<<20)
	batch := make([]Append, 64)
	for i := range batch {
		batch[i] = Append{Size: int64(len(body)), Body: strings.NewReader(string(body))}
	}
	if _, err := s.Appender.SendAppend(context.Background(), "x", batch); link.ClassOf(err) != link.Lost || err == nil {
		t.Fatal(err)
	}
}

func TestContextEndsAWait(t *testing.T) {
	s, err := Dial(context.Background(), hangingServer(t, hello), testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if err := s.Alive(ctx); !errors.Is(err, context.DeadlineExceeded) || link.ClassOf(err) != link.Lost {
		t.Errorf("got %v", err)
	}
	if err := s.Alive(context.Background()); link.ClassOf(err) != link.Lost || err == nil {
		t.Errorf("afterwards: %v", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, hangingServer(t, ""), testOptions(t)); !errors.Is(err, context.DeadlineExceeded) || link.ClassOf(err) != link.Later {
		t.Errorf("dial: %v", err)
	}
}

func TestContextThatEndedCostsNothing(t *testing.T) {
	s := scripted(t, "@\nC: P2 NOOP\nS: P2 OK\n")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Alive(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := s.Alive(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestCloseUnblocks(t *testing.T) {
	s, err := Dial(context.Background(), hangingServer(t, hello), testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	if err := s.Alive(context.Background()); link.ClassOf(err) != link.Lost || err == nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Logout(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestDetach(t *testing.T) {
	opt := testOptions(t)
	opt.Stall = 300 * time.Millisecond
	var life atomic.Int32
	opt.Progress = func() { life.Add(1) }
	s, err := Dial(context.Background(), hangingServer(t, hello+"* 1 EXISTS\r\n"), opt)
	if err != nil {
		t.Fatal(err)
	}
	nc, r := s.Detach()
	defer nc.Close()
	if line, err := r.ReadString('\n'); line != "* 1 EXISTS\r\n" {
		t.Fatalf("%q %v", line, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Alive(context.Background()); err == nil {
		t.Error("a detached session works on")
	}
	seen := life.Load()
	if seen < 2 {
		t.Errorf("progress called %d times", seen)
	}
	// No deadline is left: the read ends when we say so, long after the stall.
	begun := time.Now()
	nc.SetReadDeadline(begun.Add(700 * time.Millisecond))
	if _, err := r.ReadByte(); err == nil || time.Since(begun) < 690*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	if half, ok := nc.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		t.Error("can't be half-closed")
	}
}

func TestIdleIsInterrupted(t *testing.T) {
	s := scripted(t, "@ IDLE\nC: P2 IDLE\nS: + idling\nC: DONE\nS: P2 OK\nC: P3 NOOP\nS: P3 OK\n")
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if changed, err := s.Watcher.Idle(ctx, time.Minute); changed || err != nil {
		t.Errorf("%v %v", changed, err)
	}
	if err := s.Alive(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestIdleEnds(t *testing.T) {
	s := scripted(t, "@ IDLE\nC: P2 IDLE\nS: + idling\nC: DONE\nS: P2 OK\nC: P3 NOOP\nS: P3 OK\n")
	if changed, err := s.Watcher.Idle(context.Background(), 50*time.Millisecond); changed || err != nil {
		t.Errorf("%v %v", changed, err)
	}
	if err := s.Alive(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestToldWhenIdleEnds: a server that tells nothing by itself tells what is new when IDLE is ended.
func TestToldWhenIdleEnds(t *testing.T) {
	t.Parallel()
	s := scripted(t, "@ IDLE\nC: P2 IDLE\nS: + idling\nC: DONE\nS: * 7 EXISTS\nS: P2 OK\n")
	if changed, err := s.Watcher.Idle(t.Context(), 50*time.Millisecond); !changed || err != nil {
		t.Errorf("%v %v", changed, err)
	}
}
