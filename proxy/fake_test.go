package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab/inmemory"
	"postferry/proxy/admission"
	"postferry/store"
	"postferry/wire"
)

// patience bounds everything a test waits for.
const patience = 30 * time.Second

// fakeFerry is an engine that notes what it is asked for.
type fakeFerry struct {
	mu    sync.Mutex
	calls []string

	visit   func(ctx context.Context, mailbox string, progress func(done, total int))
	changed func(ctx context.Context) error

	renaming func(ctx context.Context) error
	hold     func(mailboxes []string)
	enrol    func(a store.Account) (store.Account, error)
	asked    func(ctx context.Context)
	search   func(ctx context.Context)
	looked   bool // what Search returns
}

func (f *fakeFerry) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

// noted returns the calls so far.
func (f *fakeFerry) noted() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fakeFerry) Connected(_ context.Context, id store.AccountID) { f.note("connected %d", id) }
func (f *fakeFerry) Disconnected(id store.AccountID)                 { f.note("disconnected %d", id) }

func (f *fakeFerry) Visit(ctx context.Context, id store.AccountID, mailbox string, progress func(done, total int)) {
	f.note("visit %d %q", id, mailbox)
	if f.visit != nil {
		f.visit(ctx, mailbox, progress)
	}
}

func (f *fakeFerry) Renaming(ctx context.Context, id store.AccountID, mailbox, newName string) error {
	f.note("renaming %d %q %q", id, mailbox, newName)
	if f.renaming != nil {
		return f.renaming(ctx)
	}
	return nil
}

func (f *fakeFerry) Hold(_ context.Context, id store.AccountID, mailboxes ...string) func() {
	f.note("hold %d %q", id, mailboxes)
	if f.hold != nil {
		f.hold(mailboxes)
	}
	return sync.OnceFunc(func() { f.note("let go %d %q", id, mailboxes) })
}

func (f *fakeFerry) Changed(ctx context.Context, id store.AccountID, verb, mailbox, newName string) error {
	f.note("changed %d %s %q %q", id, verb, mailbox, newName)
	if f.changed != nil {
		return f.changed(ctx)
	}
	return nil
}

func (f *fakeFerry) Enrol(_ context.Context, a store.Account) (store.Account, error) {
	f.note("enrol %s %s old %s new %s", a.Login, a.Domain, a.Old.Login, a.New.Login)
	if f.enrol != nil {
		return f.enrol(a)
	}
	return store.Account{}, errors.New("the old server refuses it")
}

func (f *fakeFerry) Asked(ctx context.Context, id store.AccountID, mailboxes ...string) {
	f.note("asked %d %q", id, mailboxes)
	if f.asked != nil {
		f.asked(ctx)
	}
}

func (f *fakeFerry) Search(ctx context.Context, id store.AccountID, mailbox string, criteria wire.Criteria) (looked bool) {
	f.note("search %d %q %s", id, mailbox, criteria)
	if f.search != nil {
		f.search(ctx)
	}
	return f.looked
}

func (f *fakeFerry) Updated(_ context.Context, ids []store.AccountID) error {
	f.note("updated %v", ids)
	return nil
}

