package publicnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestReachable(t *testing.T) {
	for text, want := range map[string][2]bool{ // for somebody outside, and for those who may look around inside
		"93.184.216.34": {true, true}, "2606:4700::6810:85e5": {true, true}, "::ffff:93.184.216.34": {true, true}, "64:ff9b::5db8:d822": {true, true},
		"2002:5db8:d822::1": {true, true},
		"127.0.0.1":         {false, true}, "127.255.0.3": {false, true}, "::1": {false, true}, "::ffff:127.0.0.1": {false, true},
		"10.1.2.3": {false, true}, "172.16.0.1": {false, true}, "192.168.1.1": {false, true}, "fd00::1": {false, true}, "::ffff:10.0.0.1": {false, true},
		"100.64.0.1": {false, true}, "100.100.100.200": {false, true}, "198.18.0.1": {false, true}, "203.0.113.5": {false, true}, "2001:db8::1": {false, true},
		"192.0.0.192": {false, true}, "240.0.0.1": {false, true}, "168.63.129.16": {false, true}, "fd00:ec2::254": {false, true},
		"64:ff9b::7f00:1": {false, true}, "64:ff9b::a00:1": {false, true}, "64:ff9b:1::a00:1": {false, true}, "::ffff:0:127.0.0.1": {false, true}, "::127.0.0.1": {false, true},
		"2002:7f00:1::1": {false, true}, "2002:a00:1::1": {false, true}, "2001::1": {false, true}, "fec0::1": {false, true},
		"0.0.0.0": {false, false}, "::": {false, false}, "::ffff:0.0.0.0": {false, false}, "169.254.169.254": {false, false},
		"::ffff:169.254.169.254": {false, false}, "64:ff9b::a9fe:a9fe": {false, false}, "2002:a9fe:a9fe::": {false, false}, "fe80::1": {false, false},
		"fe80::1%eth0": {false, false}, "224.0.0.1": {false, false}, "ff02::1": {false, false}, "255.255.255.255": {false, false}, "0.1.2.3": {false, true},
	} {
		addr := netip.MustParseAddr(text)
		for i, private := range []bool{false, true} {
			if got := Reachable(addr, private); got != want[i] {
				t.Errorf("%s, private %v: %v", text, private, got)
			}
		}
	}
	for _, a := range Own() {
		if Allowed(netip.AddrPortFrom(a, 993)) || AllowedWeb(netip.AddrPortFrom(a, 443)) {
			t.Errorf("%s is this machine", a)
		}
	}
}

func TestMailPort(t *testing.T) {
	for port, want := range map[int]bool{143: true, 993: true, 110: true, 995: true, 1143: true, 65535: true,
		0: false, 22: false, 25: false, 80: false, 443: false, 1023: false, 65536: false, -1: false} {
		if got := MailPort(port); got != want {
			t.Errorf("port %d: %v", port, got)
		}
	}
}

