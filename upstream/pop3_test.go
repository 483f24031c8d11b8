package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
)

func dialPOP3(t testing.TB, server config.Server, c store.Credentials) *POP3 {
	t.Helper()
	s, err := DialPOP3(t.Context(), server, testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Login(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPOP3Dovecot(t *testing.T) {
	d := lab.StartDovecot(t, lab.DovecotOptions{Users: []lab.User{{Login: "ann", Password: "secret"}, {Login: "bob", Password: oddPassword}}})
	mails := lab.Generate(1, 40, 4096)
	d.FillMaildir("ann", "INBOX", mails)
	d.Open("ann", "INBOX") // a POP3 session takes \\Recent away; that can't be helped
	before := d.Snapshot("ann")
	t.Run("security", func(t *testing.T) {
		for name, server := range map[string]config.Server{
			"TLS": d.ImplicitTLSPOP3(), "STLS": d.StartTLSPOP3(), "none": d.InsecurePOP3(),
		} {
			s := dialPOP3(t, server, store.Credentials{Login: "bob", Password: store.Secret(oddPassword)})
			if !s.Has("UIDL") || !s.Has("pipelining") {
				t.Errorf("%s: %q", name, s.Capabilities())
			}
			answer, err := Probe(t.Context(), server, Options{})
			if err != nil || !strings.HasPrefix(answer.Greeting, "lab ") || (len(answer.Certificates) == 1) != (name != "none") || len(answer.Capabilities) < 3 {
				t.Errorf("%s: %+v, %v", name, answer, err)
			}
		}
		unknown := d.ImplicitTLSPOP3()
		unknown.CA = ""
		if _, err := DialPOP3(t.Context(), unknown, testOptions(t)); ClassOf(err) != Fix {
			t.Errorf("unknown authority: %v", err)
		}
		s, err := DialPOP3(t.Context(), d.InsecurePOP3(), testOptions(t))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var e *Error
		if err := s.Login(t.Context(), store.Credentials{Login: "ann", Password: "wrong"}); !errors.As(err, &e) || e.Class != Fix || e.Code != "AUTH" {
			t.Errorf("wrong password: %v", err)
		}
	})
	t.Run("messages", func(t *testing.T) {
		s := dialPOP3(t, d.InsecurePOP3(), ann)
		n, list, err := s.List(t.Context())
		if err != nil || n != len(mails) || len(list) != n {
			t.Fatalf("%d, %d listed, %v", n, len(list), err)
		}
		at := 0
		err = s.Bodies(t.Context(), list, func(m POP3Message, size int64, body io.Reader) error {
			got, err := io.ReadAll(body)
			if m != list[at] || m.UID == "" || err != nil || int64(len(got)) != size || size != m.Size {
				t.Errorf("%d: %+v, %d octets of %d, %v", at, m, len(got), size, err)
			}
			at++
			return nil
		})
		if err != nil || at != n {
			t.Fatalf("%d bodies, %v", at, err)
		}
		at = 0
		err = s.Headers(t.Context(), list, true, func(m POP3Message, header []byte) error {
			if m != list[at] || !bytes.HasSuffix(header, []byte("\r\n\r\n")) {
				t.Errorf("header of %+v: %q", m, header)
			}
			at++
			return nil
		})
		if err != nil || at != n {
			t.Fatalf("%d headers, %v", at, err)
		}
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Alive(t.Context()); ClassOf(err) != Lost {
			t.Errorf("after the end: %v", err)
		}
	})
	if diff := before.Diff(d.Snapshot("ann")); diff != "" {
		t.Errorf("the mailbox has changed: %s", diff)
	}
}

// A session that has ended has left the mailbox to others.
func TestPOP3Lock(t *testing.T) {
	d := lab.StartDovecot(t, lab.DovecotOptions{
		Users: []lab.User{{Login: "ann", Password: "secret"}}, ExtraConfig: "pop3_lock_session = yes\n",
	})
	first := dialPOP3(t, d.InsecurePOP3(), ann)
	second, err := DialPOP3(t.Context(), d.InsecurePOP3(), testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	in := make(chan error, 1)
	go func() { in <- second.Login(t.Context(), ann) }()
	select {
	case err := <-in:
		t.Errorf("not locked: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	if err := first.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-in; err != nil {
		t.Errorf("still locked: %v", err)
	}
}

// stuffed is a message as a server sends it.
func stuffed(msg []byte) string {
	var out strings.Builder
	for line := range bytes.Lines(msg) {
		if line[0] == '.' {
			out.WriteByte('.')
		}
		out.Write(line)
	}
	if !bytes.HasSuffix(msg, []byte("\r\n")) && len(msg) > 0 {
		out.WriteString("\r\n")
	}
	return out.String() + ".\r\n"
}

// wireOf makes a session that reads what a server would have sent, some octets
// at a time.
func wireOf(data string, size int) *POP3 {
	s := &POP3{}
	s.attach(&fixedConn{data: data, size: size}, config.Server{Host: "h", Port: 110}, Options{Stall: time.Second})
	return s
}

// fixedConn is a connection on which a server has said all and gone.
type fixedConn struct {
	net.Conn
	data string
	size int
}

func (c *fixedConn) Read(p []byte) (int, error) {
	if c.data == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.size)], c.data)
	c.data = c.data[n:]
	return n, nil
}
func (c *fixedConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *fixedConn) Close() error                     { return nil }
func (c *fixedConn) SetDeadline(time.Time) error      { return nil }
func (c *fixedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *fixedConn) SetWriteDeadline(time.Time) error { return nil }

// TestPOP3Body: what was stuffed comes out as it was, in whatever pieces it
// travels, and if anything is missing at the end it is no message.
func TestPOP3Body(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{
			"", ".", "..", ".x", "a", "\x00", "\xff\r", "-ERR", "+OK", "\r", strings.Repeat("y", 70_000), "." + strings.Repeat(".", 65_534),
		}), 0, 6).Draw(t, "lines")
		msg := ""
		for _, l := range lines {
			msg += l + "\r\n"
		}
		sent := stuffed([]byte(msg)) + "+OK next\r\n"
		size := rapid.SampledFrom([]int{1, 2, 3, 1000, 65_536, 1 << 20}).Draw(t, "size")
		s := wireOf(sent, size)
		got, err := io.ReadAll(s.body())
		if err != nil || string(got) != msg {
			t.Fatalf("got %d octets, %v; want %d", len(got), err, len(msg))
		}
		if r, err := s.readReply(); err != nil || r.text != "next" {
			t.Fatalf("then %v, %v", r, err)
		}
		end := len(sent) - len("+OK next\r\n")
		cut := rapid.IntRange(0, end-2).Draw(t, "cut") // the last LF may be missing: what ends in ".\r" might be more
		if got, err := io.ReadAll(wireOf(sent[:cut], size).body()); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d of %d: %d octets and %v", cut, end, len(got), err)
		}
	})
}