// pipe is a TCP connection with itself; half-closing works as in life.
func pipe(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ours, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// peer is one end of a conversation in a test.
type peer struct {
	t    testing.TB
	name string
	net.Conn
	r *bufio.Reader
}

func newPeer(t testing.TB, name string, conn net.Conn) *peer {
	return &peer{t: t, name: name, Conn: conn, r: bufio.NewReaderSize(conn, 1<<16)}
}

// says sends text, lines as in a transcript: "\n" means CRLF.
func (p *peer) says(text string) {
	p.t.Helper()
	p.SetWriteDeadline(time.Now().Add(patience))
	if _, err := p.Write([]byte(crlf(text))); err != nil {
		p.t.Fatalf("%s cannot say %q: %v", p.name, text, err)
	}
}

// hears expects exactly text.
func (p *peer) hears(text string) {
	p.t.Helper()
	want := crlf(text)
	got := make([]byte, len(want))
	p.SetReadDeadline(time.Now().Add(patience))
	for n := 0; n < len(got); {
		k, err := p.r.Read(got[n:])
		n += k
		if string(got[:n]) != want[:n] || err != nil {
			p.t.Fatalf("%s heard %q (%v); want %q", p.name, got[:n], err, want)
		}
	}
}

// hearsNothing expects silence for a moment.
func (p *peer) hearsNothing() {
	p.t.Helper()
	p.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := p.r.Peek(1); err == nil {
		b, _ := p.r.Peek(p.r.Buffered())
		p.t.Fatalf("%s heard %q; want silence", p.name, b)
	}
}

// hearsEnd expects the end of the stream, not a reset.
func (p *peer) hearsEnd() {
	p.t.Helper()
	p.SetReadDeadline(time.Now().Add(patience))
	if rest, err := p.r.ReadString(0); err == nil || err.Error() != "EOF" || rest != "" {
		p.t.Fatalf("%s heard %q, %v; want the end", p.name, rest, err)
	}
}

func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

// rig is a relay between a client and a new server that the test plays.
type rig struct {
	client, server *peer
	ferry          *fakeFerry
	srv            *Server
	stop, kill     context.CancelFunc
	ended          chan struct{}
	wg             sync.WaitGroup
}

var testAccount = store.Account{ID: 7, Domain: "example.com", Login: "joe@example.com", State: store.Active}

// newRig starts a relay. adjust may change the server before it starts.
func newRig(t testing.TB, adjust func(*rig, *entry)) *rig {
	t.Helper()
	return newRigOn(t, pipe, adjust)
}

// newRigInMemory is newRig for a bubble, in which time passes.
func newRigInMemory(t testing.TB, adjust func(*rig, *entry)) *rig {
	t.Helper()
	return newRigOn(t, pipeInMemory, adjust)
}

func pipeInMemory(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	ours, theirs = inmemory.Pipe("127.0.0.1:2", "127.0.0.1:1")
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// newRigOn is newRig with connections of some kind.
func newRigOn(t testing.TB, pipe func(testing.TB) (ours, theirs net.Conn), adjust func(*rig, *entry)) *rig {
	t.Helper()
	g := &rig{ferry: &fakeFerry{}, ended: make(chan struct{})}
	g.srv = &Server{
		cfg:   &config.Config{Proxy: config.Proxy{VisitWait: patience}},
		ferry: g.ferry,
		log:   zerolog.Nop(),
		door:  admission.NewDoor(10), logins: admission.NewQueue(10), present: newPresent(),
	}
	g.srv.metrics = newMetrics(g.srv)
	in := &entry{login: "joe@example.com", account: testAccount}
	if adjust != nil {
		adjust(g, in)
	}
	theirClient, clientConn := pipe(t)
	serverConn, theirServer := pipe(t)
	clientConn, serverConn = g.srv.buffers.socket(clientConn), g.srv.buffers.socket(serverConn)
	g.client, g.server = newPeer(t, "client", theirClient), newPeer(t, "server", theirServer)
	ctx, stop := context.WithCancel(context.Background())
	kill, end := context.WithCancel(context.Background())
	g.stop, g.kill = stop, end
	p := newSession(g.srv, &admission.Guest{Conn: clientConn})
	stopped := context.AfterFunc(kill, func() { clientConn.Close() })
	g.srv.relay(ctx, kill, &g.wg, p, in, serverConn, g.srv.buffers.reader(serverConn, false), func() {
		stopped()
		close(g.ended)
	})
	t.Cleanup(func() {
		stop()
		end()
		<-g.ended
		g.wg.Wait()
	})
	return g
}

// endsWith expects the last words that the client hears, upon which it closes its connection, and that the relay ends.
func (g *rig) endsWith(t testing.TB, words string) {
	t.Helper()
	g.client.hears(words)
	g.client.hearsEnd()
	g.client.Close()
	g.ends(t)
}

// ends waits for the relay to end.
func (g *rig) ends(t testing.TB) {
	t.Helper()
	select {
	case <-g.ended:
	case <-time.After(patience):
		t.Fatal("the relay does not end")
	}
}
