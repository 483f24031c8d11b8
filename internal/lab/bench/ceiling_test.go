package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// batch is the number of messages in one MULTIAPPEND (RFC 3502).
const batch = 100

// fetchLine is how Dovecot begins a FETCH response; other servers may not.
var fetchLine = regexp.MustCompile(`^\* \d+ FETCH \(.*FLAGS \(([^)]*)\).*INTERNALDATE ("[^"]+").*\{(\d+)\}\r\n$`)

// conn is a connection that knows just enough IMAP for the ceiling.
type conn struct {
	net.Conn
	in  *bufio.Reader
	out *bufio.Writer
}

// copyBare streams the bodies of whole folders into batches of a hundred,
// with one connection to each server and without waiting for anything: what
// any copying over IMAP could reach at best.
func copyBare(b *testing.B, old, new side, folders []string) {
	b.Helper()
	from, to := login(b, old), login(b, new)
	defer from.Close()
	defer to.Close()
	answers := make(chan error, 1)
	go func() { answers <- to.await("last") }()
	for i, folder := range folders {
		from.command(b, "examine EXAMINE %q\r\nfetch%d UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])\r\n", folder, i)
	}
	for i, folder := range folders {
		pour(b, from, to, fmt.Sprintf("fetch%d ", i), folder)
	}
	to.command(b, "last NOOP\r\n")
	if err := <-answers; err != nil {
		b.Fatal(err)
	}
}

// pour passes the answer of one EXAMINE and FETCH on.
func pour(b *testing.B, from, to *conn, tag, folder string) {
	b.Helper()
	for n := 0; ; {
		line, err := from.in.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		if strings.HasPrefix(line, tag) {
			if n > 0 {
				to.command(b, "\r\n")
			}
			return
		}
		m := fetchLine.FindStringSubmatch(line)
		if m == nil {
			continue // of EXAMINE
		}
		if n > 0 && n%batch == 0 {
			to.write(b, "\r\n")
		}
		if n%batch == 0 {
			to.write(b, fmt.Sprintf("append APPEND %q", folder))
		}
		flags := strings.TrimSpace(strings.ReplaceAll(m[1], `\Recent`, ""))
		to.write(b, fmt.Sprintf(" (%s) %s {%s+}\r\n", flags, m[2], m[3]))
		size, err := strconv.ParseInt(m[3], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyN(to.out, from.in, size); err != nil {
			b.Fatal(err)
		}
		if _, err := from.in.ReadString('\n'); err != nil { // ")"
			b.Fatal(err)
		}
		n++
	}
}

func login(b *testing.B, s side) *conn {
	b.Helper()
	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		b.Fatal(err)
	}
	c := &conn{raw, bufio.NewReaderSize(raw, 64<<10), bufio.NewWriterSize(raw, 64<<10)}
	c.command(b, "login LOGIN %q %q\r\n", s.login, s.password)
	if err := c.await("login"); err != nil {
		b.Fatal(err)
	}
	return c
}

func (c *conn) write(b *testing.B, text string) {
	b.Helper()
	if _, err := c.out.WriteString(text); err != nil {
		b.Fatal(err)
	}
}

func (c *conn) command(b *testing.B, format string, args ...any) {
	b.Helper()
	c.write(b, fmt.Sprintf(format, args...))
	if err := c.out.Flush(); err != nil {
		b.Fatal(err)
	}
}

// await reads answers until the tagged one; a NO or BAD on the way is an error.
func (c *conn) await(tag string) error {
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return err
		}
		if word, rest, _ := strings.Cut(line, " "); word != "*" && word != "+" {
			if !strings.HasPrefix(rest, "OK") {
				return fmt.Errorf("%s", strings.TrimSpace(line))
			}
			if word == tag {
				return nil
			}
		}
	}
}
