package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
	"github.com/rs/zerolog"

	"postferry/internal/lab"
)

// pageDaemon is a daemon in this process, so that a test can say which DNS it asks.
type pageDaemon struct {
	t      *testing.T
	config string
	dns    string
	log    bytes.Buffer // read it only when the daemon has ended
	d      *daemon
	stop   func() // ends the daemon; again and again, if need be
}

// newPageDaemon writes a configuration; start starts it.
func newPageDaemon(t *testing.T, dns, config string) *pageDaemon {
	t.Helper()
	p := &pageDaemon{t: t, dns: dns, config: filepath.Join(t.TempDir(), "config.toml"), stop: func() {}}
	if err := os.WriteFile(p.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", p.log.String())
		}
	})
	return p
}

// start opens the daemon and serves until stop or the end of the test.
func (p *pageDaemon) start() {
	p.t.Helper()
	cfg, _, err := loadConfig(p.config)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	log := zerolog.New(zerolog.SyncWriter(&p.log)).Level(zerolog.DebugLevel)
	p.d, err = openDaemonAsking(ctx, cfg, log, []string{p.dns})
	if err != nil {
		cancel()
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.d.run(ctx) }()
	p.stop = func() {
		p.stop = func() {}
		cancel()
		if err := <-ended; err != nil {
			p.t.Errorf("the daemon ended with %v", err)
		}
	}
}

// serveZone answers DNS with the records given, in zone file syntax.
func serveZone(t *testing.T, records ...string) (addr string) {
	t.Helper()
	var zone []dns.RR
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		zone = append(zone, rr)
	}
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		for _, rr := range zone {
			if strings.EqualFold(rr.Header().Name, q.Question[0].Name) && rr.Header().Rrtype == q.Question[0].Qtype {
				answer.Answer = append(answer.Answer, rr)
			}
		}
		_ = w.WriteMsg(answer) // whoever asks asks again
	})}
	up, down := make(chan struct{}), make(chan struct{})
	server.NotifyStartedFunc = func() { close(up) }
	go func() {
		defer close(down)
		_ = server.ActivateAndServe()
	}()
	<-up
	t.Cleanup(func() {
		_ = server.Shutdown()
		<-down
	})
	return packets.LocalAddr().String()
}

// narrow is a way to a server that lets little through before it is widened, so
// that a transfer is in its middle however fast the machine is. The server seems
// to be at another address than 127.0.0.1: what has the new server's address is
// never taken for the old one.
type narrow struct {
	line *lab.Faulty
	wide atomic.Bool
}

// narrowOctets is what a connection may send: an inbox of 40 messages of 3,000
// octets and more, but no folder of 160.
const narrowOctets = 200_000

func narrowWay(t *testing.T, server string) *narrow {
	t.Helper()
	n := &narrow{}
	n.line = lab.FaultLineAt(t, "127.0.0.2", server, func(int) lab.Plan {
		if n.wide.Load() {
			return lab.Plan{}
		}
		return lab.Plan{ToServer: lab.Fault{Kind: lab.Stall, At: narrowOctets}}
	})
	return n
}

// full reports whether connections are stuck.
func (n *narrow) full() bool { return n.line.Strikes() > 0 }

// widen lets everything through on new connections.
func (n *narrow) widen() { n.wide.Store(true) }
