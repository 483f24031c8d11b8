package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// TestWithoutAState: commands that look at what is there don't find an empty state where none is, as when the disk with it is
// missing, nor put a backup of that in the place of a good one. Those with which a move may begin do make one.
func TestWithoutAState(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, `imaps = "127.0.0.1:0"`)
	state, target := filepath.Join(filepath.Dir(path), "state"), filepath.Join(t.TempDir(), "backup.tar")
	if err := os.WriteFile(target, []byte("a good one"), 0o600); err != nil {
		t.Fatal(err)
	}
	look := func(what string) {
		for _, args := range [][]string{{"backup", target}, {"status"}, {"verify"}, {"sync"}, {"report"}, {"clients"},
			{"quarantine", "list"}, {"finish", "--yes", "example.com"}, {"forget", "--yes", "example.com"}, {"alias", "apart", anna}, {"mailbox", "accept", anna}, {"folder", "deleted", anna, "Sent"}} {
			status, stdout, stderr := postferry(t, "", append(args, "-c", path)...)
			if status != exitFailed || stdout != "" || !strings.Contains(stderr, "there is no state in "+state) {
				t.Errorf("%s, %s: %d %q %q", what, args, status, stdout, stderr)
			}
		}
		if got, err := os.ReadFile(target); err != nil || string(got) != "a good one" {
			t.Errorf("%s, the good backup: %.20q, %v", what, got, err)
		}
	}
	look("no directory")
	if _, err := os.Stat(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory was made: %v", err)
	}
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	look("an empty directory")
	if files, err := os.ReadDir(state); err != nil || len(files) != 0 {
		t.Errorf("made in the directory: %v, %v", files, err)
	}
	if status, _, stderr := postferry(t, anna+" secret\n", "import", "-c", path, "-"); status != exitOK {
		t.Fatal(stderr)
	}
	if status, stdout, stderr := postferry(t, "", "status", "-c", path); status != exitOK || !strings.Contains(stdout, anna) {
		t.Errorf("after an import: %d %q %q", status, stdout, stderr)
	}
	if status, _, stderr := postferry(t, "", "backup", "-c", path, filepath.Join(state, "none", "b.tar")); status != exitFailed || !strings.Contains(stderr, filepath.Join(state, "none", "b.tar")+" can't be written: no such file") {
		t.Errorf("a backup that can't be written: %d %q", status, stderr)
	}
}
