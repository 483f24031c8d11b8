package pop3

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"postferry/config"
	"postferry/upstream/link"
)

func FuzzReply(f *testing.F) {
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

// FuzzServer lets a server say anything at all, from the greeting on.
func FuzzServer(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed, 3)
		f.Add(seed, 1000)
	}
	f.Fuzz(func(t *testing.T, data string, size int) { talk(t, data, size) })
}

// seeds are servers that say all there is to say.
var seeds = []string{
	"+OK\r\n~-ERR\r\n~+OK\r\n~+OK\r\n~+OK 1 9\r\n~+OK\r\n1 9\r\n.\r\n~+OK\r\n1 a\r\n.\r\n" + strings.Repeat("~+OK\r\nA: b\r\n\r\n..\r\n.\r\n", 5) + "~+OK\r\n",
	"+OK <a@b>\r\n~+OK\r\nSASL PLAIN\r\nPIPELINING\r\nUIDL\r\nTOP\r\n.\r\n~+ \r\n~+OK\r\n~+OK\r\nEXPIRE 0\r\nTOP\r\nPIPELINING\r\n.\r\n" +
		"~+OK 2 2\r\n~+OK\r\n1 8\r\n2 8\r\n.\r\n~-ERR\r\n" + strings.Repeat("~+OK\r\nA: b\r\n\r\n.\r\n", 5) + "~-ERR [SYS/TEMP]\r\n~+OK\r\na\r\n.\r\n~+OK\r\n",
}

// TestSeeds: the fuzz test begins with conversations that come to their end.
func TestSeeds(t *testing.T) {
	for _, seed := range seeds {
		if bodies := talk(t, seed, 7); bodies == 0 {
			t.Errorf("no body came of %q", seed)
		}
	}
}

// talk does everything that is done with a POP3 server.
func talk(t *testing.T, data string, size int) (bodies int) {
	t.Helper()
	dial := func(context.Context, string, string) (net.Conn, error) {
		return newAnswers(data, max(size%4096, 1)), nil
	}
	s, err := Dial(t.Context(), config.Server{Host: "h", Port: 110, Security: config.Insecure}, link.Options{Stall: time.Second, Dial: dial})
	if err != nil || s.Login(t.Context(), ann) != nil {
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
	_ = s.Headers(t.Context(), list, size%2 == 0, func(Message, []byte) error { return nil })
	_ = s.Bodies(t.Context(), list, func(_ Message, size int64, r io.Reader) error {
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
