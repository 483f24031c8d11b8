package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/pause"
	"postferry/wire"
)

func TestContinuationOfIdleIsNotTheLiterals(t *testing.T) {
	g := newRig(t, nil)
	g.client.says("a1 IDLE\nDONE\na2 APPEND x {1}\n")
	g.server.hears("a1 IDLE\nDONE\na2 APPEND x {1}\n")
	g.client.says("y\n")
	g.server.says("+ idling\n")
	g.client.hears("+ idling\n")
	g.server.hearsNothing()
	g.server.says("a1 OK done\n+ go\n")
	g.client.hears("a1 OK done\n+ go\n")
	g.server.hears("y\n")
}

func TestIdleDoneHasNoTag(t *testing.T) {
	g := newRig(t, nil)
	g.client.says("a1 IDLE\n")
	g.server.hears("a1 IDLE\n")
	g.server.says("+ idling\n* 4 EXISTS\n")
	g.client.hears("+ idling\n* 4 EXISTS\n")
	g.client.says("DONE\na2 SELECT x\n")
	g.server.hears("DONE\n")
	g.server.hearsNothing() // the SELECT waits until the IDLE is answered
	g.server.says("a1 OK done\n")
	g.client.hears("a1 OK done\n")
	g.server.hears("a2 SELECT x\n")
}

// TestCommandInsteadOfDone: a server takes what comes during IDLE for its end, and answers the IDLE only: that command is
// never completed, and no other one waits for it. One behind it, or behind an IDLE that was refused, is as any other.
func TestCommandInsteadOfDone(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(g *rig, _ *entry) { g.srv.cfg.Proxy.VisitWait = 2 * patience })
	g.client.says("a1 IDLE\n")
	g.server.hears("a1 IDLE\n")
	g.server.says("+ idling\n")
	g.client.hears("+ idling\n")
	g.client.says("a2 NOOP\n")
	g.server.hears("a2 NOOP\n")
	g.server.says("a1 BAD expected DONE\n")
	g.client.hears("a1 BAD expected DONE\n")
	g.client.says("a3 SELECT x\n")
	g.server.hears("a3 SELECT x\n")
	g.server.says("a3 OK done\n")
	g.client.hears("a3 OK done\n")

	// A SELECT in its place is not held: the client waits for the IDLE to end.
	g.client.says("c1 IDLE\n")
	g.server.hears("c1 IDLE\n")
	g.client.says("c2 SELECT y\n")
	g.server.hears("c2 SELECT y\n")
	g.server.says("+ idling\nc1 BAD expected DONE\n")
	g.client.hears("+ idling\nc1 BAD expected DONE\n")

	g.client.says("b1 IDLE\n")
	g.server.hears("b1 IDLE\n")
	g.server.says("b1 NO not now\n")
	g.client.hears("b1 NO not now\n")
	g.client.says("b2 NOOP\nb3 SELECT x\n")
	g.server.hears("b2 NOOP\n")
	g.server.hearsNothing() // the SELECT waits until the NOOP is answered
	g.server.says("b2 OK done\n")
	g.client.hears("b2 OK done\n")
	g.server.hears("b3 SELECT x\n")
}

