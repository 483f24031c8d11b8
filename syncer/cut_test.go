package syncer

import (
	"fmt"
	"testing"

	"postferry/internal/lab"
	"postferry/syncer/session"
)

// cutStride is how far apart the octets are at which TestCutAtOctets cuts; at each
// octet it takes some minutes.
const cutStride = 19

// cutFolders are what is copied meanwhile.
var cutFolders = map[string]int{"INBOX": 3, "Work": 3}

// cutLine is one direction of the connections with one of the servers.
type cutLine struct {
	side     string
	toClient bool
}

func (l cutLine) plan(f lab.Fault) lab.Plan {
	if l.toClient {
		return lab.Plan{ToClient: f}
	}
	return lab.Plan{ToServer: f}
}

// TestCutAtOctets copies a small mailbox again and again, each time with the
// connection with one of the servers cut some octets further on, in one of the
// directions. Afterwards everything is there once, unchanged, and nothing in quarantine.
func TestCutAtOctets(t *testing.T) {
	for _, line := range []cutLine{{"old", false}, {"old", true}, {"new", false}, {"new", true}} {
		total := wholeOctets(t, line)
		if total < 300 {
			t.Fatalf("%+v: only %d octets", line, total)
		}
		kinds := [...]lab.FaultKind{lab.Cut, lab.Reset}
		for at := int64(0); at <= total; at += cutStride {
			kind := kinds[at/cutStride%2]
			t.Run(fmt.Sprintf("%s to client %t at %d of %d", line.side, line.toClient, at, total), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) { cutAtOctet(t, newCutRig(t, line, lab.Fault{Kind: kind, At: at})) })
			})
		}
	}
}

// wholeOctets counts what goes over a line that isn't cut.
func wholeOctets(t *testing.T, line cutLine) (total int64) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		whole := newCutRig(t, line, lab.Fault{})
		whole.start(false)
		whole.complete(6)
		total = whole.octets()
	})
	return total
}

// cutRig is an engine between two servers, one behind a line that is cut once.
type cutRig struct {
	*oddRig
	line     *breakingLine
	toClient bool
}

func newCutRig(t *testing.T, line cutLine, fault lab.Fault) *cutRig {
	t.Helper()
	r := &cutRig{oddRig: newOddRigInMemoryWith(t, lab.OddOptions{}, lab.OddOptions{}, cutFolders), toClient: line.toClient}
	r.silent = true
	r.cfg.Sync.OldConnections, r.cfg.Sync.NewConnections = 1, 1 // so that all goes over the first connection
	r.line = &breakingLine{plan: func(conn int) lab.Plan {
		if conn > 0 {
			return lab.Plan{}
		}
		return line.plan(fault)
	}}
	real := session.RealDialers()
	if line.side == "new" {
		r.line.dial, r.dialNew = r.new.Dial, through(real.New, r.line.Dial)
	} else {
		r.line.dial, r.dialOld = r.old.Dial, through(real.Old, r.line.Dial)
	}
	return r
}

func (r *cutRig) octets() int64 {
	if r.toClient {
		return r.line.toClient.Load()
	}
	return r.line.toServer.Load()
}

func cutAtOctet(t *testing.T, r *cutRig) {
	t.Helper()
	r.start(false)
	copied := uint64(0)
	for range 3 {
		res := r.sync()
		copied += res.Pass.Copied
		if res.Pass.Complete {
			break
		}
		// They have rested.
		r.engine.pools.endpoint(r.cfg.Domains[0].Old, true).Pool.Note(nil)
		r.engine.pools.endpoint(r.cfg.Domains[0].New, false).Pool.Note(nil)
	}
	if copied != 6 {
		t.Errorf("%d messages are said to be copied", copied)
	}
	r.complete(0)
	r.arrived(nil)
	if q := r.quarantined(); len(q) > 0 {
		t.Errorf("quarantine: %+v", q)
	}
}
