package bench

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
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

// byCeiling streams the bodies of whole folders into batches of a hundred,
// with so many pairs of connections and without waiting for anything: what any
// copying over IMAP could reach at best.
func byCeiling(pairs int) copier {
	return func(b *testing.B, old, new side, folders []string) usage {
		b.Helper()
		began := time.Now()
		queue := make(chan string, len(folders))
		for _, folder := range folders {
			queue <- folder
		}
		close(queue)
		var g errgroup.Group
		for range pairs {
			g.Go(func() error { return copyBare(old, new, queue) })
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		return usage{wall: time.Since(began)}
	}
}

// copyBare copies folders from a queue, always asking for one ahead.
func copyBare(old, new side, queue <-chan string) error {
	var from, to *conn
	var g errgroup.Group // both may be far away
	g.Go(func() (err error) { from, err = login(old); return err })
	g.Go(func() (err error) { to, err = login(new); return err })
	if err := g.Wait(); err != nil {
		return err
	}
	defer from.Close()
	defer to.Close()
	answers := make(chan error, 1)
	go func() { answers <- to.await("last") }()
	var asked []string
	ask := func() error {
		folder, ok := <-queue
		if !ok {
			return nil
		}
		asked = append(asked, folder)
		return from.command("examine EXAMINE %q\r\nfetch UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])\r\n", folder)
	}
	err := ask()
	for err == nil && len(asked) > 0 {
		folder := asked[0]
		asked = asked[1:]
		if err = ask(); err == nil {
			err = pour(from, to, "fetch ", folder)
		}
	}
	if err == nil {
		err = to.command("last NOOP\r\n")
	}
	if err != nil {
		to.Close()
	}
	return errors.Join(err, <-answers)
}

// pour passes the answer of one EXAMINE and FETCH on.
func pour(from, to *conn, tag, folder string) error {
	for n := 0; ; {
		line, err := from.in.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, tag) {
			if n == 0 {
				return nil
			}
			return to.command("\r\n")
		}
		m := fetchLine.FindStringSubmatch(line)
		if m == nil {
			continue // of EXAMINE
		}
		size, err := strconv.ParseInt(m[3], 10, 64)
		if err != nil {
			return err
		}
		// What a Writer could not write shows in the end.
		if n > 0 && n%batch == 0 {
			fmt.Fprint(to.out, "\r\n")
		}
		if n%batch == 0 {
			fmt.Fprintf(to.out, "append APPEND %q", folder)
		}
		flags := strings.TrimSpace(strings.ReplaceAll(m[1], `\Recent`, ""))
		fmt.Fprintf(to.out, " (%s) %s {%s+}\r\n", flags, m[2], m[3])
		if _, err := io.CopyN(to.out, from.in, size); err != nil {
			return err
		}
		if _, err := from.in.ReadString('\n'); err != nil { // ")"
			return err
		}
		n++
	}
}

// dial connects, by TLS where somebody vouches for the server.
func (s side) dial() (net.Conn, error) {
	if s.ca == nil {
		return net.Dial("tcp", s.addr)
	}
	return tls.Dial("tcp", s.addr, &tls.Config{RootCAs: s.ca.Pool()})
}

func login(s side) (*conn, error) {
	raw, err := s.dial()
	if err != nil {
		return nil, err
	}
	c := &conn{raw, bufio.NewReaderSize(raw, 64<<10), bufio.NewWriterSize(raw, 64<<10)}
	if err := errors.Join(c.command("login LOGIN %q %q\r\n", s.login, s.password), c.await("login")); err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

func (c *conn) command(format string, args ...any) error {
	fmt.Fprintf(c.out, format, args...) // what a Writer could not write shows in Flush
	return c.out.Flush()
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
