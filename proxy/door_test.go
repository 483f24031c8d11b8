package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/lab/inmemory"
	"postferry/internal/pause"
	"postferry/proxy/admission"
)

// from connects to the plain port from an address of this machine.
func (p *proxyRig) from(t testing.TB, addr string) *peer {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	conn, err := d.DialContext(t.Context(), "tcp", p.IMAPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newPeer(t, "client", conn)
}

// haveArrived waits until n connections have come to the door: the kernel accepts them for
// a port before the proxy does, and what is still to come would send others away.
func (p *proxyRig) haveArrived(t testing.TB, n uint64) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(patience)
	arrived := func() uint64 { _, n := p.door.Counts(); return n }
	for arrived() < n {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections have arrived; want %d", arrived(), n)
		}
		<-tick.C
	}
}

const greeting = "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS AUTH=PLAIN] Postferry ready\n"

// TestSilentConnections: connections that say nothing, many times as many as are let in, to both
// ports, from one address and from many, keep nobody out and disturb nobody who is in.
func TestSilentConnections(t *testing.T) {
	for _, tt := range []struct {
		name string
		from func(i int) string
	}{
		{"from one address", func(int) string { return "127.0.0.1" }},
		{"from many", func(i int) string { return fmt.Sprintf("127.0.%d.%d", 1+i/100, 1+i%100) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := startFakeServer(t, map[string]string{"j.new": "new pw"})
			p := startProxy(t, f.config(), nil) // 100 connections
			p.store.accounts["joe@example.com"] = known("old pw", "j.new", "new pw")
			before := p.from(t, "127.0.0.1")
			before.hears(greeting)
			before.says("a LOGIN joe@example.com \"new pw\"\n")
			before.hears("a " + welcome)
			for i := range 300 {
				d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(tt.from(i))}}
				addr := p.IMAPAddr()
				if i%2 == 0 {
					addr = p.IMAPSAddr()
				}
				conn, err := d.DialContext(t.Context(), "tcp", addr.String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
			}
			p.haveArrived(t, 1+300)
			for _, addr := range []string{"127.0.0.1", "127.0.0.2", tt.from(299)} {
				c := p.from(t, addr)
				c.hears(greeting)
				c.says("a LOGIN joe@example.com \"new pw\"\n")
				c.hears("a " + welcome)
			}
			before.says("b NOOP\n")
			before.hears("b OK x\n")
			if n, _ := p.door.Counts(); n > 25+4 {
				t.Errorf("%d connections are held", n)
			}
		})
	}
}

// TestManyBehindOneAddress: the people of an office, who have one address, are logged in, and
// all of them connect once more at the same time, over TLS.
func TestManyBehindOneAddress(t *testing.T) {
	f := startFakeServer(t, map[string]string{"j.new": "new pw"})
	p := startProxy(t, f.config(), nil) // of 100 connections 25 before login, 6 of them from one address
	p.store.accounts["joe@example.com"] = known("old pw", "j.new", "new pw")
	const office = 30
	for range office {
		c := p.connect(t)
		c.hears(greeting)
		c.says("a LOGIN joe@example.com \"new pw\"\n")
		c.hears("a " + welcome)
	}
	var in atomic.Int32
	var all sync.WaitGroup
	for range 25 {
		all.Go(func() {
			conn, err := tls.Dial("tcp", p.IMAPSAddr().String(), &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			fmt.Fprint(conn, "a LOGIN joe@example.com \"new pw\"\r\n")
			conn.SetReadDeadline(time.Now().Add(patience))
			var text []byte
			buf := make([]byte, 512)
			for !strings.Contains(string(text), "Logged in") {
				n, err := conn.Read(buf)
				if text = append(text, buf[:n]...); err != nil {
					return
				}
			}
			in.Add(1)
		})
	}
	all.Wait()
	if n := in.Load(); n != 25 {
		t.Errorf("%d of 25 got in", n)
	}
}

// Connections beyond the bound are turned away in words, once all others are logged in.
func TestConnectionsAreBounded(t *testing.T) {
	f := startFakeServer(t, map[string]string{"j.new": "new pw"})
	p := startProxy(t, f.config(), func(p *proxyRig) { p.door = admission.NewDoor(1) })
	p.store.accounts["joe@example.com"] = known("old pw", "j.new", "new pw")
	silent := p.greeted(t)
	first := p.greeted(t)
	silent.hearsEnd()
	first.says("a LOGIN joe@example.com \"new pw\"\n")
	first.hears("a " + welcome)
	second := p.connect(t)
	second.hears("* BYE [UNAVAILABLE] Too many connections, try again later\n")
	second.hearsEnd()
	first.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	open := func() int { n, _ := p.door.Counts(); return n }
	for open() > 0 && ctx.Err() == nil {
		pause.For(ctx, time.Millisecond)
	}
	p.greeted(t)
}

// A client that is being logged in isn't sent away, however many come; one that failed may be.
func TestLoginUnderWayStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := inmemory.NewListener()
		f := startFakeServerOn(t, l, map[string]string{"j.new": "new pw"})
		f.set("hang")
		p, _, imap := startProxyInMemory(t, l, nil)
		p.store.accounts["joe@example.com"] = known("old pw", "j.new", "new pw")
		c := connectInMemory(t, imap)
		c.hears(ready)
		c.says("a LOGIN joe@example.com \"new pw\"\n")
		synctest.Wait()
		if tried := f.attempts(); len(tried) != 1 {
			t.Fatalf("tried: %q", tried)
		}
		for range 50 {
			connectInMemory(t, imap)
		}
		c.hearsInTheEnd("a " + down)
		c.hearsEnd() // as the oldest it goes now
	})
}

// TestProtocolName: who names a protocol must mean IMAP; who names none is let in.
func TestProtocolName(t *testing.T) {
	p := startProxy(t, nowhere, nil)
	for _, tt := range []struct {
		offers []string
		want   string // "-" for none agreed, "" for no connection
	}{
		{nil, "-"}, {[]string{"imap"}, "imap"}, {[]string{"http/1.1", "imap"}, "imap"}, {[]string{"http/1.1"}, ""}, {[]string{"h2", "smtp"}, ""},
	} {
		direct, err := tls.Dial("tcp", p.IMAPSAddr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: tt.offers})
		wantProtocol(t, "IMAPS", tt.offers, direct, err, tt.want)
		plain := p.greeted(t)
		plain.says("a STARTTLS\n")
		plain.hears("a OK Begin TLS now\n")
		upgraded := tls.Client(plain.Conn, &tls.Config{InsecureSkipVerify: true, NextProtos: tt.offers})
		wantProtocol(t, "STARTTLS", tt.offers, upgraded, upgraded.Handshake(), tt.want)
	}
}

func wantProtocol(t *testing.T, port string, offers []string, conn *tls.Conn, err error, want string) {
	t.Helper()
	got := ""
	if err == nil {
		got = conn.ConnectionState().NegotiatedProtocol
		if got == "" {
			got = "-"
		}
		_, err = io.WriteString(conn, "a LOGOUT\r\n")
		conn.Close()
	}
	if got != want || err != nil && want != "" {
		t.Errorf("%s, offering %q: %q, %v; want %q", port, offers, got, err, want)
	}
}