// TestFolderCommandInsteadOfDone: one that changes folders is passed on at once, too, and what was held for it is let go when the
// IDLE ends; if it is carried out after all that counts.
func TestFolderCommandInsteadOfDone(t *testing.T) {
	t.Parallel()
	for command, want := range map[string][]string{
		"CREATE F":   {`hold 7 ["F"]`, `let go 7 ["F"]`},
		"DELETE F":   {`hold 7 ["F"]`, `let go 7 ["F"]`},
		"RENAME F G": {`hold 7 ["F" "G"]`, `renaming 7 "F" "G"`, `changed 7 RENAME "F" "F"`, `let go 7 ["F" "G"]`},
	} {
		inBubble(t, command, func(t *testing.T) {
			g := newRigInMemory(t, nil)
			g.client.says("a1 IDLE\n")
			g.server.hears("a1 IDLE\n")
			g.server.says("+ idling\n")
			g.client.hears("+ idling\n")
			begun := time.Now()
			g.client.says("a2 " + command + "\n")
			g.server.hears("a2 " + command + "\n")
			if held := time.Since(begun); held > 0 {
				t.Errorf("held for %v", held)
			}
			g.server.says("a1 BAD expected DONE\n")
			g.client.hears("a1 BAD expected DONE\n")
			if got := g.ferry.noted(); !slices.Equal(got, want) {
				t.Errorf("calls: %q", got)
			}
			g.client.says("a3 RENAME x y\n")
			g.server.hears("a3 RENAME x y\n")
			g.server.says("a2 OK done\na3 OK done\n")
			g.client.hears("a2 OK done\na3 OK done\n")
			verb, names, _ := strings.Cut(command, " ")
			name, to, _ := strings.Cut(names, " ")
			if got, done := g.ferry.noted(), fmt.Sprintf("changed 7 %s %q %q", verb, name, to); !slices.Contains(got, done) {
				t.Errorf("calls: %q; want %s", got, done)
			}
			if held := time.Since(begun); held > 0 {
				t.Errorf("held for %v", held)
			}
		})
	}
}

// TestAnythingInsteadOfDone: nothing that comes in the place of DONE is held, as the IDLE would not end before it; what the
// relay answers itself is answered at once, and the IDLE goes on.
func TestAnythingInsteadOfDone(t *testing.T) {
	t.Parallel()
	for command, answer := range map[string]string{
		"SEARCH TEXT x": "", "UID SEARCH TEXT x": "", "STATUS F (MESSAGES)": "", `LIST "" * RETURN (STATUS (MESSAGES))`: "", "SELECT F": "",
		"LOGIN a b": "a2 BAD Not possible after login\n", "COMPRESS GZIP": "a2 NO Only DEFLATE is known here\n",
	} {
		inBubble(t, command, func(t *testing.T) {
			g := openedRigOn(t, pipeInMemory)
			c := &g.srv.cfg.Proxy
			c.SearchWait, c.StatusWait, c.Compress, g.ferry.looked = patience, patience, true, true
			ends := func(ctx context.Context) { <-ctx.Done() }
			g.ferry.search, g.ferry.asked, g.ferry.visit = ends, ends, func(ctx context.Context, _ string, _ func(int, int)) { ends(ctx) }
			g.client.says("a1 IDLE\n")
			g.server.hears("a1 IDLE\n")
			g.server.says("+ idling\n")
			g.client.hears("+ idling\n")
			begun := time.Now()
			g.client.says("a2 " + command + "\n")
			if answer == "" {
				g.server.hears("a2 " + command + "\n")
			} else {
				g.client.hears(answer)
				g.client.says("a3 NOOP\n")
				g.server.hears("a3 NOOP\n")
			}
			g.server.says("a1 BAD expected DONE\n")
			g.client.hears("a1 BAD expected DONE\n")
			g.client.says("a4 RENAME x y\n")
			g.server.hears("a4 RENAME x y\n")
			if held := time.Since(begun); held > 0 {
				t.Errorf("held for %v", held)
			}
		})
	}
}

// idling is a rig whose client idles with a1.
func idling(t *testing.T) *rig {
	t.Helper()
	g := newRigInMemory(t, nil)
	g.client.says("a1 IDLE\n")
	g.server.hears("a1 IDLE\n")
	g.server.says("+ idling\n")
	g.client.hears("+ idling\n")
	return g
}

// tells has the new server say something and the client hear it.
func (g *rig) tells(text string) {
	g.client.t.Helper()
	g.server.says(text)
	g.client.hears(text)
}

// asksFor has the client say something and the new server hear it.
func (g *rig) asksFor(text string) {
	g.client.t.Helper()
	g.client.says(text)
	g.server.hears(text)
}

