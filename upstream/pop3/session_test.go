package pop3

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"postferry/config"
	"postferry/upstream/link"
)

// pop3Server greets one connection and serves it with a function.
func pop3Server(t testing.TB, play func(nc net.Conn, heard *bufio.Scanner)) config.Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if nc, err := ln.Accept(); err == nil {
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(30 * time.Second))
			io.WriteString(nc, "+OK\r\n")
			play(nc, bufio.NewScanner(nc))
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	addr := ln.Addr().(*net.TCPAddr)
	return config.Server{Protocol: config.POP3, Security: config.Insecure, Host: addr.IP.String(), Port: addr.Port}
}

// TestHuge streams 100 MB, with lines of 100 KB, through little memory.
func TestHuge(t *testing.T) {
	const lines, width = 1000, 100_000
	line := []byte(strings.Repeat("x", width) + "\r\n")
	server := pop3Server(t, func(nc net.Conn, heard *bufio.Scanner) {
		for heard.Scan() {
			switch heard.Text() {
			case "CAPA":
				io.WriteString(nc, "-ERR\r\n")
			case "RETR 1":
				io.WriteString(nc, "+OK\r\n")
				for range lines {
					nc.Write(line)
				}
				io.WriteString(nc, ".\r\n")
			}
		}
	})
	s, err := Dial(t.Context(), server, testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err = s.each(t.Context(), asking{verb: "RETR", window: 1}, []Message{{Number: 1}}, func(_ Message, r io.Reader) error {
		n, err := io.Copy(io.Discard, r)
		if n != lines*(width+2) {
			t.Errorf("%d octets", n)
		}
		return err
	})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Error(err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d octets were allocated", grown)
	}
}

// TestWaits: silence and the caller's loss of interest end every wait.
func TestWaits(t *testing.T) {
	silent := func() config.Server {
		return pop3Server(t, func(_ net.Conn, heard *bufio.Scanner) {
			for heard.Scan() {
			}
		})
	}
	opt := testOptions(t)
	opt.Stall = 500 * time.Millisecond
	if _, err := Dial(t.Context(), silent(), opt); link.ClassOf(err) != link.Later {
		t.Errorf("no answer: %v", err)
	}
	server := silent()
	nc, err := net.Dial("tcp", server.Address())
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(nc, server, testOptions(t))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Login(ctx, ann); !errors.Is(err, context.DeadlineExceeded) || link.ClassOf(err) != link.Lost {
		t.Errorf("ended context: %v", err)
	}
}

// A dot behind a bare LF that nothing follows is the end all the same.
func TestDotBehindLF(t *testing.T) {
	server := pop3Server(t, func(nc net.Conn, heard *bufio.Scanner) {
		heard.Scan()
		io.WriteString(nc, "-ERR\r\n")
		heard.Scan()
		io.WriteString(nc, "+OK\r\na\n.\r\n")
		heard.Scan()
	})
	opt := testOptions(t)
	opt.Stall = time.Second
	s, err := Dial(t.Context(), server, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.each(t.Context(), asking{verb: "RETR", window: 1}, []Message{{Number: 1}}, func(_ Message, r io.Reader) error {
		if body, err := io.ReadAll(r); string(body) != "a\n" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// What fn says ends the asking but not the session.
func TestStopsAsking(t *testing.T) {
	text := "@ PIPELINING\n"
	for n := 1; n <= retrWindow; n++ {
		text += fmt.Sprintf("C: RETR %d\n", n)
	}
	text += strings.Repeat("S: +OK\nS: text\nS: .\n", retrWindow) + "C: NOOP\nS: +OK\n"
	s, err := Dial(t.Context(), serve(t, parseScript(t, text)), testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Login(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	list := make([]Message, 2*retrWindow)
	for i := range list {
		list[i].Number = uint32(i + 1)
	}
	enough := errors.New("enough")
	calls := 0
	err = s.each(t.Context(), asking{verb: "RETR", window: retrWindow}, list, func(Message, io.Reader) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if err := s.Alive(t.Context()); err != nil {
		t.Error(err)
	}
}
