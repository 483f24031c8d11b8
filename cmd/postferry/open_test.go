package main

import (
	"os"
	"path/filepath"
	"testing"

	"postferry/config"
)

// TestProviderLimits: domains of the file and of the page get what their providers allow, but for
// what somebody has chosen.
func TestProviderLimits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.toml")
	text := `state = "state"
[proxy]
imaps = "127.0.0.1:0"
[[domain]]
name = "file.example"
old = "imaps://imap.gmail.com"
new = "imaps://imap.new.example"
[[domain]]
name = "chosen.example"
old = "imaps://imap.gmail.com"
new = "imaps://imap.new.example"
account_limits.old_bytes_per_day = ""
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Directory.Put(config.Domain{Name: "page.example", New: config.Server{Host: "imap.gmail.com"}})
	for name, want := range map[string][2]int64{"file.example": {2_400_000_000, 0}, "chosen.example": {0, 0}, "page.example": {0, 480_000_000}} {
		d, ok := cfg.Directory.DomainNamed(name)
		if !ok {
			t.Fatal(name)
		}
		if got := [2]int64{d.Account.OldBytesPerDay, d.Account.NewBytesPerDay}; got != want {
			t.Errorf("%s: %d octets a day, want %d", name, got, want)
		}
	}
}