// TestLiteralInsteadOfDone: one that a server takes for the end of IDLE is not asked for, and nothing waits for that.
func TestLiteralInsteadOfDone(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"APPEND x {3}", "CREATE {1}", "SELECT {1}", "IDLE"} {
		inBubble(t, command, func(t *testing.T) {
			g := idling(t)
			begun := time.Now()
			g.asksFor("a2 " + command + "\n")
			g.tells("a1 BAD expected DONE\n")
			g.asksFor("a3 SELECT y\n")
			if got := g.ferry.noted(); !slices.Equal(got, []string{`visit 7 "y"`}) {
				t.Errorf("calls: %q", got)
			}
			g.asksFor("a4 APPEND x {11}\n")
			g.tells("+ go on\n")
			g.asksFor("b LOGIN c\n\n")
			g.tells("a3 OK done\na4 OK done\n")
			if held := time.Since(begun); held > 0 {
				t.Errorf("held for %v", held)
			}
		})
	}
}

// TestFolderLiteralInsteadOfDone: the rest of a command that ended an IDLE by its beginning is no command with folders.
func TestFolderLiteralInsteadOfDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := idling(t)
		g.asksFor("a2 RENAME {1+}\n")
		g.tells("a1 BAD expected DONE\n")
		g.asksFor("F G\n")
		if got := g.ferry.noted(); len(got) > 0 {
			t.Errorf("calls: %q", got)
		}
	})
}

// TestRefusedIdle: what follows it is a command like any other.
func TestRefusedIdle(t *testing.T) {
	t.Parallel()
	t.Run("a literal", func(t *testing.T) {
		g := newRig(t, nil)
		g.asksFor("a1 IDLE\na2 APPEND x {11}\n")
		g.tells("a1 BAD what is that\n")
		g.tells("+ go on\n")
		g.asksFor("b LOGIN c\n\n")
		g.tells("a2 OK done\n")
	})
	for command, want := range map[string][]string{
		"CREATE F":   {`hold 7 ["F"]`},
		"RENAME F G": {`hold 7 ["F" "G"]`, `renaming 7 "F" "G"`},
	} {
		inBubble(t, command, func(t *testing.T) {
			g := newRigInMemory(t, nil)
			g.asksFor("a1 IDLE\na2 " + command + "\n")
			g.tells("a1 NO not now\n")
			if got := g.ferry.noted(); !slices.Equal(got, want) {
				t.Errorf("calls: %q", got)
			}
			g.client.says("a3 RENAME x y\n")
			synctest.Wait()
			if got := g.ferry.noted(); !slices.Equal(got, want) {
				t.Errorf("what follows does not wait: %q", got)
			}
			g.tells("a2 OK done\n")
			g.server.hears("a3 RENAME x y\n")
			if got := g.ferry.noted(); !slices.Contains(got, strings.Replace(want[0], "hold", "let go", 1)) {
				t.Errorf("calls: %q", got)
			}
		})
	}
}

// TestIdleEndsBeforeWhatFollows: what waits for the end of an IDLE comes behind it, also while a RENAME in the place of DONE is
// noted as refused.
func TestIdleEndsBeforeWhatFollows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := idling(t)
		g.ferry.changed = func(ctx context.Context) error { return pause.For(ctx, time.Second) }
		g.client.says("a2 RENAME x y\na3 LOGIN a b\n")
		g.server.hears("a2 RENAME x y\n")
		g.server.says("a1 BAD expected DONE\n")
		g.client.hears("a1 BAD expected DONE\na3 BAD Not possible after login\n")
	})
}

// TestManyInsteadOfDone: thousands of commands that are not expected to be completed are in nobody's way.
func TestManyInsteadOfDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFlow()
		begun := time.Now()
		for range maxFlow + 1 {
			idle := f.begin(t.Context(), "a1", wire.VerbIdle)
			f.plus()
			f.insteadOfDone(f.begin(t.Context(), "a2", wire.VerbNone), idle)
			f.complete(idle, false)
			f.settle()
		}
		if held := time.Since(begun); held > 0 {
			t.Errorf("held for %v", held)
		}
	})
}
