package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestConfigCheck: the configuration is checked without anything being opened.
func TestConfigCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	good := "state = \"nowhere\"\n[[domain]]\nname = \"example.com\"\nold = \"imaps://old.example\"\nnew = \"imaps://new.example\"\n"
	writeFile(t, path, good)
	if out := mustRun(t, "config", "check", "-c", path); !strings.Contains(out, "is in order: domains 1, warnings 0") {
		t.Error(out)
	}
	writeFile(t, path, good+"[watch]\nquiet = \"1s\"\nevery = \"never\"\n")
	status, _, stderr := postferry(t, "", "config", "check", "-c", path)
	if status != exitUsage || !strings.Contains(stderr, "config.toml:7: watch.quiet") || !strings.Contains(stderr, "config.toml:8: watch.every") {
		t.Errorf("status %d: %s", status, stderr)
	}
}

// TestDidYouMean: a command that is misspelt is told with the one that was meant.
func TestDidYouMean(t *testing.T) {
	for typed, meant := range map[string]string{"statsu": "did you mean status?", "fnish": "did you mean finish?", "quarantine lst": "did you mean list?", "ferry": ""} {
		status, _, stderr := postferry(t, "", strings.Fields(typed)...)
		if status != exitUsage || !strings.Contains(stderr, meant) || meant == "" && strings.Contains(stderr, "did you mean") {
			t.Errorf("%s: status %d, %s", typed, status, stderr)
		}
	}
	if out := mustRun(t, "--version"); !strings.HasPrefix(out, "postferry ") {
		t.Error(out)
	}
	if out := mustRun(t, "completion", "bash"); !strings.Contains(out, "postferry") {
		t.Error("no completion for a shell")
	}
}
