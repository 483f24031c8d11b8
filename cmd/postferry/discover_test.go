package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postferry/config"
	"postferry/discover"
	"postferry/internal/console"
	"postferry/store"
	"postferry/upstream"
	"postferry/upstream/link"
)

// foundReport is what a discovery may come to.
func foundReport() *discover.Report {
	say := func(text string) discover.Message { return discover.Message{Code: "x", Text: text} }
	return &discover.Report{
		Query: "bücher.example", Domain: "xn--bcher-kva.example", Unicode: "bücher.example",
		Lookups: []discover.Lookup{{Source: discover.SourceSRV, Asked: "SRV _imaps._tcp.xn--bcher-kva.example", Result: say("none published"), Millis: 12}},
		Attempts: []discover.Attempt{
			{Number: 1, Source: discover.SourceMX, URL: "imaps://imap.hoster.example", Outcome: discover.Message{Code: discover.PrivateAddress, Text: "leads to 10.0.0.1"}},
			{Number: 2, Source: discover.SourceNames, URL: "imaps://mail.xn--bcher-kva.example", Product: "Dovecot", Millis: 1234,
				Outcome: say("answers, but its certificate is not in order: it is self-signed"), Usable: true},
			{Number: 3, Source: discover.SourceNames, URL: "pop3s://mail.xn--bcher-kva.example", Outcome: say("turns us away: \x1b[31mred")},
		},
		Found: &discover.Found{Attempt: 2, URL: "imaps://mail.xn--bcher-kva.example", Fingerprint: "AB:CD"},
		Why:   []discover.Message{say("It speaks IMAP, which brings all folders and flags.")},
		MX:    discover.MX{Message: say("The MX leads to mx.hoster.example.")},
	}
}

func TestDiscoveryText(t *testing.T) {
	golden(t, "discover.txt", []byte(console.DiscoveryText(foundReport(), false)))
}

func TestDiscoveryExitStatus(t *testing.T) {
	var out bytes.Buffer
	if err := showDiscovery(&out, foundReport(), &output{json: true}); err != nil {
		t.Fatal(err)
	}
	var back discover.Report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Found.URL != "imaps://mail.xn--bcher-kva.example" {
		t.Errorf("JSON: %v, %+v", err, back.Found)
	}
	nothing := foundReport()
	nothing.Found = nil
	out.Reset()
	if err := showDiscovery(&out, nothing, &output{}); exitCode(err, false) != exitFailed || !errors.Is(err, errIncomplete) {
		t.Errorf("nothing found: %v", err)
	}
	if text := out.String(); !strings.Contains(text, "Nothing found.") || strings.Contains(text, "old = ") {
		t.Errorf("nothing found:\n%s", text)
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

// After the change of DNS the domain's names lead to the daemon, perhaps by an
// address that this machine does not know as its own.
func TestDiscoverKnowsTheDaemon(t *testing.T) {
	d := startDaemon(t, fmt.Sprintf(`state = %q
[proxy]
imaps = "127.0.0.1:0"
imap = ""
[admin]
listen = ""
[[domain]]
name = "example.com"
old = "imap+insecure://127.0.0.1:1"
new = "imap+insecure://127.0.0.1:2"
`, filepath.Join(t.TempDir(), "state")))
	server, err := config.ParseServer("imaps://" + d.IMAPS())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := upstream.Probe(t.Context(), server, link.Options{})
	if err != nil || !strings.HasSuffix(answer.Greeting, discover.OwnGreeting) {
		t.Errorf("the daemon greets with %q, %v; discover knows it by %q", answer.Greeting, err, discover.OwnGreeting)
	}
}

// The new server of a domain that was set up in the page is left out, too: from
// the state alone, and from the daemon that has it.
func TestDiscoverKnowsDomainsOfThePage(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	st := openState(t, state)
	if err := st.PutDomain(t.Context(), store.Domain{Name: "page.example", Old: "imaps://old.example", New: "imaps://new.example"}); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("state = %q\n[proxy]\nimaps = \"127.0.0.1:0\"\nimap = \"\"\n[admin]\nlisten = \"127.0.0.1:0\"\n", state)
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	knows := func(path string) {
		t.Helper()
		var stderr bytes.Buffer
		finder, err := newFinder(t.Context(), path, &stderr)
		if err != nil || stderr.Len() > 0 {
			t.Fatalf("%v, %q", err, &stderr)
		}
		if hosts := finder.New("page.example"); !slices.Equal(hosts, []string{"new.example"}) {
			t.Errorf("left out is %q", hosts)
		}
	}
	knows(path)
	knows(startDaemon(t, config).Config)
}
