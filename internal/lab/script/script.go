package script

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/internal/lab/loopback"
)

// Options say how a scripted server is reached.
type Options struct {
	// TLS makes it speak TLS from the first octet, with a certificate of CA.
	TLS bool
	// CA issues the certificate, for TLS and STARTTLS; nil for a new authority.
	CA *lab.CA
}

// Scripted is a server that plays a script to each connection.
type Scripted struct {
	// Addr is host:port.
	Addr string
	// CA is the authority that issued the certificate.
	CA *lab.CA

	tb      testing.TB
	relay   *loopback.Server
	tls     bool
	config  *tls.Config
	scripts [][]block

	mu     sync.Mutex
	played int      // connections so far
	heard  []string // all lines of all clients, in order
}

// patience bounds how long a client is waited for when a script expects
// something from it.
const patience = 10 * time.Second

// Start starts a server that plays a script. With one script every
// connection gets it; with several the first connection gets the first and so
// on, and one connection more fails the test. So does everything a client says
// that the script doesn't expect, and a script that isn't played to its end.
//
// A script is a transcript; empty lines and those that start with # are
// ignored:
//
//	S: * OK ready                   a line to the client
//	D: "* 1 FETCH (BODY[] {5}\r\nab" octets to the client, as a Go string
//	C: {{tag}} LOGIN "?anna"? .*    a line from the client, as a regular expression
//	L: (?s)From: .*                 the literal that line announced, likewise
//	A: {{tag}} NOOP                 a line that may come at any time, any number of times
//	STARTTLS                        the TLS handshake
//	HANG                            say nothing until the client goes
//	CLOSE                           end the connection (FIN; over TLS, close_notify first)
//	RESET                           end the connection (RST)
//
// Expressions match whole lines, ignoring the case of ASCII letters. {{tag}}
// in C and A matches any tag, in S and D it stands for the last one matched;
// {{1}} to {{9}} stand for what the expression's groups matched. What follows
// an A up to the next C or A is its answer. After its last line a script waits
// for the client to close.
func Start(tb testing.TB, opt Options, scripts ...string) *Scripted {
	tb.Helper()
	s := &Scripted{tb: tb, CA: opt.CA, tls: opt.TLS}
	for i, text := range scripts {
		blocks, err := parseScript(text)
		if err != nil {
			tb.Fatalf("script %d: %v", i+1, err)
		}
		s.scripts = append(s.scripts, blocks)
	}
	if s.CA == nil {
		s.CA = lab.NewCA(tb)
	}
	s.config = &tls.Config{Certificates: []tls.Certificate{s.CA.Issue(tb)}}
	tb.Cleanup(s.checkPlayed)
	s.relay = loopback.NewServer(tb, s.serve)
	tb.Cleanup(s.relay.Finish)
	s.Addr = s.relay.Addr
	s.relay.Start()
	return s
}

// Server describes the server as a configuration does: TLS as started, plain
// text otherwise.
func (s *Scripted) Server() config.Server {
	if s.tls {
		return lab.At(config.Server{Security: config.ImplicitTLS, CA: s.CA.File}, s.Addr)
	}
	return lab.At(config.Server{Security: config.Insecure}, s.Addr)
}

// Heard returns all lines clients have sent so far, without line ends and
// literals.
func (s *Scripted) Heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

// Connections counts the connections so far.
func (s *Scripted) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.played
}

func (s *Scripted) checkPlayed() {
	if n := s.Connections(); n < len(s.scripts) {
		s.tb.Errorf("script %d of %d was never played", n+1, len(s.scripts))
	}
}

func (s *Scripted) serve(ctx context.Context, conn *net.TCPConn, number int) {
	s.mu.Lock()
	s.played++
	s.mu.Unlock()
	if len(s.scripts) == 1 {
		number = 0
	}
	if number >= len(s.scripts) {
		s.tb.Errorf("script: connection %d, but only %d scripts", number+1, len(s.scripts))
		return
	}
	p := newPlayer(s, ctx, conn)
	if s.tls {
		if err := p.startTLS(); err != nil {
			return // the client's verdict on the certificate is the test's matter
		}
	}
	if err := p.play(s.scripts[number]); err != nil {
		s.tb.Errorf("script %d: %v", number+1, err)
	}
}

// note remembers a client's line.
func (s *Scripted) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, line)
}

// scriptError says where a script and a client part.
func scriptError(line int, format string, args ...any) error {
	return fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...))
}