func TestWeb(t *testing.T) {
	for text, want := range map[string]bool{"93.184.216.34:443": true, "93.184.216.34:8443": true, "[2606:4700::6810:85e5]:65535": true,
		"93.184.216.34:80": false, "93.184.216.34:25": false, "93.184.216.34:993": false, "93.184.216.34:1023": false, "93.184.216.34:0": false,
		"127.0.0.1:443": false, "[::ffff:10.0.0.1]:443": false, "100.64.0.1:8443": false} {
		if got := AllowedWeb(netip.MustParseAddrPort(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for port, want := range map[int]bool{443: true, 1024: true, 65535: true, 65536: false, 0: false, -1: false, 22: false, 80: false} {
		if got := WebPort(port); got != want {
			t.Errorf("port %d: %v", port, got)
		}
	}
}

// listen counts who comes to all addresses of this machine.
func listen(t *testing.T) (port string, visitors func() int) {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	came := 0
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
			mu.Lock()
			came++
			mu.Unlock()
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, func() int { mu.Lock(); defer mu.Unlock(); return came }
}

// nameServer answers each question for addresses with the next of answers, and the
// last again and again.
func nameServer(t *testing.T, answers ...[]string) *net.Resolver {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	asked := map[uint16]int{}
	server := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		kind := q.Question[0].Qtype
		mu.Lock()
		n := min(asked[kind], len(answers)-1)
		asked[kind]++
		mu.Unlock()
		reply := new(dns.Msg).SetReply(q)
		for _, text := range answers[n] {
			if is4 := netip.MustParseAddr(text).Is4(); is4 != (kind == dns.TypeA) {
				continue
			}
			rr, err := dns.NewRR(q.Question[0].Name + " 0 IN " + dns.TypeToString[kind] + " " + text)
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

// TestNothingInsideIsReached dials this machine under all its names, at a socket that
// listens at all its addresses.
func TestNothingInsideIsReached(t *testing.T) {
	port, visitors := listen(t)
	const outside = "2606:4700:ffff::1" // nobody has it
	for name, c := range map[string]struct {
		host    string
		answers [][]string // of DNS, one after the other
	}{
		"loopback":                    {host: "127.0.0.1"},
		"another of loopback":         {host: "127.0.0.9"},
		"IPv6":                        {host: "::1"},
		"mapped":                      {host: "::ffff:127.0.0.1"},
		"mapped in hex":               {host: "::ffff:7f00:1"},
		"unspecified":                 {host: "0.0.0.0"},
		"unspecified IPv6":            {host: "::"},
		"mapped unspecified":          {host: "::ffff:0.0.0.0"},
		"metadata":                    {host: "169.254.169.254"},
		"a name of this machine":      {host: "localhost"},
		"a name that leads here":      {"imap.example.com", [][]string{{"127.0.0.1"}}},
		"a name that leads here, v6":  {"imap.example.com", [][]string{{"::1"}}},
		"a mapped answer":             {"imap.example.com", [][]string{{"::ffff:127.0.0.1"}}},
		"one barred after the other":  {"imap.example.com", [][]string{{"240.0.0.7", "127.0.0.1", "::1"}}},
		"outside first, inside after": {"imap.example.com", [][]string{{outside}, {"127.0.0.1", "::1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Dialer{}
			if c.answers != nil {
				d.Resolver = nameServer(t, c.answers...)
			}
			var last error
			for rest := max(len(c.answers), 1); rest > 0; rest-- {
				d.Timeout = 30 * time.Second // what is barred fails at once
				if rest > 1 {
					d.Timeout = 100 * time.Millisecond // nobody answers outside
				}
				conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(c.host, port))
				if last = err; err == nil {
					conn.Close()
					t.Errorf("connected with %s", conn.RemoteAddr())
				}
			}
			if !errors.Is(last, ErrBarred) {
				t.Errorf("the last attempt failed with %v", last)
			}
		})
	}
	for _, a := range Own() {
		if conn, err := (&Dialer{}).DialContext(t.Context(), "tcp", net.JoinHostPort(a.String(), port)); err == nil {
			conn.Close()
			t.Errorf("connected with this machine at %s", a)
		}
	}
	if n := visitors(); n > 0 {
		t.Errorf("%d connections came", n)
	}
}

// TestTheCheckIsAtTheConnection: the same dialer without its look at the address reaches
// the socket, so that the tests above could have failed.
func TestTheCheckIsAtTheConnection(t *testing.T) {
	port, visitors := listen(t)
	resolver := nameServer(t, []string{"127.0.0.1"})
	conn, err := (&net.Dialer{Resolver: resolver}).DialContext(t.Context(), "tcp", "imap.example.com:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	deadline := time.After(10 * time.Second)
	for visitors() == 0 {
		select {
		case <-deadline:
			t.Fatal("nobody came")
		case <-time.After(time.Millisecond):
		}
	}
}