func FuzzPOP3Reply(f *testing.F) {
	for _, seed := range []string{"+OK", "-ERR [IN-USE] x", "+ ", "+OK[x]", "+", "-err", "* OK", "-ERR [ [x]", "-ERR []"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, ok := parseReply(line)
		if ok && r.code != strings.ToUpper(r.code) {
			t.Errorf("%q: %+v", line, r)
		}
		if again, still := parseReply(r.line()); ok && (!still || again.kind != r.kind) {
			t.Errorf("%q: %+v, then %+v", line, r, again)
		}
	})
}

// answers is a connection with a server that says a part of what it has to say,
// up to the next "~", for each line it hears, and its greeting at once.
type answers struct {
	fixedConn
	parts []string
}

func newAnswers(text string, size int) *answers {
	first, rest, _ := strings.Cut(text, "~")
	return &answers{fixedConn{data: first, size: size}, strings.Split(rest, "~")}
}

func (a *answers) Write(p []byte) (int, error) {
	for range min(bytes.Count(p, []byte("\n")), len(a.parts)) {
		a.data += a.parts[0]
		a.parts = a.parts[1:]
	}
	return len(p), nil
}

// FuzzPOP3Server lets a server say anything at all, from the greeting on.
func FuzzPOP3Server(f *testing.F) {
	for _, seed := range pop3Seeds {
		f.Add(seed, 3)
		f.Add(seed, 1000)
	}
	f.Fuzz(func(t *testing.T, data string, size int) { talkPOP3(t, data, size) })
}

