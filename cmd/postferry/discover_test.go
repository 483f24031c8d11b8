package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postferry/config"
	"postferry/discover"
)

// foundReport is what a discovery may come to.
func foundReport() *discover.Report {
	say := func(text string) discover.Message { return discover.Message{Code: "x", Text: text} }
	return &discover.Report{
		Query: "example.com", Domain: "example.com", Unicode: "example.com",
		Lookups: []discover.Lookup{{Source: discover.SourceSRV, Asked: "SRV _imaps._tcp.example.com", Result: say("none published")}},
		Attempts: []discover.Attempt{
			{Number: 1, URL: "imaps://imap.example.com", Outcome: say("nothing listens there")},
			{Number: 2, URL: "imaps://mail.example.com", Outcome: say("answers, but its certificate is not in order: it is self-signed"), Usable: true},
		},
		Found: &discover.Found{Attempt: 2, URL: "imaps://mail.example.com", Fingerprint: "AB:CD"},
		Why:   []discover.Message{say("It speaks IMAP, which brings all folders and flags.")},
		MX:    discover.MX{Message: say("The MX leads to mx.example.com.")},
	}
}

func TestDiscoveryText(t *testing.T) {
	golden := filepath.Join("testdata", "discover.txt")
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := discoveryText(foundReport()); got != string(want) {
		t.Errorf("got:\n%s\nwant %s:\n%s", got, golden, want)
	}
}

func TestDiscoveryExitStatus(t *testing.T) {
	var out bytes.Buffer
	if err := showDiscovery(&out, foundReport(), true); err != nil {
		t.Fatal(err)
	}
	var back discover.Report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Found.URL != "imaps://mail.example.com" {
		t.Errorf("JSON: %v, %+v", err, back.Found)
	}
	nothing := foundReport()
	nothing.Found = nil
	if err := showDiscovery(&out, nothing, false); exitCode(err, false) != exitFailed || !errors.Is(err, errIncomplete) {
		t.Errorf("nothing found: %v", err)
	}
}

func TestDiscoverTellsMistakesOfTheCommandLine(t *testing.T) {
	for _, args := range [][]string{{"discover"}, {"discover", "10.0.0.1"}, {"discover", "example.com", "example.net"}} {
		var stdout, stderr bytes.Buffer
		if code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr); code != exitUsage || stderr.Len() == 0 {
			t.Errorf("%q: exit status %d, %q", args, code, stderr.String())
		}
	}
}

func TestNewHosts(t *testing.T) {
	domains := []config.Domain{
		{Name: "example.com", New: config.Server{Host: "a.example"}}, {Name: "example.net", New: config.Server{Host: "b.example"}},
		{Name: "example.org", New: config.Server{Host: "a.example"}},
	}
	for domain, want := range map[string]string{"example.net": "b.example", "other.example": "a.example b.example"} {
		if got := strings.Join(newHosts(domains, domain), " "); got != want {
			t.Errorf("%s: %q, want %q", domain, got, want)
		}
	}
}
