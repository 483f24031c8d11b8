package proxy

import (
	"bufio"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
)

// TestBehindALoadBalancer: what a load balancer says of a client's address counts, in either
// version of the PROXY protocol; nobody else may say so, and a load balancer must.
func TestBehindALoadBalancer(t *testing.T) {
	t.Parallel()
	f := startFakeServer(t, map[string]string{"joe@example.com": "pw"})
	source := &net.TCPAddr{IP: net.ParseIP("203.0.113.9"), Port: 4711}
	v1 := proxyproto.HeaderProxyFromAddrs(1, source, &net.TCPAddr{IP: net.ParseIP("198.51.100.1"), Port: 993})
	v2 := proxyproto.HeaderProxyFromAddrs(2, source, &net.TCPAddr{IP: net.ParseIP("198.51.100.1"), Port: 993})
	local := &proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}
	header := func(h *proxyproto.Header) string {
		b, err := h.Format()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	tests := map[string]struct {
		from   string // whom a header is taken from
		first  string
		let    bool   // the client hears a greeting, and can log in
		remote string // that is logged
	}{
		"version 1":            {"127.0.0.0/8", header(v1), true, "203.0.113.9:4711"},
		"version 2":            {"127.0.0.1/32", header(v2), true, "203.0.113.9:4711"},
		"itself":               {"127.0.0.1/32", header(local), true, "127.0.0.1:"},
		"none":                 {"127.0.0.1/32", "a NOOP\r\n", false, "127.0.0.1:"},
		"nonsense":             {"127.0.0.1/32", "PROXY TCP4 x y\r\n", false, "127.0.0.1:"},
		"endless":              {"127.0.0.1/32", "PROXY " + strings.Repeat("x", 300), false, "127.0.0.1:"},
		"from somewhere else":  {"192.0.2.0/24", header(v1), true, "127.0.0.1:"},
		"nobody is configured": {"", header(v1), true, "127.0.0.1:"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, f.config(), func(p *proxyRig) {
				if tt.from != "" {
					p.cfg.Proxy.ProxyProtocolFrom = []netip.Prefix{netip.MustParsePrefix(tt.from)}
				}
			})
			c := p.connect(t)
			if _, err := c.Write([]byte(tt.first + "a LOGIN joe@example.com pw\r\n")); err != nil {
				t.Fatal(err)
			}
			c.SetReadDeadline(time.Now().Add(patience))
			let := false
			for r := bufio.NewScanner(c.Conn); r.Scan(); {
				if let = strings.HasPrefix(r.Text(), "a OK"); let {
					break
				}
			}
			if let != tt.let {
				t.Errorf("logged in: %v", let)
			}
			if !strings.Contains(p.log.String(), `"remote":"`+tt.remote) {
				t.Errorf("the log: %s", p.log.String())
			}
		})
	}
}

// TestClientIsToldToTheServer: a new server that wants the PROXY protocol learns the client's
// address before anything else.
func TestClientIsToldToTheServer(t *testing.T) {
	t.Parallel()
	for version := 1; version <= 2; version++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		told := make(chan string, 10)
		var served sync.WaitGroup
		served.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				told <- source(conn)
			}
		})
		server := insecure(l)
		server.ProxyProtocol = version
		p := startProxy(t, server, nil)
		itself := <-told // who asks what it offers
		c := p.greeted(t)
		c.says("a LOGIN joe@example.com pw\n")
		if got := <-told; got != c.LocalAddr().String() || itself == got {
			t.Errorf("version %d: the server is told %s, the client is at %s; before it %s", version, got, c.LocalAddr(), itself)
		}
		l.Close()
		served.Wait()
	}
}

// source reads where a connection comes from, and ends it.
func source(conn net.Conn) string {
	defer conn.Close()
	h, err := proxyproto.Read(bufio.NewReader(conn))
	if err != nil {
		return err.Error()
	}
	return h.SourceAddr.String()
}
