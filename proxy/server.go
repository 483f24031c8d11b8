package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/proxy/admission"
	"postferry/proxy/certificate"
	"postferry/upstream/link"
)

// These bound what a client could hold up or be held up by.
const (
	handshakeBound = 15 * time.Second // a TLS handshake
	balancerBound  = 5 * time.Second  // the header of a load balancer
	preauthBound   = time.Minute      // from the connection to the login
	loginBound     = time.Minute      // one login: until its turn comes, and all its attempts at the new server; many clients give up then
	enrolBound     = 5 * time.Second  // making a new account known
	treeBound      = 10 * time.Second // bringing the folder tree over
	changeBound    = 15 * time.Second // recording a CREATE, DELETE or RENAME, of a new server that is slow to answer what it was given last
	refreshBound   = 5 * time.Second  // having the new server look at a folder
	refusalBound   = 30 * time.Second // letting earlier commands finish before a refusal
	writeBound     = 30 * time.Minute // a client that takes no byte for so long is gone, and so is a new server
	lingerBound    = 2 * time.Second  // reading on after the last byte was written
	leavingBound   = time.Minute      // the new server's last words after the client left
	drainBound     = 10 * time.Second // all sessions, when the server is stopped
)

// These are how often something is done.
const (
	reassureEvery = 20 * time.Second // a client whose login takes long is told that it is under way
	progressEvery = 2 * time.Second  // a client whose SELECT is held is told how far the folder is
)

// Server is the client's side of Postferry.
type Server struct {
	cfg      *config.Config
	accounts Accounts
	ferry    Ferry
	log      zerolog.Logger
	guard    *admission.Guard
	right    *rightOnes
	logins   *admission.Queue
	offers   *offers
	certs    *certificate.Certificates
	tls      *tls.Config
	imaps    net.Listener // nil for none
	imap     net.Listener // nil for none
	door     *admission.Door
	buffers  buffers
	shared   link.SharedTLS
	dial     func(ctx context.Context, network, addr string) (net.Conn, error) // to new servers; nil for the network
	present  present
	metrics  *metrics
}

// New loads the certificate and opens the listeners of cfg.Proxy. The error
// names everything that is wrong. After success either Serve or Close must be called.
func New(cfg *config.Config, accounts Accounts, ferry Ferry, log zerolog.Logger) (*Server, error) {
	return NewOn(Sockets{}, cfg, accounts, ferry, log)
}

// Sockets are listeners that somebody has opened for the server; nil for those that it is
// to open itself.
type Sockets struct{ IMAPS, IMAP, ACME net.Listener }

// NewOn is New with sockets that are open already.
func NewOn(given Sockets, cfg *config.Config, accounts Accounts, ferry Ferry, log zerolog.Logger) (*Server, error) {
	s := &Server{
		cfg: cfg, accounts: accounts, ferry: ferry, log: log,
		guard:   admission.NewGuard(cfg.Proxy.MaxConnections, perAddress(), perLogin()),
		right:   newRightOnes(),
		logins:  admission.NewQueue(cfg.Proxy.MaxConnections),
		offers:  newOffers(),
		door:    admission.NewDoor(cfg.Proxy.MaxConnections),
		present: newPresent(),
	}
	s.metrics = newMetrics(s)
	var errs [4]error
	s.imaps, errs[1] = listen(given.IMAPS, "proxy.imaps", cfg.Proxy.IMAPS)
	s.imap, errs[2] = listen(given.IMAP, "proxy.imap", cfg.Proxy.IMAP)
	answers, err := listenACME(given.ACME, cfg)
	errs[3] = err
	if s.certs, errs[0] = certificate.New(cfg, answers, log); errs[0] != nil && answers != nil {
		answers.Close()
	}
	if err := errors.Join(errs[:]...); err != nil {
		s.Close()
		return nil, err
	}
	// The protocol's name (RFC 7301) keeps a client that was led astray from taking this
	// for a web server. Clients that name none are welcome, as nearly all are.
	s.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.Certificate, NextProtos: []string{"imap"}}
	return s, nil
}

// listen opens a listener, unless it is open already.
func listen(given net.Listener, option, addr string) (net.Listener, error) {
	if given != nil {
		return given, nil
	}
	if addr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: can't listen on %s: %w", option, addr, err)
	}
	return l, nil
}

// listenACME opens the listener on which an authority looks; nil if none is asked for certificates.
func listenACME(given net.Listener, cfg *config.Config) (net.Listener, error) {
	if len(cfg.Proxy.ACME.Hosts) == 0 {
		return nil, nil
	}
	return listen(given, "proxy.acme_listen", cfg.Proxy.ACME.Listen)
}

// IMAPSAddr returns the address of the listener with implicit TLS, nil if there is none.
func (s *Server) IMAPSAddr() net.Addr { return addrOf(s.imaps) }

