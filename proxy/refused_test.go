package proxy

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestRefusedWithoutTag: a command that the new server refuses without its tag, as Dovecot does where it doesn't like that, is over:
// nothing waits for its end, or for a literal that it announces.
func TestRefusedWithoutTag(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"NOOP", "APPEND x {3}", "CREATE {1}", "SELECT {1}", "CREATE x", "RENAME x y"} {
		inBubble(t, command, func(t *testing.T) {
			g := newRigInMemory(t, nil)
			begun := time.Now()
			g.asksFor("a]1 " + command + "\n")
			g.tells("* BAD Invalid tag\n")
			g.asksFor("a2 SELECT z\n")
			g.tells("a2 OK done\n")
			g.asksFor("a3 APPEND x {11}\n")
			g.tells("+ go on\n")
			g.asksFor("b LOGIN c\n\n")
			g.tells("a3 OK done\n")
			if held := time.Since(begun); held > 0 {
				t.Errorf("held for %v", held)
			}
			calls := g.ferry.noted()
			if !slices.Contains(calls, `visit 7 "z"`) {
				t.Errorf("calls: %q", calls)
			}
			if command == "RENAME x y" && !slices.Contains(calls, `changed 7 RENAME "x" "x"`) || command == "CREATE x" && !slices.Contains(calls, `let go 7 ["x"]`) {
				t.Errorf("it still counts: %q", calls)
			}
		})
	}
}

// TestRefusedLineBeforeLiteral: what is said of a line without a tag is not the verdict on the literal behind it, also of a client that
// does not wait for that.
func TestRefusedLineBeforeLiteral(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"a(1 NOOP\n", "\n", "* {3}\n", "NOOP\n"} {
		inBubble(t, line, func(t *testing.T) {
			g := newRigInMemory(t, nil)
			g.client.says(line + "a1 APPEND x {11}\nb LOGIN c\n\n")
			g.server.hears(line + "a1 APPEND x {11}\n")
			g.tells("* BAD what is that\n")
			synctest.Wait()
			g.tells("+ go on\n")
			g.server.hears("b LOGIN c\n\n")
		})
	}
}

// TestClientLeavesBeforeItsLiteral: the new server hears of it although it has not asked for the literal.
func TestClientLeavesBeforeItsLiteral(t *testing.T) {
	g := newRig(t, nil)
	g.client.says("a1 APPEND x {100}\n")
	g.server.hears("a1 APPEND x {100}\n")
	closeWrite(g.client.Conn)
	g.server.hearsEnd()
}

// TestDovecotRefusesTags: through the proxy as directly, and at once.
func TestDovecotRefusesTags(t *testing.T) {
	begun := time.Now()
	compare(t, "C: a]b NOOP\nW: * BAD\nC: a]b APPEND INBOX {3}\nW: * BAD\nC: c SELECT INBOX\nW: c OK\nC: ]d SELECT Sent\nW: * BAD\nC: e SELECT Sent\nW: e OK\n")
	if took := time.Since(begun); took > patience {
		t.Errorf("it took %v", took)
	}
}
