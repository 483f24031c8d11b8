package discover

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
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
	at    map[string]string // address:port of the world -> real address; "" hangs
	asked []string          // addresses dialled over TCP
}

// newWorld is a world with the records given, in zone file syntax.
func newWorld(t testing.TB, records ...string) *world {
	t.Helper()
	w := &world{t: t, ca: lab.NewCA(t), at: map[string]string{}}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		w.zone = append(w.zone, rr)
	}
	w.Finder = &Finder{AllowPrivate: true, Roots: w.ca.Pool(), Resolvers: []string{"10.0.0.53:53"}, Dial: w.dial}
	w.serveDNS()
	return w
}

// serveDNS answers for every name, over UDP and TCP.
func (w *world) serveDNS() {
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", packets.LocalAddr().String())
	if err != nil {
		w.t.Fatal(err)
	}
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
	m := new(dns.Msg).SetReply(q)
	name, kind := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
	known := false
	for hop := 0; hop < 5; hop++ {
		alias := ""
		for _, rr := range w.zone {
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
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(out, r)
			return
		}
		fmt.Fprint(out, page)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{w.ca.Issue(w.t, hosts...)}}
	s.StartTLS()
	w.t.Cleanup(s.Close)
	w.serve(address, s.Listener.Addr().String())
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

func (w *world) find(text string) *Report {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := w.Find(ctx, text)
	if err != nil {
		w.t.Fatal(err)
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
