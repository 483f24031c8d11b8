package proxy

import "testing"

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