// pop3Seeds are servers that say all there is to say.
var pop3Seeds = []string{
	"+OK\r\n~-ERR\r\n~+OK\r\n~+OK\r\n~+OK 1 9\r\n~+OK\r\n1 9\r\n.\r\n~+OK\r\n1 a\r\n.\r\n" + strings.Repeat("~+OK\r\nA: b\r\n\r\n..\r\n.\r\n", 5) + "~+OK\r\n",
	"+OK <a@b>\r\n~+OK\r\nSASL PLAIN\r\nPIPELINING\r\nUIDL\r\nTOP\r\n.\r\n~+ \r\n~+OK\r\n~+OK\r\nEXPIRE 0\r\nTOP\r\nPIPELINING\r\n.\r\n" +
		"~+OK 2 2\r\n~+OK\r\n1 8\r\n2 8\r\n.\r\n~-ERR\r\n" + strings.Repeat("~+OK\r\nA: b\r\n\r\n.\r\n", 5) + "~-ERR [SYS/TEMP]\r\n~+OK\r\na\r\n.\r\n~+OK\r\n",
}

// TestPOP3Seeds: the fuzz test begins with conversations that come to their end.
func TestPOP3Seeds(t *testing.T) {
	for _, seed := range pop3Seeds {
		if bodies := talkPOP3(t, seed, 7); bodies == 0 {
			t.Errorf("no body came of %q", seed)
		}
	}
}

// talkPOP3 does everything that is done with a POP3 server.
func talkPOP3(t *testing.T, data string, size int) (bodies int) {
	t.Helper()
	s := &POP3{}
	s.attach(newAnswers(data, max(size%4096, 1)), config.Server{Host: "h", Port: 110}, Options{Stall: time.Second, Quirks: &Quirks{}})
	if s.start(t.Context(), config.Server{Host: "h", Port: 110, Security: config.Insecure}) != nil || s.Login(t.Context(), ann) != nil {
		return 0
	}
	_, list, err := s.List(t.Context())
	if err != nil {
		return 0
	}
	for _, m := range list {
		if m.Number == 0 || m.Size < -1 {
			t.Errorf("%+v", m)
		}
	}
	_ = s.Headers(t.Context(), list, size%2 == 0, func(POP3Message, []byte) error { return nil })
	_ = s.Bodies(t.Context(), list, func(_ POP3Message, size int64, r io.Reader) error {
		n, err := io.Copy(io.Discard, r)
		if err == nil {
			bodies++
			if n != size {
				t.Errorf("%d octets of %d", n, size)
			}
		}
		return nil
	})
	_ = s.Logout(t.Context())
	return bodies
}

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

