package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/internal/lab/browser"
)

// pageDaemon is a daemon in this process, so that a test can say which DNS it asks.
type pageDaemon struct {
	t      *testing.T
	config string
	dns    []string
	change func(*config.Config) // changes what the file says; nil for nothing
	opened func(*daemon)        // is called before it serves; nil for nobody
	log    bytes.Buffer         // read it only when the daemon has ended
	d      *daemon
	stop   func() // ends the daemon; again and again, if need be
}

// newPageDaemon writes a configuration; start starts it.
func newPageDaemon(t *testing.T, dns, text string) *pageDaemon {
	t.Helper()
	p := &pageDaemon{t: t, dns: []string{dns}, config: filepath.Join(t.TempDir(), "config.toml"), stop: func() {}}
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
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
	if p.change != nil {
		p.change(cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	log := zerolog.New(zerolog.SyncWriter(&p.log)).Level(zerolog.DebugLevel)
	p.d, err = openDaemonAsking(ctx, cfg, log, p.dns)
	if err != nil {
		cancel()
		p.t.Fatal(err)
	}
	if p.opened != nil {
		p.opened(p.d)
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

// enter opens the page for the first time in a browser, and makes the first administrator.
func (p *pageDaemon) enter() *browser.Browser {
	p.t.Helper()
	b := browser.Start(p.t)
	link, err := p.d.page.NewLink(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	b.Open(link)
	b.Fill("#name", browserName)
	b.Fill("#password", browserPassword)
	b.Fill("#again", browserPassword)
	b.Press("main form button")
	b.Await("Find the old server")
	return b
}

// endClean ends the daemon, and wants neither its log nor the browser's console to complain.
func (p *pageDaemon) endClean(b *browser.Browser) {
	p.t.Helper()
	for _, line := range b.Complaints() {
		p.t.Errorf("the console says %s", line)
	}
	p.stop()
	checkLog(p.t, p.log.String())
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