// IMAPAddr returns the address of the STARTTLS listener, nil if there is none.
func (s *Server) IMAPAddr() net.Addr { return addrOf(s.imap) }

func addrOf(l net.Listener) net.Addr {
	if l == nil {
		return nil
	}
	return l.Addr()
}

// Reload reads the certificate again. If that fails the old one stays in use
// and the reason is logged.
func (s *Server) Reload() { s.certs.Reload() }

// Certificate gives out what clients are shown.
func (s *Server) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return s.certs.Get(hello)
}

// Close closes the listeners. Connections are Serve's.
func (s *Server) Close() {
	for _, l := range []net.Listener{s.imaps, s.imap} {
		if l != nil {
			l.Close()
		}
	}
	if s.certs != nil {
		s.certs.Close()
	}
}

// Serve serves clients until ctx ends. Then it accepts no more, says goodbye to
// the clients between two responses, and returns when all are gone, after ten
// seconds at the latest.
func (s *Server) Serve(ctx context.Context) {
	kill, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var wg sync.WaitGroup
	wg.Go(func() { s.look(ctx) })
	wg.Go(func() { s.accept(ctx, kill, &wg, s.imaps, true) })
	wg.Go(func() { s.accept(ctx, kill, &wg, s.imap, false) })
	wg.Go(func() { s.certs.Serve(ctx) })
	<-ctx.Done()
	s.Close()
	timer := time.AfterFunc(drainBound, end)
	defer timer.Stop()
	wg.Wait()
}

// accept hands a listener's connections to sessions of their own.
func (s *Server) accept(ctx, kill context.Context, wg *sync.WaitGroup, l net.Listener, implicit bool) {
	if l == nil {
		return
	}
	exhausted := exhaustion{log: s.log}
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			exhausted.wait(ctx, err)
			continue
		}
		exhausted.over()
		conn = s.buffers.socket(conn)
		if s.fromBalancer(conn) {
			wg.Go(func() { s.behindBalancer(ctx, kill, wg, conn, implicit) })
			continue
		}
		if g := s.enter(conn, implicit); g != nil {
			wg.Go(func() { s.attend(ctx, kill, wg, g, implicit) })
		}
	}
}

// behindBalancer serves a connection once a load balancer has said where it comes from.
func (s *Server) behindBalancer(ctx, kill context.Context, wg *sync.WaitGroup, conn net.Conn, implicit bool) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	client, err := balance(conn, balancerBound)
	if !stop() || err != nil {
		s.log.Info().Err(err).Stringer("remote", conn.RemoteAddr()).Msg("a load balancer does not say where a connection comes from")
		conn.Close()
		return
	}
	if g := s.enter(client, implicit); g != nil {
		s.attend(ctx, kill, wg, g, implicit)
	}
}

// enter lets a connection in, if there is room; nil if not.
func (s *Server) enter(conn net.Conn, implicit bool) *admission.Guest {
	g, gone := s.door.Enter(conn)
	if g == nil {
		s.turnAway(conn, implicit)
		return nil
	}
	s.sendAway(gone)
	return g
}

// attend sees a guest from its first octet to its last. Once it has logged in it has other
// goroutines: what handshakes and logins have needed of the stack ends with this one.
func (s *Server) attend(ctx, kill context.Context, wg *sync.WaitGroup, g *admission.Guest, implicit bool) {
	stop := context.AfterFunc(kill, func() { g.Conn.Close() })
	leave := func() {
		stop()
		g.Conn.Close()
		s.door.Leave(g)
	}
	p := newSession(s, g)
	var in *entry
	if !implicit || p.startTLS(ctx) {
		in = p.run(ctx)
	}
	if in == nil {
		leave()
		return
	}
	server, r := in.up.Detach()
	in.up = nil // its buffers are no longer needed
	s.relay(ctx, kill, wg, p, in, server, r, leave)
}

// sendAway closes the connection of a guest that had to make room; nil is nobody.
func (s *Server) sendAway(g *admission.Guest) {
	if g == nil {
		return
	}
	s.metrics.refused.Inc()
	s.log.Debug().Stringer("remote", g.Conn.RemoteAddr()).Msg("too many connections without a login: this one is closed")
	g.Conn.Close()
}

// turnAway refuses a connection beyond the bound, in words where that costs nothing.
func (s *Server) turnAway(conn net.Conn, implicit bool) {
	s.metrics.refused.Inc()
	s.log.Warn().Stringer("remote", conn.RemoteAddr()).Int("connections", s.door.Most).Msg("too many connections")
	if !implicit {
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		conn.Write([]byte("* BYE [UNAVAILABLE] Too many connections, try again later\r\n"))
	}
	conn.Close()
}
