package light

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postferry/config"
	"postferry/internal/lab"
)

// Message is what a Server delivers for each message that is fetched.
var Message = "Subject: light\r\n\r\n" + strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n", 1024)

// Server is a server for very many clients at once. It lets everybody in, has one message as often
// as it is asked for, and counts what is appended. For all else it says OK.
type Server struct {
	ca   *lab.CA
	l    net.Listener
	wg   sync.WaitGroup
	take time.Duration // an APPEND takes so long

	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	appended map[string]int
}

// Options are how a Server behaves.
type Options struct {
	CA     *lab.CA       // whose certificate it shows; nil for a server without TLS
	Append time.Duration // an APPEND takes so long
}

// Start starts a server in this process.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if o.CA != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{o.CA.Issue(t)}})
	}
	s := &Server{ca: o.CA, l: l, take: o.Append, conns: map[net.Conn]struct{}{}, appended: map[string]int{}}
	s.wg.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

// Server describes where it is.
func (s *Server) Server() config.Server {
	addr := s.l.Addr().(*net.TCPAddr)
	to := config.Server{Security: config.Insecure, Host: addr.IP.String(), Port: addr.Port}
	if s.ca != nil {
		to.Security, to.CA = config.ImplicitTLS, s.ca.File
	}
	return to
}

// Appended is how many times each message was appended.
func (s *Server) Appended() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.appended)
}

func (s *Server) accept() {
	for {
		conn, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() {
			s.serve(conn)
			conn.Close()
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.conns, conn)
		})
	}
}

func (s *Server) stop() {
	s.l.Close()
	s.mu.Lock()
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

const capabilities = "IMAP4rev1 IDLE LITERAL+ SASL-IR AUTH=PLAIN ID"

// client is a connection with a Server.
type client struct {
	*Server
	r *bufio.Reader
	w *bufio.Writer
}

// serve answers until the client is gone.
func (s *Server) serve(conn net.Conn) {
	c := &client{Server: s, r: bufio.NewReaderSize(conn, 4096), w: bufio.NewWriterSize(conn, 4096)}
	fmt.Fprintf(c.w, "* OK [CAPABILITY %s] ready\r\n", capabilities)
	for c.w.Flush() == nil {
		line, err := c.command()
		if err != nil || !c.answer(line) {
			return
		}
	}
}

// line reads a line.
func (c *client) line() (string, error) {
	line, err := c.r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// command reads a command with its literals, but for the message of an APPEND.
func (c *client) command() (string, error) {
	line, err := c.line()
	for err == nil && !strings.Contains(strings.ToUpper(line), " APPEND ") {
		lit := literalAtEnd.FindStringSubmatch(line)
		if lit == nil {
			break
		}
		line, err = c.literal(lit, line)
	}
	return line, err
}

// literal reads the literal that a line announces, and what follows it.
func (c *client) literal(lit []string, line string) (string, error) {
	if lit[2] == "" {
		fmt.Fprint(c.w, "+ go on\r\n")
		if err := c.w.Flush(); err != nil {
			return "", err
		}
	}
	n, _ := strconv.Atoi(lit[1])
	text := make([]byte, n)
	if _, err := io.ReadFull(c.r, text); err != nil {
		return "", err
	}
	rest, err := c.line()
	return line + string(text) + rest, err
}

// answer answers a command; false if the client wants to go.
func (c *client) answer(line string) bool {
	tag, rest, _ := strings.Cut(line, " ")
	verb, arguments, _ := strings.Cut(rest, " ")
	switch strings.ToUpper(verb) {
	case "CAPABILITY":
		fmt.Fprintf(c.w, "* CAPABILITY %s\r\n", capabilities)
	case "ID":
		fmt.Fprint(c.w, "* ID NIL\r\n")
	case "SELECT", "EXAMINE":
		fmt.Fprint(c.w, "* 1000 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n* OK [UIDNEXT 1001] ok\r\n")
	case "IDLE":
		if !c.idle() {
			return false
		}
	case "FETCH":
		c.fetch(arguments)
	case "APPEND":
		if !c.append(line) {
			return false
		}
	case "LOGOUT":
		fmt.Fprintf(c.w, "* BYE\r\n%s OK bye\r\n", tag)
		c.w.Flush()
		return false
	}
	fmt.Fprintf(c.w, "%s OK done\r\n", tag)
	return true
}

// idle waits for DONE.
func (c *client) idle() bool {
	fmt.Fprint(c.w, "+ idling\r\n")
	if c.w.Flush() != nil {
		return false
	}
	done, err := c.line()
	return err == nil && strings.EqualFold(done, "DONE")
}

// fetch sends the message for FETCH 1:n.
func (c *client) fetch(arguments string) {
	set, _, _ := strings.Cut(arguments, " ")
	_, last, _ := strings.Cut(set, ":")
	n, _ := strconv.Atoi(last)
	for i := range max(n, 1) {
		fmt.Fprintf(c.w, "* %d FETCH (BODY[] {%d}\r\n", i+1, len(Message))
		io.WriteString(c.w, Message)
		io.WriteString(c.w, ")\r\n")
	}
}

var literalAtEnd = regexp.MustCompile(`\{(\d+)(\+?)\}$`)

// append takes a message.
func (c *client) append(line string) bool {
	lit := literalAtEnd.FindStringSubmatch(line)
	if lit == nil {
		return false
	}
	text, err := c.literal(lit, "")
	if err != nil {
		return false
	}
	c.mu.Lock()
	c.appended[text]++
	c.mu.Unlock()
	<-time.After(c.take)
	return true
}
