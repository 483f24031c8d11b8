package pop3

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postferry/config"
	"postferry/upstream/link"
)

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
func wireOf(data string, size int) *Session {
	return newSession(&fixedConn{data: data, size: size}, config.Server{Host: "h", Port: 110}, link.Options{Stall: time.Second})
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

// TestBody: what was stuffed comes out as it was, in whatever pieces it
// travels, and if anything is missing at the end it is no message.
func TestBody(t *testing.T) {
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
