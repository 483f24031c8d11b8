package lab

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postferry/config"
	"postferry/internal/lab/inmemory"
	"postferry/internal/lab/loopback"
)

// POP3Oddities are what is peculiar about a POP3 server. The zero value is one
// of 1996 that goes by the letter: RFC 1939 with TOP and UIDL, and no CAPA.
type POP3Oddities struct {
	Capabilities []string // lines of CAPA; nil for a server that knows no CAPA
	NoUIDL       bool
	NoTOP        bool
	APOPOnly     bool // no USER
	// TopLimit is how many octets of a message TOP gives at most; 0 for all.
	TopLimit int
	// LFSizes makes LIST count line ends as one octet.
	LFSizes bool
	// Raw are messages that are sent as they are, with bare LFs; otherwise line
	// ends become CRLF.
	Raw bool
	// Unstuffed lines that begin with a dot are sent as they are.
	Unstuffed bool
	// Refused are ids of messages that RETR and TOP refuse.
	Refused []string
	// Unwell are ids of messages of which it says that it can't read them now.
	Unwell []string
	// Busy refuses logins with these words behind -ERR, "" for none.
	Busy string
	// GreetingDelay is how long a client waits for the greeting.
	GreetingDelay time.Duration
	// Takes is how long each command takes.
	Takes time.Duration
}

// POP3Mail is a message on such a server.
type POP3Mail struct {
	UID  string
	Body []byte
	// Times is how often Body is repeated behind itself, for messages that should
	// not be held; 0 for once.
	Times int
}

// POP3Server is an odd POP3 server. Everybody may log in with any password but
// "wrong", and all have the same mailbox. Its methods are safe for concurrent use.
type POP3Server struct {
	// Addr is host:port.
	Addr string
	// Dial connects to one that is in memory; nil for one that listens at Addr.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu       sync.Mutex
	odd      POP3Oddities
	mails    []POP3Mail
	commands []string // of all clients, in order; without what follows PASS, AUTH and APOP
	sessions int      // logged in now
	most     int      // at the same time
}

// StartPOP3 starts such a server.
func StartPOP3(tb testing.TB, odd POP3Oddities, mails ...POP3Mail) *POP3Server {
	tb.Helper()
	s := &POP3Server{odd: odd, mails: mails}
	relay := loopback.NewServer(tb, func(ctx context.Context, c *net.TCPConn, number int) { s.serve(ctx, c, number) })
	tb.Cleanup(relay.Finish)
	s.Addr = relay.Addr
	relay.Start()
	return s
}

// POP3InMemory starts one that is reached by Dial only, for bubbles of testing/synctest. addr is what it is called.
func POP3InMemory(tb testing.TB, addr string, odd POP3Oddities, mails ...POP3Mail) *POP3Server {
	s := &POP3Server{odd: odd, mails: mails}
	relay := inmemory.NewServer(tb, addr, s.serve)
	s.Addr, s.Dial = addr, relay.Dial
	return s
}

// Server describes it as a configuration does.
func (s *POP3Server) Server() config.Server {
	return At(config.Server{Protocol: config.POP3, Security: config.Insecure}, s.Addr)
}

// Change gives the server other oddities and mail for sessions from now on.
func (s *POP3Server) Change(fn func(odd *POP3Oddities, mails *[]POP3Mail)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = slices.Clone(s.mails)
	fn(&s.odd, &s.mails)
}

// Commands returns the verbs of all commands so far, in order, and how many
// sessions were logged in at the same time at most.
func (s *POP3Server) Commands() (verbs []string, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands), s.most
}

func (s *POP3Server) serve(ctx context.Context, nc net.Conn, _ int) {
	s.mu.Lock()
	c := &pop3Client{server: s, odd: s.odd, mails: s.mails, w: bufio.NewWriter(nc)}
	s.mu.Unlock()
	if !waited(ctx, c.odd.GreetingDelay) {
		return
	}
	defer c.leave()
	c.say("+OK odd <1.2@lab>")
	r := bufio.NewReader(nc)
	for {
		if r.Buffered() == 0 && c.w.Flush() != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil || !waited(ctx, c.odd.Takes) || !c.command(strings.TrimRight(line, "\r\n")) {
			return
		}
	}
}

