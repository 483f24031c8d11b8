package proxy

import (
	"compress/flate"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/pause"
)

// deflated is a connection as a client has it behind COMPRESS.
type deflated struct {
	net.Conn
	r io.Reader
	w *flate.Writer
}

func (d deflated) Read(p []byte) (int, error) { return d.r.Read(p) }

func (d deflated) Write(p []byte) (int, error) {
	if _, err := d.w.Write(p); err != nil {
		return 0, err
	}
	return len(p), d.w.Flush()
}

// compressed is a peer that compresses from now on.
func compressed(t *testing.T, p *peer) *peer {
	t.Helper()
	w, err := flate.NewWriter(p.Conn, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	return newPeer(t, p.name, deflated{p.Conn, flate.NewReader(p.r), w})
}

// TestCompress: behind COMPRESS everything is compressed, in both directions, what the relay says
// itself as well; a SELECT can be held back, and much can go through.
func TestCompress(t *testing.T) {
	t.Parallel()
	t.Run("sockets", func(t *testing.T) {
		t.Parallel()
		speaksCompressed(t, newRig(t, compressing(0)), "")
	})
	t.Run("a SELECT that is held", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			speaksCompressed(t, newRigInMemory(t, compressing(progressEvery+time.Second)), "* OK [INPROGRESS (\"g\" NIL NIL)] The folder is being filled\n")
		})
	})
}

// compressing has a rig compress, and a visit take a while.
func compressing(visit time.Duration) func(*rig, *entry) {
	return func(g *rig, _ *entry) {
		g.srv.cfg.Proxy.Compress = true
		g.ferry.visit = func(ctx context.Context, _ string, _ func(int, int)) { pause.For(ctx, visit) }
	}
}

// speaksCompressed has both ends converse; progress is what the client hears while its SELECT is held.
func speaksCompressed(t *testing.T, g *rig, progress string) {
	t.Helper()
	g.client.says("a CAPABILITY\n")
	g.server.hears("a CAPABILITY\n")
	g.server.says("* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE IDLE\na OK done\n")
	g.client.hears("* CAPABILITY IMAP4rev1 IDLE COMPRESS=DEFLATE\na OK done\n")
	g.client.says("b COMPRESS GZIP\n")
	g.client.hears("b NO Only DEFLATE is known here\n")
	g.client.says("c NOOP\nd COMPR")
	g.server.hears("c NOOP\n")
	g.client.says("ESS DEFLATE\n")
	g.client.hearsNothing()
	g.server.says("c OK\n")
	g.client.hears("c OK\nd OK DEFLATE is active\n")

	c := compressed(t, g.client)
	c.says("e COMPRESS DEFLATE\n")
	c.hears("e NO [COMPRESSIONACTIVE] DEFLATE is active already\n")
	c.says("f CAPABILITY\n")
	g.server.hears("f CAPABILITY\n")
	g.server.says("* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE\nf OK\n")
	c.hears("* CAPABILITY IMAP4rev1\nf OK\n")
	c.says("g SELECT x\nh NOOP\n")
	c.hears(progress)
	g.server.hears("g SELECT x\nh NOOP\n")
	g.server.says("g OK\nh OK\n")
	c.hears("g OK\nh OK\n")
	body := strings.Repeat("0123456789\n", 30_000)
	c.says("i APPEND x {330000+}\n" + body + "\n")
	g.server.hears("i APPEND x {330000+}\n" + body + "\n")
	g.server.says("* 1 FETCH (BODY[] {330000}\n" + body + ")\ni OK\n")
	c.hears("* 1 FETCH (BODY[] {330000}\n" + body + ")\ni OK\n")
	g.stop()
	c.hears("* BYE Postferry is shutting down\n")
}

// TestNoCompress: where it isn't wanted it is neither told of nor carried out, and nothing may
// come behind it before it is answered.
func TestNoCompress(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	g.client.says("a COMPRESS DEFLATE\n")
	g.client.hears("a BAD Not possible after login\n")
	g.client.says("b CAPABILITY\n")
	g.server.hears("b CAPABILITY\n")
	g.server.says("* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE\nb OK\n")
	g.client.hears("* CAPABILITY IMAP4rev1\nb OK\n")

	g = newRig(t, func(g *rig, _ *entry) { g.srv.cfg.Proxy.Compress = true })
	g.client.says("a COMPRESS DEFLATE\nb NOOP\n")
	g.client.hears("* BYE Nothing may follow COMPRESS\n")
	g.client.Close()
	g.ends(t)
}
