package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/internal/publicnet"
	"postferry/store"
	"postferry/upstream/link"
	"postferry/upstream/pop3"
)

// greeter accepts connections, with TLS if there is a certificate, and greets. It counts them.
func greeter(t *testing.T, greeting string, cert *tls.Certificate) (addr string, came func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	n := 0
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			n++
			mu.Unlock()
			all.Go(func() {
				defer conn.Close()
				if cert != nil {
					conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*cert}})
				}
				_, _ = io.WriteString(conn, greeting)
				_, _ = io.Copy(io.Discard, conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String(), func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// outsideServer is one at an address, chosen by somebody who must not look around inside.
func outsideServer(t *testing.T, url, addr string) config.Server {
	t.Helper()
	s, err := config.ParseServer(url + "://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	s.PublicOnly = true
	return s
}

// reachAs dials in the server's protocol.
func reachAs(ctx context.Context, s config.Server, opt link.Options) error {
	if s.Protocol == config.POP3 {
		c, err := pop3.Dial(ctx, s, opt)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	c, err := Dial(ctx, s, opt)
	if err == nil {
		_ = c.Close()
	}
	return err
}

// probeAs asks in the server's protocol.
func probeAs(ctx context.Context, s config.Server, opt link.Options) (err error) {
	if s.Protocol == config.POP3 {
		_, err = pop3.Probe(ctx, s, opt)
	} else {
		_, err = Probe(ctx, s, opt)
	}
	return err
}

// TestWhatIsThereIsNotTold: of a server that somebody chose who may look after one domain
// only it is not told why there is none, as long as no mail server has answered.
func TestWhatIsThereIsNotTold(t *testing.T) {
	cert := lab.NewCA(t).Issue(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	noName := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "secret", IsNotFound: true}
	}
	const text = "private words"
	for name, c := range map[string]struct {
		url      string
		greeting string
		cert     *tls.Certificate
		addr     string
		dial     func(context.Context, string, string) (net.Conn, error)
		told     string // of what the error says; "" if there is nothing
	}{
		"closed":                       {url: "imaps", addr: closed.Addr().String()},
		"closed, STARTTLS":             {url: "imap", addr: closed.Addr().String()},
		"closed, POP3":                 {url: "pop3", addr: closed.Addr().String()},
		"no such name":                 {url: "imaps", dial: noName},
		"barred":                       {url: "imaps", dial: func(context.Context, string, string) (net.Conn, error) { return nil, publicnet.ErrBarred }},
		"silent":                       {url: "imap"},
		"silent POP3":                  {url: "pop3"},
		"SSH":                          {url: "imap", greeting: "SSH-2.0-" + text + "\r\n"},
		"SSH for TLS":                  {url: "imaps", greeting: "SSH-2.0-" + text + "\r\n"},
		"SMTP":                         {url: "imap", greeting: "220 " + text + "\r\n"},
		"SMTP for POP3":                {url: "pop3", greeting: "220 " + text + "\r\n"},
		"binary":                       {url: "pop3", greeting: "\x4a\x00\x00\x00\x0a8.0 " + text + "\r\n"},
		"IMAP's star and no greeting":  {url: "imap", greeting: "* FLAGS " + text + "\r\n"},
		"IMAP for POP3":                {url: "pop3", greeting: "* OK " + text + "\r\n"},
		"POP3 for IMAP":                {url: "imap", greeting: "+OK " + text + "\r\n"},
		"TLS without a valid cert":     {url: "imaps", greeting: "HTTP/1.1 400 " + text + "\r\n", cert: &cert},
		"the same for POP3":            {url: "pop3s", greeting: "HTTP/1.1 400 " + text + "\r\n", cert: &cert},
		"plain IMAP where TLS is told": {url: "imaps", greeting: "* OK " + text + "\r\n"},

		"IMAP without a valid cert":  {url: "imaps", greeting: "* OK [CAPABILITY IMAP4rev1] hi\r\nP1 OK\r\n", cert: &cert, told: "certificate"},
		"IMAP without STARTTLS":      {url: "imap", greeting: "* OK [CAPABILITY IMAP4rev1] hi\r\n", told: "STARTTLS"},
		"IMAP that has no time":      {url: "imap", greeting: "* BYE too busy\r\n", told: "too busy"},
		"POP3 that has no time":      {url: "pop3", greeting: "-ERR too busy\r\n", told: "too busy"},
		"POP3 without a valid cert":  {url: "pop3s", greeting: "+OK hi\r\n-ERR\r\n", cert: &cert, told: "certificate"},
		"without protection":         {url: "imap+insecure", greeting: "* OK hi\r\n", told: "without TLS"},
		"POP3 without protection":    {url: "pop3+insecure", greeting: "+OK hi\r\n", told: "without TLS"},
		"IMAP that lets anybody in":  {url: "imap", greeting: "* PREAUTH hi\r\n", told: "PREAUTH"},
		"IMAP that goes on silently": {url: "imap", greeting: "* OK hi\r\n", told: "no byte"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := c.addr
			if addr == "" {
				addr, _ = greeter(t, c.greeting, c.cert)
			}
			opt := testOptions(t)
			opt.Stall, opt.Role = 300*time.Millisecond, link.RoleOld
			if opt.Dial = c.dial; opt.Dial == nil {
				opt.Dial = (&net.Dialer{}).DialContext // this machine stands for the outside
			}
			err := reachAs(t.Context(), outsideServer(t, c.url, addr), opt)
			var e *link.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			said := e.Error() + e.Summary().String()
			if c.told != "" {
				if !strings.Contains(said, c.told) || errors.Is(err, link.ErrNoMailServer) {
					t.Errorf("it is told %q", said)
				}
				return
			}
			if want := addr + ": connect: " + link.ErrNoMailServer.Error(); err.Error() != want || e.Class != link.Later || e.Kind() != store.NoMailServer {
				t.Errorf("it is told %q, %s, %s", said, e.Class, e.Kind())
			}
			if errors.Unwrap(e.Err) != nil || strings.Contains(said, text) {
				t.Errorf("more is told: %#v", e)
			}
		})
	}
}

// TestEndIsTold: that the work was stopped is told as what it is.
func TestEndIsTold(t *testing.T) {
	addr, _ := greeter(t, "", nil)
	ctx, cancel := context.WithCancel(t.Context())
	opt := testOptions(t)
	opt.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		defer cancel()
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	if err := reachAs(ctx, outsideServer(t, "imap", addr), opt); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestNothingInsideIsDialled: every way to a server is through the same door.
func TestNothingInsideIsDialled(t *testing.T) {
	addr, came := greeter(t, "* OK hi\r\n", nil)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	opt := testOptions(t)
	opt.Resolver = rebinding(t)
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "imap.example.com"} {
		for _, scheme := range []string{"imap", "imaps", "pop3", "pop3s"} {
			s := outsideServer(t, scheme, host+":"+port)
			for range 2 { // DNS says something else the second time
				if err := reachAs(t.Context(), s, opt); !errors.Is(err, link.ErrNoMailServer) {
					t.Errorf("%s: %v", s, err)
				}
			}
			if probeAs(t.Context(), s, opt) == nil {
				t.Errorf("%s: a probe reached it", s)
			}
		}
	}
	if n := came(); n > 0 {
		t.Errorf("%d connections came", n)
	}
}

// rebinding is DNS that names an address outside for the first question and this
// machine from then on.
func rebinding(t *testing.T) *net.Resolver {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	address := "240.0.0.7" // nobody's: it stands for one outside, and fails at once
	server := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			mu.Lock()
			rr, err := dns.NewRR(q.Question[0].Name + " 0 IN A " + address)
			address = "127.0.0.1"
			mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			reply.Answer = append(reply.Answer, rr)
		}
		_ = w.WriteMsg(reply)
	})}
	up, down := make(chan struct{}), make(chan struct{})
	server.NotifyStartedFunc = func() { close(up) }
	go func() { defer close(down); _ = server.ActivateAndServe() }()
	<-up
	t.Cleanup(func() { _ = server.Shutdown(); <-down })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", packets.LocalAddr().String())
	}}
}
