package discover

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postferry/internal/lab"
)

// world is a small Internet: a real DNS server, and addresses that lead to
// servers on loopback. What it has no server for refuses connections.
type world struct {
	*Finder
	t     testing.TB
	ca    *lab.CA
	mu    sync.Mutex
	zone  []dns.RR
	own   []dns.RR          // what the domain's own name servers say instead; nil for the same
	lost  map[string]int    // datagrams still to be lost, by question
	at    map[string]string // address:port of the world -> real address; "" hangs
	asked []string          // addresses dialled over TCP
}

// newWorld is a world with the records given, in zone file syntax.
func newWorld(t testing.TB, records ...string) *world {
	t.Helper()
	w := &world{t: t, ca: lab.NewCA(t), at: map[string]string{}, lost: map[string]int{}}
	w.zone = zone(t, records...)
	w.Finder = &Finder{AllowPrivate: true, Roots: w.ca.Pool(), Resolvers: []string{"10.0.0.53:53"}, Dial: w.dial}
	w.serveDNS()
	return w
}

func zone(t testing.TB, records ...string) (all []dns.RR) {
	t.Helper()
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rr)
	}
	return all
}

// add gives the world more records. Lost datagrams of other worlds may come in at any time.
func (w *world) add(records ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zone = append(slices.Clone(w.zone), zone(w.t, records...)...)
}

// records are what a recursive or the domain's own server knows.
func (w *world) records(own bool) []dns.RR {
	w.mu.Lock()
	defer w.mu.Unlock()
	if own && w.own != nil {
		return w.own
	}
	return w.zone
}

// ownSays makes the domain's own name servers say something else.
func (w *world) ownSays(records ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.own = zone(w.t, records...)
}

// lose makes a question's first datagram get lost.
func (w *world) lose(name, kind string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost[name+kind]++
}

// loses drops a question's first datagram.
func (w *world) loses(out dns.ResponseWriter, q dns.Question) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := strings.ToLower(q.Name) + dns.TypeToString[q.Qtype]
	if out.LocalAddr().Network() != "udp" || w.lost[key] == 0 {
		return false
	}
	w.lost[key]--
	return true
}

// samePort listens for datagrams and connections on one port.
func samePort(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if listener, err := net.Listen("tcp", packets.LocalAddr().String()); err == nil {
			return packets, listener
		}
		packets.Close() // somebody else has it for connections
	}
	t.Fatal("no port is free for both")
	return nil, nil
}

// serveDNS answers for every name, over UDP and TCP.
func (w *world) serveDNS() {
	packets, listener := samePort(w.t)
	w.at["10.0.0.53:53"] = packets.LocalAddr().String()
	for _, s := range []*dns.Server{{PacketConn: packets, Handler: dns.HandlerFunc(w.answer)}, {Listener: listener, Handler: dns.HandlerFunc(w.answer)}} {
		up, down := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go func() {
			defer close(down)
			_ = s.ActivateAndServe()
		}()
		<-up
		w.t.Cleanup(func() {
			_ = s.Shutdown()
			<-down
		})
	}
}

func (w *world) answer(out dns.ResponseWriter, q *dns.Msg) {
	if w.loses(out, q.Question[0]) {
		return
	}
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = !q.RecursionDesired
	records := w.records(m.Authoritative)
	name, kind := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
	known := false
	for hop := 0; hop < 5; hop++ {
		alias := ""
		for _, rr := range records {
			if strings.ToLower(rr.Header().Name) != name {
				continue
			}
			known = true
			if c, ok := rr.(*dns.CNAME); ok && kind != dns.TypeCNAME {
				m.Answer, alias = append(m.Answer, rr), strings.ToLower(c.Target)
			} else if rr.Header().Rrtype == kind {
				m.Answer = append(m.Answer, rr)
			}
		}
		if alias == "" {
			break
		}
		name = alias
	}
	if !known {
		m.Rcode = dns.RcodeNameError
	}
	if out.LocalAddr().Network() == "udp" {
		m.Truncate(512)
	}
	_ = out.WriteMsg(m)
}

// serve makes an address of the world lead to a real one; "" hangs.
func (w *world) serve(address, real string) { w.at[address] = real }

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	real, ok := w.at[address]
	if network == "tcp" {
		w.mu.Lock()
		w.asked = append(w.asked, address)
		w.mu.Unlock()
	}
	switch {
	case !ok:
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	case real == "":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var d net.Dialer
	return d.DialContext(ctx, network, real)
}

// web serves one page at an address of the world, with a certificate for hosts.
func (w *world) web(address, path, page string, hosts ...string) {
	w.handle(address, w.ca.Issue(w.t, hosts...), func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(out, r)
			return
		}
		fmt.Fprint(out, page)
	})
}

// handle runs a web server at an address of the world.
func (w *world) handle(address string, cert tls.Certificate, fn http.HandlerFunc) {
	s := httptest.NewUnstartedServer(fn)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that end early are what is tested
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.StartTLS()
	w.t.Cleanup(s.Close)
	w.serve(address, s.Listener.Addr().String())
}

// says runs a server that greets with text and takes the first thing it hears
// for a goodbye; with a certificate it speaks TLS.
func (w *world) says(address, text string, cert *tls.Certificate) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.serve(address, ln.Addr().String())
	if cert != nil {
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{*cert}})
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				// Errors: the client may be gone.
				if _, err := io.WriteString(conn, text); err == nil {
					_, _ = conn.Read(make([]byte, 100))
					_, _ = io.WriteString(conn, "* BYE\r\n")
				}
			})
		}
	})
	w.t.Cleanup(func() { ln.Close(); wg.Wait() })
}

// dovecot runs a real server at an address of the world, on all its ports.
func (w *world) dovecot(ip string, opt lab.DovecotOptions) *lab.Dovecot {
	if opt.CA == nil {
		opt.CA = w.ca
	}
	d := lab.StartDovecot(w.t, opt)
	w.serve(ip+":993", d.IMAPS)
	w.serve(ip+":143", d.IMAP)
	w.serve(ip+":995", d.POP3S)
	w.serve(ip+":110", d.POP3)
	return d
}

// placeholder is one that nothing was put into.
var placeholder = regexp.MustCompile(`[^"]*\{[a-z]+\}[^"]*`)

func (w *world) find(text string) *Report {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := w.Find(ctx, text)
	if err != nil {
		w.t.Fatal(err)
	}
	said, err := json.Marshal(r)
	if err != nil || placeholder.Match(said) {
		w.t.Errorf("a sentence lacks a parameter, %v: %s", err, placeholder.Find(said))
	}
	return r
}

// outcome is the code of what came of a candidate.
func outcome(r *Report, protocol Protocol, host string, port int) string {
	for _, a := range r.Attempts {
		if a.Protocol == protocol && a.Host == host && a.Port == port {
			return a.Outcome.Code
		}
	}
	return "no such candidate"
}

func codes(messages []Message) string {
	var all []string
	for _, m := range messages {
		all = append(all, m.Code)
	}
	return strings.Join(all, " ")
}

func addressOf(t testing.TB, text string) netip.Addr {
	t.Helper()
	addr, err := netip.ParseAddr(text)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
