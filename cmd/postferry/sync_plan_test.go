package main

import (
	"strings"
	"testing"

	"postferry/internal/demo/servers"
)

// TestDryRunAlone plans the demo's move, which is not made by that.
func TestDryRunAlone(t *testing.T) {
	t.Parallel()
	s, config, list := memoryServers(t, 0)
	mustRun(t, "import", "-c", config, list)
	before := demoContents(t, s.New)
	for range 2 {
		out := mustRun(t, "sync", "-c", config, "--dry-run")
		for _, want := range []string{servers.Login + ": at most 47 messages", "to be created", "assumed", "Nothing was done"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	}
	if after := demoContents(t, s.New); len(after) != len(before) {
		t.Errorf("the new server has %d folders, it had %d", len(after), len(before))
	}
	if out := mustRun(t, "status", "-c", config); !strings.Contains(out, "0 messages, 0 copied") {
		t.Errorf("status:\n%s", out)
	}
	mustRun(t, "sync", "-c", config)
	if out := mustRun(t, "sync", "-c", config, "--dry-run", servers.Login); !strings.Contains(out, servers.Login+": at most 0 messages") {
		t.Errorf("after a pass:\n%s", out)
	}
}

func demoContents(t *testing.T, server *servers.Server) map[string]servers.Contents {
	t.Helper()
	e, err := server.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c, err := e.Contents()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
