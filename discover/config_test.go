package discover

import (
	"strings"
	"testing"

	"postferry/config"
)

func TestForConfig(t *testing.T) {
	cfg := config.Default()
	cfg.Proxy.IMAPS, cfg.Proxy.IMAP = "192.0.2.1:993", ":143"
	cfg.Admin.New, cfg.Admin.PublicURL = "imaps://c.example:1993", "https://ferry.example:8443"
	cfg.Domains = []config.Domain{
		{Name: "example.com", New: config.Server{Host: "b.example"}},
		{Name: "example.net", New: config.Server{Host: "a.example"}},
		{Name: "example.org", New: config.Server{Host: "a.example"}},
	}
	f := ForConfig(&cfg)
	for domain, want := range map[string]string{"example.net": "a.example", "other.example": "a.example b.example c.example"} {
		if got := strings.Join(f.New(domain), " "); got != want {
			t.Errorf("%s: %q, want %q", domain, got, want)
		}
	}
	if got := strings.Join(f.Own, " "); got != "192.0.2.1 ferry.example" {
		t.Errorf("own: %q", got)
	}
	// What is added while we run counts from then on.
	cfg.Directory = config.NewDirectory(cfg.Domains)
	f = ForConfig(&cfg)
	cfg.Directory.Put(config.Domain{Name: "late.example", New: config.Server{Host: "d.example"}})
	if got := strings.Join(f.New("late.example"), " "); got != "d.example" {
		t.Errorf("late.example: %q", got)
	}
}
