package script

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/lab"
	"postferry/internal/lab/loopback"
)

// witness is a test that may fail: it collects what goes wrong.
type witness struct {
	testing.TB
	mu       sync.Mutex
	errors   []string
	cleanups []func()
}

func (w *witness) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errors = append(w.errors, fmt.Sprintf(format, args...))
}

func (w *witness) Cleanup(f func()) { w.cleanups = append(w.cleanups, f) }

// finish ends the witness's test and returns its errors.
func (w *witness) finish() string {
	for i := len(w.cleanups) - 1; i >= 0; i-- {
		w.cleanups[i]()
	}
	return strings.Join(w.errors, "\n")
}

const loginScript = `
S: * OK [CAPABILITY IMAP4rev1 SASL-IR] ready
# go-imap's client asks for nothing twice
A: {{tag}} CAPABILITY
S: * CAPABILITY IMAP4rev1
S: {{tag}} OK done
C: {{tag}} LOGIN "?(\w+)"? "?secret"?
S: {{tag}} OK [CAPABILITY IMAP4rev1] welcome {{1}}
`

func TestScriptPlaysToARealClient(t *testing.T) {
	s := Start(t, Options{}, loginScript+`
A: {{tag}} NOOP
S: {{tag}} OK still here
C: {{tag}} APPEND "?box"? \{(\d+)\}
S: + go
L: (?s)From: a.*
C: 
S: {{tag}} OK [APPENDUID 1 2] got {{1}}
C: {{tag}} LOGOUT
D: "* BYE\r\n{{tag}} OK bye\r\n"
CLOSE
`)
	c := lab.Login(t, s.Addr, "anna", "secret")
	if err := c.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	cmd := c.Append("box", 15, nil)
	if _, err := io.WriteString(cmd, "From: a\r\n\r\nhi\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := cmd.Wait()
	if err != nil || data.UID != 2 {
		t.Fatalf("%v, %v", data, err)
	}
	if err := c.Logout().Wait(); err != nil {
		t.Error(err)
	}
	if heard := s.Heard(); len(heard) < 4 || !strings.HasSuffix(heard[len(heard)-1], "LOGOUT") {
		t.Errorf("heard %q", heard)
	}
}

func TestScriptSpeaksTLS(t *testing.T) {
	s := Start(t, Options{TLS: true}, loginScript)
	c, err := imapclient.DialTLS(s.Addr, &imapclient.Options{TLSConfig: &tls.Config{RootCAs: s.CA.Pool()}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("anna", "secret").Wait(); err != nil {
		t.Fatal(err)
	}
	s = Start(t, Options{}, `
S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready
C: {{tag}} STARTTLS
S: {{tag}} OK go
STARTTLS
A: {{tag}} CAPABILITY
S: * CAPABILITY IMAP4rev1
S: {{tag}} OK done
C: {{tag}} LOGIN .*
S: {{tag}} NO [AUTHENTICATIONFAILED] no
`)
	c, err = imapclient.DialStartTLS(s.Addr, &imapclient.Options{TLSConfig: &tls.Config{RootCAs: s.CA.Pool(), ServerName: "localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Caps() // waits for what the client asks by itself; otherwise it may be answered after the end
	var refused *imap.Error
	if err := c.Login("anna", "wrong").Wait(); !errors.As(err, &refused) || refused.Code != imap.ResponseCodeAuthenticationFailed {
		t.Errorf("login: %v", err)
	}
}

func TestScriptEnds(t *testing.T) {
	s := Start(t, Options{},
		"S: * OK\nD: \"* 1 FETCH (BODY[] {5}\\r\\nab\"\nCLOSE",
		"S: * OK\nC: a\nRESET",
		"S: * OK\nHANG")
	c := loopback.Dial(t, s.Addr)
	loopback.Say(t, c, "unread")
	if got, err := io.ReadAll(c); string(got) != "* OK\r\n* 1 FETCH (BODY[] {5}\r\nab" || err != nil {
		t.Errorf("CLOSE: %q, %v", got, err)
	}
	c.Close()
	c = loopback.Dial(t, s.Addr)
	loopback.Say(t, c, "a\r\n")
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("RESET: %v", err)
	}
	c = loopback.Dial(t, s.Addr)
	loopback.Say(t, c, "a NOOP\r\n")
	loopback.Hear(t, c, "* OK\r\n")
	loopback.Silent(t, c)
}

func TestScriptFailsTheTest(t *testing.T) {
	const script = "S: * OK\nA: (\\w+) NOOP\nS: {{1}} OK\nC: {{tag}} LOGIN .*"
	for _, tt := range []struct{ name, script, says, want string }{
		{"as it should be", script, "a NOOP\r\nb login x y\r\n", ""},
		{"another line", script, "a SELECT x\r\n", `line 4: expected {{tag}} LOGIN .*, got "a SELECT x"`},
		{"gone too early", script, "a NOOP\r\n", "line 4: expected {{tag}} LOGIN .*, got EOF"},
		{"one line more", script, "a LOGIN x\r\nb NOOP\r\nc SELECT x\r\n", `after the last line the client says "c SELECT x"`},
		{"no literal", "C: a\nL: b", "a\r\n", "line 2: the client's line announced no literal"},
		{"another literal", "C: a .*\nL: b", "a {3+}\r\nabc\r\n", `line 2: expected literal b, got "abc"`},
		{"half a literal", "C: a .*\nL: b", "a {30}\r\nabc\r\n", "line 2: literal ends after 5 of 30 octets"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &witness{TB: t}
			s := Start(w, Options{}, tt.script)
			c := loopback.Dial(t, s.Addr)
			loopback.Say(t, c, tt.says)
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Fatal(err)
			}
			if got := w.finish(); (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("failed with %q, want %q", got, tt.want)
			}
		})
	}
}

func TestScriptCountsConnections(t *testing.T) {
	w := &witness{TB: t}
	s := Start(w, Options{}, "S: one", "S: two")
	conn := loopback.Dial(t, s.Addr)
	loopback.Hear(t, conn, "one\r\n")
	conn.Close()
	if got := w.finish(); !strings.Contains(got, "script 2 of 2 was never played") {
		t.Errorf("failed with %q", got)
	}
	w = &witness{TB: t}
	s = Start(w, Options{}, "S: one", "S: two")
	var conns []net.Conn
	for range 3 {
		conns = append(conns, loopback.Dial(t, s.Addr))
	}
	for _, c := range conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, c)
	}
	if got := w.finish(); !strings.Contains(got, "connection 3, but only 2 scripts") {
		t.Errorf("failed with %q", got)
	}
}

func TestScriptParseErrors(t *testing.T) {
	for script, want := range map[string]string{
		"S: ok\nX: no":  `line 2: "X: no" is none of`,
		"\n\nC: (":      "line 3: error parsing regexp",
		"D: not quoted": "line 1: invalid syntax",
		"HANGS":         `line 1: "HANGS" is none of`,
	} {
		if _, err := parseScript(script); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", script, err, want)
		}
	}
}
