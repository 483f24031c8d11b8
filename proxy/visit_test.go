package proxy

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/pause"
)

func TestSelectIsHeldForItsVisit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRigInMemory(t, func(g *rig, _ *entry) {
			g.ferry.visit = func(ctx context.Context, _ string, progress func(done, total int)) {
				progress(3, 10)
				pause.For(ctx, progressEvery+time.Second)
				progress(7, 10)
				pause.For(ctx, progressEvery)
			}
		})
		g.client.says("a1 NOOP\na2 SELECT \"Sent \\\"x\\\"\" (CONDSTORE)\na3 NOOP\n")
		g.server.hears("a1 NOOP\n")
		g.server.says("* 1 FETCH (BODY[] {4}\nab")
		g.client.hears("* 1 FETCH (BODY[] {4}\nab")
		time.Sleep(2 * progressEvery)
		g.client.hearsNothing() // nothing is said in the middle of a response
		g.server.says("cd)\na1 OK done\n")
		g.client.hears("cd)\na1 OK done\n")
		begun := time.Now()
		for _, done := range []string{"3", "7"} {
			time.Sleep(progressEvery - time.Second)
			g.client.hearsNothing()
			g.client.hears("* OK [INPROGRESS (\"a2\" " + done + " 10)] The folder is being filled\n")
		}
		if took := time.Since(begun); took != 2*progressEvery {
			t.Errorf("two words within %v", took)
		}
		g.server.hearsNothing()
		g.server.hears("a2 SELECT \"Sent \\\"x\\\"\" (CONDSTORE)\na3 NOOP\n")
		if got := g.ferry.noted(); !slices.Contains(got, `visit 7 "Sent \"x\""`) {
			t.Errorf("calls: %q", got)
		}
	})
}

func TestVisitInTheMiddleOfAResponse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRigInMemory(t, func(g *rig, _ *entry) {
			g.ferry.visit = func(ctx context.Context, _ string, _ func(done, total int)) { <-ctx.Done() }
		})
		g.server.says("* 1 FETCH (BODY[] {4}\nab")
		g.client.hears("* 1 FETCH (BODY[] {4}\nab")
		g.client.says("] EXAMINE x\n")
		time.Sleep(progressEvery)
		g.client.hearsNothing()
		g.server.says("cd)\n* 2 EXISTS\n")
		g.client.hears("cd)\n* OK [INPROGRESS (NIL NIL NIL)] The folder is being filled\n")
	})
}

func TestVisitIsBounded(t *testing.T) {
	g := newRig(t, func(g *rig, _ *entry) {
		g.srv.cfg.Proxy.VisitWait = 50 * time.Millisecond
		g.ferry.visit = func(ctx context.Context, _ string, _ func(done, total int)) { <-ctx.Done() }
	})
	g.client.says("a1 SELECT x\n")
	g.server.hears("a1 SELECT x\n")
}

// TestVisitBehindLongCommand: what the client has asked for before, and is slow to take, leaves the visit its time.
func TestVisitBehindLongCommand(t *testing.T) {
	t.Parallel()
	for _, took := range []time.Duration{0, 4 * time.Second, 7 * time.Second} {
		inBubble(t, took.String(), func(t *testing.T) {
			g := newRigInMemory(t, func(g *rig, _ *entry) {
				g.srv.cfg.Proxy.VisitWait = 5 * time.Second
				g.ferry.visit = func(ctx context.Context, _ string, _ func(done, total int)) { pause.For(ctx, 3*time.Second) }
			})
			begun := time.Now()
			g.client.says("a1 FETCH 1:* BODY[]\na2 SELECT x\n")
			g.server.hears("a1 FETCH 1:* BODY[]\n")
			pause.For(t.Context(), took)
			g.server.says("a1 OK done\n")
			g.server.hears("a2 SELECT x\n")
			if held, want := time.Since(begun), min(took, 5*time.Second)+3*time.Second; held < want || held > want+took {
				t.Errorf("held for %v; want %v", held, want)
			}
		})
	}
}

func TestVisitEndsWithTheClient(t *testing.T) {
	g := newRig(t, func(g *rig, _ *entry) {
		g.ferry.visit = func(ctx context.Context, _ string, _ func(done, total int)) { <-ctx.Done() }
	})
	g.client.says("a1 SELECT x\na2 NOOP\n")
	closeWrite(g.client.Conn)
	g.server.hears("a1 SELECT x\na2 NOOP\n")
	g.server.hearsEnd()
	g.server.says("a1 OK x\na2 OK x\n")
	g.server.Close()
	g.endsWith(t, "a1 OK x\na2 OK x\n")
}

func TestSelectWithLiteral(t *testing.T) {
	g := newRig(t, nil)
	g.client.says("a1 SELECT {3}\n")
	g.server.hears("a1 SELECT {3}\n")
	g.server.says("+ go\n")
	g.client.hears("+ go\n")
	g.client.says("foo (QRESYNC (1 2))\n")
	g.server.hears("foo (QRESYNC (1 2))\n")
	g.server.says("a1 OK x\n")
	g.client.hears("a1 OK x\n")
	g.client.says("a2 EXAMINE {5+}\ninBoX\n")
	g.server.hears("a2 EXAMINE {5+}\ninBoX\n")
	if got := g.ferry.noted(); !slices.Equal(got, []string{`visit 7 "foo"`, `visit 7 "INBOX"`}) {
		t.Errorf("calls: %q", got)
	}
}

func TestInProgress(t *testing.T) {
	tests := []struct {
		tag         string
		done, total int64
		want        string
	}{
		{"a1", 0, 0, `("a1" NIL NIL)`},
		{"a1", 3, 10, `("a1" 3 10)`},
		{"a1", 12, 10, `("a1" 9 10)`},
		{"a]", 3, 10, `(NIL 3 10)`},
		{`a"`, -1, 10, `(NIL 0 10)`},
	}
	for _, tt := range tests {
		want := fmt.Sprintf("* OK [INPROGRESS %s] The folder is being filled\r\n", tt.want)
		if got := inProgress(tt.tag, tt.done, tt.total); got != want {
			t.Errorf("%q %d %d: %q", tt.tag, tt.done, tt.total, got)
		}
	}
}
