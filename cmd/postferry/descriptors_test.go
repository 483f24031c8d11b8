package main

import (
	"strings"
	"testing"

	"postferry/config"
)

// TestDescriptors: what is configured is compared with what there may be, and what to do about
// it is said with the figures.
func TestDescriptors(t *testing.T) {
	cfg := config.Default()
	cfg.Proxy.MaxConnections, cfg.Sync.OldConnections, cfg.Sync.NewConnections = 1000, 20, 10
	server := func(host string) config.Server { return config.Server{Host: host, Port: 993} }
	domains := []config.Domain{{Old: server("a"), New: server("n")}, {Old: server("b"), New: server("n")}}
	need := descriptorsOf(&cfg, domains)
	if want := (descriptors{2000, 2*20 + 10, 256}); need != want || need.all() != 2000+50+256+64 {
		t.Errorf("%+v, want %+v", need, want)
	}
	if text := need.tooMany(2370); text != "" {
		t.Error(text)
	}
	text := need.tooMany(1024)
	for _, want := range []string{"at most 1024", "2370 may be needed", "LimitNOFILE", "max_connections to 327"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	cfg.Admin.Listen = ""
	if need := descriptorsOf(&cfg, nil); need != (descriptors{2000, 30, 0}) {
		t.Errorf("without domains: %+v", need)
	}
}

// TestFewDescriptors: a daemon that may have few says so.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	_, config, _ := memoryServers(t, 0)
	text := readFile(t, config)
	d := startDaemon(t, strings.Replace(text, "[proxy]\n", "[proxy]\nmax_connections = 1000000\n", 1))
	if log := d.Log(); !strings.Contains(log, "file descriptors are allowed, 20") || !strings.Contains(log, `"clients":2000000`) {
		t.Errorf("%s", log)
	}
}
