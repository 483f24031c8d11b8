package proxy

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab/inmemory"
	"postferry/store"
	"postferry/wire"
)

// memoryStore is as much of a store as a login needs.
type memoryStore struct {
	store.Store
	mu       sync.Mutex
	accounts map[string]store.Account
	err      error
}

func (m *memoryStore) Account(_ context.Context, login string) (store.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.accounts[strings.ToLower(login)]
	if m.err != nil {
		return a, m.err
	}
	if !ok {
		return a, store.ErrNotFound
	}
	return a, nil
}

func (m *memoryStore) LearnPassword(_ context.Context, id store.AccountID, was store.Credentials, password store.Secret) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for login, a := range m.accounts {
		if a.ID == id && a.New == was {
			a.New.Password, a.OldOpens = password, false
			m.accounts[login] = a
			return true, m.err
		}
	}
	return false, m.err
}

// fakeServer is a new server that knows some logins and passwords, and little
// else: every command but LOGIN and AUTHENTICATE is answered OK.
type fakeServer struct {
	net.Listener
	wg sync.WaitGroup

	mu        sync.Mutex
	passwords map[string]string
	answer    string            // to a login, instead of OK or NO, with TAG for the tag; "hang" for none
	says      map[string]string // likewise, by login and password
	tried     []string
	heard     []wire.Verb
}

func startFakeServer(t testing.TB, passwords map[string]string) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startFakeServerOn(t, l, passwords)
}

func startFakeServerOn(t testing.TB, l net.Listener, passwords map[string]string) *fakeServer {
	f := &fakeServer{Listener: l, passwords: passwords}
	var conns sync.Map
	f.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Store(conn, nil)
			f.wg.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		conns.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
		f.wg.Wait()
	})
	return f
}

func (f *fakeServer) config() config.Server { return insecure(f) }

// insecure is the server that listens there.
func insecure(l net.Listener) config.Server {
	addr := l.Addr().(*net.TCPAddr)
	return config.Server{Security: config.Insecure, Host: addr.IP.String(), Port: addr.Port}
}

// set changes how logins are answered.
func (f *fakeServer) set(answer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// attempts returns the logins tried so far.
func (f *fakeServer) attempts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.tried...)
}

func (f *fakeServer) serve(conn net.Conn) {
	defer conn.Close()
	fmt.Fprint(conn, "* OK [CAPABILITY IMAP4rev1 LITERAL+] ready\r\n")
	r := bufio.NewReader(conn)
	var scan wire.CommandScanner
	for {
		if _, err := r.Peek(1); err != nil {
			return
		}
		b, _ := r.Peek(r.Buffered())
		n, ev := scan.Scan(b)
		r.Discard(n)
		switch ev {
		case wire.CommandLiteral:
			fmt.Fprint(conn, "+ go\r\n")
			scan.Continue(true)
		case wire.CommandEnd:
			f.command(conn, &scan)
		}
	}
}

func (f *fakeServer) command(conn net.Conn, scan *wire.CommandScanner) {
	args := scan.Args()
	f.mu.Lock()
	f.heard = append(f.heard, scan.Verb())
	f.mu.Unlock()
	switch scan.Verb() {
	case wire.VerbCapability:
		fmt.Fprintf(conn, "* CAPABILITY IMAP4rev1 LITERAL+ AUTH=X\r\n%s OK x\r\n", scan.Tag())
	case wire.VerbLogin:
		f.login(conn, string(scan.Tag()), string(args[0]), string(args[1]))
	default:
		fmt.Fprintf(conn, "%s OK x\r\n", scan.Tag())
	}
}

func (f *fakeServer) login(conn net.Conn, tag, login, password string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried = append(f.tried, login+" "+password)
	answer := cmp.Or(f.says[login+" "+password], f.answer)
	switch {
	case answer == "hang":
	case answer != "":
		fmt.Fprintf(conn, "%s\r\n", strings.ReplaceAll(answer, "TAG", tag))
		if strings.HasPrefix(answer, "* BYE") {
			conn.Close()
		}
	case f.passwords[login] == password:
		fmt.Fprintf(conn, "%s OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE AUTH=X COMPRESS=DEFLATE] in\r\n", tag)
	default:
		fmt.Fprintf(conn, "%s NO [AUTHENTICATIONFAILED] Authentication failed.\r\n", tag)
	}
}

// proxyRig is a whole proxy in front of a new server.
type proxyRig struct {
	*Server
	ferry *fakeFerry
	store *memoryStore
	log   *syncBuffer
	stop  func() // and wait
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startProxy starts a proxy for example.com; adjust may change it before.
func startProxy(t testing.TB, newServer config.Server, adjust func(*proxyRig)) *proxyRig {
	t.Helper()
	return startProxyOn(t, Sockets{}, newServer, adjust)
}

// startProxyInMemory is startProxy for a bubble, in which time passes: clients connect by the listeners. The new server is
// one that listens at newServer.
func startProxyInMemory(t testing.TB, newServer *inmemory.Listener, adjust func(*proxyRig)) (p *proxyRig, imaps, imap *inmemory.Listener) {
	t.Helper()
	imaps, imap = inmemory.NewListener(), inmemory.NewListener()
	return startProxyOn(t, Sockets{IMAPS: imaps, IMAP: imap}, nowhere, func(p *proxyRig) {
		p.dial = newServer.DialContext
		if adjust != nil {
			adjust(p)
		}
	}), imaps, imap
}

// nobody is a listener at which nobody listens.
func nobody() *inmemory.Listener {
	l := inmemory.NewListener()
	l.Close()
	return l
}

// connectInMemory is a client at such a listener.
func connectInMemory(t testing.TB, l *inmemory.Listener) *peer {
	t.Helper()
	conn, err := l.DialContext(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newPeer(t, "client", conn)
}

func startProxyOn(t testing.TB, given Sockets, newServer config.Server, adjust func(*proxyRig)) *proxyRig {
	t.Helper()
	cfg := &config.Config{
		State: t.TempDir(),
		Proxy: config.Proxy{
			IMAPS: "127.0.0.1:0", IMAP: "127.0.0.1:0", AllowPlaintext: true,
			VisitWait: patience, MaxConnections: 100,
		},
		Domains: []config.Domain{{Name: "example.com", Default: true, New: newServer, Enrol: true}},
	}
	p := &proxyRig{
		ferry: &fakeFerry{},
		store: &memoryStore{accounts: map[string]store.Account{}},
		log:   &syncBuffer{},
	}
	srv, err := NewOn(given, cfg, p.store, p.ferry, zerolog.New(p.log).Level(zerolog.DebugLevel))
	if err != nil {
		t.Fatal(err)
	}
	p.Server = srv
	if adjust != nil {
		adjust(p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(ctx)
	}()
	p.stop = func() {
		cancel()
		<-served
	}
	t.Cleanup(p.stop)
	return p
}

// stopWith stops the proxy while clients do something: it waits a moment for those that stay.
func (p *proxyRig) stopWith(clients func()) {
	var stopped sync.WaitGroup
	stopped.Go(p.stop)
	clients()
	stopped.Wait()
}

// connect is a client at the plain port.
func (p *proxyRig) connect(t testing.TB) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", p.IMAPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newPeer(t, "client", conn)
}

// ready is what a client is greeted with at the plain port.
const ready = "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS AUTH=PLAIN] Postferry ready\n"

// greeted is connect behind the greeting.
func (p *proxyRig) greeted(t testing.TB) *peer {
	t.Helper()
	c := p.connect(t)
	c.hears(ready)
	return c
}
