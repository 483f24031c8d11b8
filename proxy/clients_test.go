package proxy

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// until waits for something to become true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// client is the one that the rig has.
func (g *rig) only(t *testing.T) Client {
	t.Helper()
	all := g.srv.Clients()
	if len(all) != 1 {
		t.Fatalf("%d clients", len(all))
	}
	return all[0]
}

// TestClients: an operator sees who is there, with which program, in which folder, and what a
// command waits for.
func TestClients(t *testing.T) {
	t.Parallel()
	visit := make(chan struct{})
	g := newRig(t, func(g *rig, in *entry) {
		in.program = "First 1.0"
		g.ferry.visit = func(ctx context.Context, _ string, _ func(int, int)) {
			select {
			case <-visit:
			case <-ctx.Done():
			}
		}
	})
	until(t, "a client", func() bool { return len(g.srv.Clients()) == 1 })
	c := g.only(t)
	if c.Login != "joe@example.com" || c.Account != 7 || c.Program != "First 1.0" || c.Address != g.client.LocalAddr().String() || c.Folder != "" || c.Held != "" || c.TLS || c.Session == "" {
		t.Errorf("%+v", c)
	}
	g.client.says("a ID (\"name\" \"Mail\" \"version\" \"2\\\"\")\n")
	g.server.hears("a ID (\"name\" \"Mail\" \"version\" \"2\\\"\")\n")
	g.server.says("* ID NIL\na OK\n")
	g.client.hears("* ID NIL\na OK\n")
	g.client.says("b SELECT Work\n")
	until(t, "the visit", func() bool { return g.only(t).Held == heldByVisit })
	if c := g.only(t); c.Program != `Mail 2"` || c.Folder != "" {
		t.Errorf("while held: %+v", c)
	}
	if got := figures(t, g.srv)["postferry_client_commands_held by="+heldByVisit]; got != 1 {
		t.Errorf("%v commands are held", got)
	}
	close(visit)
	g.server.hears("b SELECT Work\n")
	g.server.says("b OK\n")
	g.client.hears("b OK\n")
	until(t, "the folder", func() bool { c := g.only(t); return c.Folder == "Work" && c.Held == "" })
	time.Sleep(20 * time.Millisecond)
	g.client.says("c NOOP\n")
	g.server.hears("c NOOP\n")
	if c := g.only(t); c.Quiet < 20*time.Millisecond {
		t.Errorf("a NOOP counts as work: %v", c.Quiet)
	}
	g.client.says("d FETCH 1 FLAGS\n")
	g.server.hears("d FETCH 1 FLAGS\n")
	if c := g.only(t); c.Quiet > 20*time.Millisecond+time.Second {
		t.Errorf("a FETCH doesn't: %v", c.Quiet)
	}
	got := figures(t, g.srv)
	if got["postferry_client_visits_total outcome=shown"] != 1 || got["postferry_client_visit_wait_seconds"] != 1 || got["postferry_clients"] != 1 ||
		got["postferry_client_received_octets_total"] == 0 || got["postferry_client_sent_octets_total"] == 0 || got["postferry_client_commands_held by="+heldByVisit] != 0 {
		t.Errorf("figures %v", got)
	}
}

// TestKick: who is sent away hears why, as soon as no command is under way; others stay.
func TestKick(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	until(t, "a client", func() bool { return len(g.srv.Clients()) == 1 })
	if n := g.srv.Kick("ann@example.com"); n != 0 {
		t.Errorf("%d others were sent away", n)
	}
	g.client.says("a FETCH 1 BODY[]\n")
	g.server.hears("a FETCH 1 BODY[]\n")
	if n := g.srv.Kick("JOE@example.com"); n != 1 {
		t.Errorf("%d were sent away", n)
	}
	g.server.says("* 1 FETCH (BODY[] {2}\n")
	g.client.hears("* 1 FETCH (BODY[] {2}\n")
	g.client.hearsNothing()
	g.server.says("ab)\na OK\n")
	g.endsWith(t, "ab)\na OK\n* BYE [UNAVAILABLE] The administrator has ended this connection\n")
	if n := len(g.srv.Clients()); n != 0 {
		t.Errorf("%d clients are left", n)
	}
}

// TestStopLetsCommandsFinish: at the end of the daemon commands that are under way are completed
// before BYE, IDLE is none of them, and what takes too long is not waited for.
func TestStopLetsCommandsFinish(t *testing.T) {
	t.Parallel()
	t.Run("running", func(t *testing.T) {
		t.Parallel()
		g := newRig(t, nil)
		g.client.says("a COPY 1 x\n")
		g.server.hears("a COPY 1 x\n")
		g.stop()
		g.client.hearsNothing()
		g.server.says("* 1 EXISTS\n")
		g.client.hears("* 1 EXISTS\n")
		g.client.hearsNothing()
		g.server.says("a OK [COPYUID 1 1 1] done\n")
		g.client.hears("a OK [COPYUID 1 1 1] done\n* BYE Postferry is shutting down\n")
		g.client.Close()
		g.ends(t)
	})
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		g := newRig(t, nil)
		g.client.says("a IDLE\n")
		g.server.hears("a IDLE\n")
		g.server.says("+ idling\n")
		g.client.hears("+ idling\n")
		g.stop()
		g.client.hears("* BYE Postferry is shutting down\n")
		g.client.Close()
		g.ends(t)
	})
	t.Run("too long", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := newRigInMemory(t, nil)
			g.client.says("a SEARCH TEXT x\n")
			g.server.hears("a SEARCH TEXT x\n")
			g.stop()
			g.client.hearsNothing()
			time.Sleep(drainBound / 2)
			g.client.hears("* BYE Postferry is shutting down\n")
			g.ends(t)
		})
	})
}

// figures are the metrics of a server by name and labels; of a histogram the count.
func figures(t *testing.T, s *Server) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(s.Metrics()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := []string{f.GetName()}
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			all[strings.Join(labels, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}