// waited tells whether that time has passed before the server ends.
func waited(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// pop3Client is a session as the server sees it.
type pop3Client struct {
	server *POP3Server
	odd    POP3Oddities
	mails  []POP3Mail
	w      *bufio.Writer
	in     bool
}

func (c *pop3Client) say(line string) { fmt.Fprintf(c.w, "%s\r\n", line) }

func (c *pop3Client) leave() {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.in {
		c.server.sessions--
	}
	_ = c.w.Flush() // the client may have gone
}

// enter lets a client in, or not.
func (c *pop3Client) enter(ok bool) {
	switch {
	case c.odd.Busy != "":
		c.say("-ERR " + c.odd.Busy)
	case !ok:
		c.say("-ERR no")
	default:
		c.in = true
		c.server.mu.Lock()
		c.server.sessions++
		c.server.most = max(c.server.most, c.server.sessions)
		c.server.mu.Unlock()
		c.say("+OK")
	}
}

// command answers a line and tells whether the session goes on.
func (c *pop3Client) command(line string) bool {
	verb, args, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	c.server.mu.Lock()
	c.server.commands = append(c.server.commands, verb)
	c.server.mu.Unlock()
	switch verb {
	case "CAPA":
		c.capa()
	case "USER":
		c.answer(!c.odd.APOPOnly, "")
	case "PASS":
		c.enter(args != "wrong")
	case "APOP":
		c.enter(len(strings.Fields(args)) == 2)
	case "STAT", "LIST", "UIDL", "TOP", "RETR", "NOOP":
		if !c.in {
			c.say("-ERR log in first")
			return true
		}
		c.transaction(verb, args)
	case "QUIT":
		c.say("+OK")
		return false
	default:
		c.say("-ERR unknown command")
	}
	return true
}

func (c *pop3Client) answer(ok bool, text string) {
	if ok {
		c.say(strings.TrimSpace("+OK " + text))
	} else {
		c.say("-ERR unknown command")
	}
}

func (c *pop3Client) capa() {
	c.answer(c.odd.Capabilities != nil, "")
	if c.odd.Capabilities != nil {
		c.say(strings.Join(append(c.odd.Capabilities, "."), "\r\n"))
	}
}

func (c *pop3Client) transaction(verb, args string) {
	switch verb {
	case "NOOP":
		c.say("+OK")
	case "STAT":
		c.say(fmt.Sprintf("+OK %d %d", len(c.mails), len(c.mails)))
	case "LIST", "UIDL":
		c.answer(verb == "LIST" || !c.odd.NoUIDL, "")
		if verb == "UIDL" && c.odd.NoUIDL {
			return
		}
		for i, m := range c.mails {
			if verb == "LIST" {
				c.say(fmt.Sprintf("%d %d", i+1, c.size(m)))
			} else {
				c.say(fmt.Sprintf("%d %s", i+1, m.UID))
			}
		}
		c.say(".")
	default:
		c.message(verb, args)
	}
}

// body is what a message is sent as, before dots are stuffed.
func (c *pop3Client) body(m POP3Mail) []byte {
	if c.odd.Raw {
		return m.Body
	}
	body := bytes.ReplaceAll(bytes.ReplaceAll(m.Body, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	if !bytes.HasSuffix(body, []byte("\r\n")) && len(body) > 0 {
		body = append(body, "\r\n"...)
	}
	return body
}

func (c *pop3Client) size(m POP3Mail) int {
	body := c.body(m)
	n := len(body)
	if c.odd.LFSizes {
		n -= bytes.Count(body, []byte("\r\n"))
	}
	return n * max(m.Times, 1)
}

func (c *pop3Client) message(verb, args string) {
	number, lines, _ := strings.Cut(args, " ")
	n, _ := strconv.Atoi(number)
	if verb == "TOP" && c.odd.NoTOP {
		c.say("-ERR unknown command")
		return
	}
	if n < 1 || n > len(c.mails) || slices.Contains(c.odd.Refused, c.mails[n-1].UID) {
		c.say("-ERR no such message")
		return
	}
	m := c.mails[n-1]
	if slices.Contains(c.odd.Unwell, m.UID) {
		c.say("-ERR [SYS/TEMP] can't read it now")
		return
	}
	body := c.body(m)
	c.say("+OK")
	if verb == "TOP" && lines == "0" {
		if at := bytes.Index(body, []byte("\r\n\r\n")); at >= 0 {
			body = body[:at+4]
		}
		m.Times = 1
	}
	if verb == "TOP" && c.odd.TopLimit > 0 {
		body = body[:min(len(body), c.odd.TopLimit)]
	}
	c.stuff(body, max(m.Times, 1))
}

// stuff sends a message some times over.
func (c *pop3Client) stuff(body []byte, times int) {
	last := byte('\n')
	for range times {
		for line := range bytes.Lines(body) {
			if line[0] == '.' && last == '\n' && !c.odd.Unstuffed {
				_ = c.w.WriteByte('.')
			}
			_, _ = c.w.Write(line) // errors show when it is flushed
			last = line[len(line)-1]
		}
	}
	if last != '\n' {
		_, _ = io.WriteString(c.w, "\r\n")
	}
	c.say(".")
}