// TestPOP3Huge streams 100 MB, with lines of 100 KB, through little memory.
func TestPOP3Huge(t *testing.T) {
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
	s, err := DialPOP3(t.Context(), server, testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err = s.each(t.Context(), asking{verb: "RETR", window: 1}, []POP3Message{{Number: 1}}, func(_ POP3Message, r io.Reader) error {
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

// TestPOP3Waits: silence and the caller's loss of interest end every wait.
func TestPOP3Waits(t *testing.T) {
	silent := func() config.Server {
		return pop3Server(t, func(_ net.Conn, heard *bufio.Scanner) {
			for heard.Scan() {
			}
		})
	}
	opt := testOptions(t)
	opt.Stall = 100 * time.Millisecond
	if _, err := DialPOP3(t.Context(), silent(), opt); ClassOf(err) != Later {
		t.Errorf("no answer: %v", err)
	}
	s, err := reachPOP3(t.Context(), silent(), testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Login(ctx, ann); !errors.Is(err, context.DeadlineExceeded) || ClassOf(err) != Lost {
		t.Errorf("ended context: %v", err)
	}
}

// A dot behind a bare LF that nothing follows is the end all the same.
func TestPOP3DotBehindLF(t *testing.T) {
	server := pop3Server(t, func(nc net.Conn, heard *bufio.Scanner) {
		heard.Scan()
		io.WriteString(nc, "-ERR\r\n")
		heard.Scan()
		io.WriteString(nc, "+OK\r\na\n.\r\n")
		heard.Scan()
	})
	opt := testOptions(t)
	opt.Stall = 300 * time.Millisecond
	s, err := DialPOP3(t.Context(), server, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.each(t.Context(), asking{verb: "RETR", window: 1}, []POP3Message{{Number: 1}}, func(_ POP3Message, r io.Reader) error {
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
func TestPOP3StopsAsking(t *testing.T) {
	text := "@ PIPELINING\n"
	for n := 1; n <= retrWindow; n++ {
		text += fmt.Sprintf("C: RETR %d\n", n)
	}
	text += strings.Repeat("S: +OK\nS: text\nS: .\n", retrWindow) + "C: NOOP\nS: +OK\n"
	s, err := DialPOP3(t.Context(), servePOP3(t, pop3Script(t, text)), testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Login(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	list := make([]POP3Message, 2*retrWindow)
	for i := range list {
		list[i].Number = uint32(i + 1)
	}
	enough := errors.New("enough")
	calls := 0
	err = s.each(t.Context(), asking{verb: "RETR", window: retrWindow}, list, func(POP3Message, io.Reader) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if err := s.Alive(t.Context()); err != nil {
		t.Error(err)
	}
}

// The trace has everything but what is private.
func TestPOP3Trace(t *testing.T) {
	const talk = `S: +OK hello
C: CAPA
S: +OK
S: USER
S: .
C: USER ann
S: +OK send PASS for ann
C: PASS secret
S: +OK secret in
C: CAPA
S: +OK
S: USER
S: .
C: STAT
S: +OK 1 9
C: LIST
S: +OK
S: 1 9
S: .
C: UIDL
S: +OK
S: 1 private
S: .
C: RETR 1
S: +OK here it is
S: private
S: .
`
	const want = `-: connected
S: +OK hello
C: CAPA
S: +OK
S: USER
C: USER [secret]
S: +OK [masked]
C: PASS [secret]
S: +OK [masked]
C: CAPA
S: +OK
S: USER
C: STAT
S: +OK 1 9
C: LIST
S: +OK
S: [1 lines]
C: UIDL
S: +OK
S: [1 lines]
C: RETR 1
S: +OK here it is
S: [9 octets]
-: closed
`
	var out bytes.Buffer
	tracer := NewTracer(&out, zerolog.Nop())
	tracer.now = func() time.Time { return time.Unix(0, 0) }
	opt := testOptions(t)
	opt.Trace = tracer.Session("ann")
	server := servePOP3(t, parseScript(t, talk))
	s, err := DialPOP3(t.Context(), server, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Login(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.each(t.Context(), asking{verb: "RETR", window: 1}, []POP3Message{{Number: 1}}, func(POP3Message, io.Reader) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(out.String(), "1970-01-01T00:00:00.000Z 1 "+server.Address()+" ann ", "")
	if got != want {
		t.Errorf("got\n%s", got)
	}
}
