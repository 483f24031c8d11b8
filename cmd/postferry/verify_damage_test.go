package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/console"
	"postferry/internal/demo/servers"
	"postferry/report"
)

// deliberateDamage is what is done to the new server after a move, and what has to be found.
var deliberateDamage = []struct {
	name string
	do   func(t *testing.T, s *servers.Pair, c *imapclient.Client)
	kind report.FindingKind
	deep bool // found with --bodies only
}{
	{"message removed", func(t *testing.T, _ *servers.Pair, c *imapclient.Client) { remove(t, c) }, report.Removed, false},
	{"body altered", replace(func(m *putBack) { m.body = append(m.body, "more\r\n"...) }), report.Altered, false},
	{"body altered, as long as before", replace(func(m *putBack) {
		at := bytes.Index(m.body, []byte("\r\n\r\n")) + 4
		m.body[at] = '#'
	}), report.Altered, true},
	{"message doubled", func(t *testing.T, _ *servers.Pair, c *imapclient.Client) { put(t, c, fetch(t, c)) }, report.Doubled, false},
	{"date changed", replace(func(m *putBack) { m.date = m.date.Add(-24 * time.Hour) }), report.Dated, false},
	{"flags changed", func(t *testing.T, _ *servers.Pair, c *imapclient.Client) {
		flags := &imap.StoreFlags{Op: imap.StoreFlagsSet, Flags: []imap.Flag{"$Damaged"}, Silent: true}
		if err := c.Store(imap.SeqSetNum(2), flags, nil).Close(); err != nil {
			t.Fatal(err)
		}
	}, report.Flagged, false},
	{"subscription missing", func(t *testing.T, _ *servers.Pair, c *imapclient.Client) {
		if err := c.Unsubscribe("Sent").Wait(); err != nil {
			t.Fatal(err)
		}
	}, report.Unsubscribed, false},
	{"message not copied", func(t *testing.T, s *servers.Pair, _ *imapclient.Client) {
		if err := s.Old.Put("INBOX", servers.Message{Raw: []byte("Subject: late\r\n\r\nlate\r\n"), Date: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}, report.Missing, false},
}

// TestVerifyDamage: deliberate damage is found, with and without --bodies, and
// told by the exit status, as JSON and as CSV.
func TestVerifyDamage(t *testing.T) {
	for _, tt := range deliberateDamage {
		t.Run(tt.name, func(t *testing.T) {
			s, config, list := memoryServers(t, 0)
			mustRun(t, "import", "-c", config, list)
			mustRun(t, "sync", "-c", config)
			tt.do(t, s, openInbox(t, s.New))
			for _, options := range [][]string{nil, {"--bodies"}, {"--strict"}, {"--bodies", "--strict"}} {
				var want []string
				if !tt.deep || slices.Contains(options, "--bodies") {
					want = []string{string(tt.kind)}
				}
				status := exitOK
				if len(want) > 0 && (tt.kind.Severity() == report.Damage || slices.Contains(options, "--strict")) {
					status = exitFailed
				}
				wantFound(t, append([]string{"-c", config}, options...), status, want)
			}
		})
	}
}

func openInbox(t *testing.T, server *servers.Server) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(server.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login(servers.Login, servers.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// wantFound verifies and wants findings of these kinds, beside harmless ones.
func wantFound(t *testing.T, args []string, wantStatus int, want []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.csv")
	args = append([]string{"verify", "--json", "-", "--csv", file}, args...)
	status, stdout, stderr := postferry(t, "", args...)
	if status != wantStatus {
		t.Errorf("%q: status %d, want %d: %s", args, status, wantStatus, stderr)
	}
	var asJSON, asCSV []string
	var sum *console.VerifySummary
	for line := range strings.Lines(stdout) {
		var event struct {
			report.VerifyEvent
			Summary *console.VerifySummary
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if f := event.Finding; f != nil && f.Severity != report.Harmless {
			asJSON = append(asJSON, string(f.Kind))
		}
		sum = event.Summary
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		if row[4] != string(report.Harmless) {
			asCSV = append(asCSV, row[3])
		}
	}
	if !slices.Equal(asJSON, want) || !slices.Equal(asCSV, want) {
		t.Errorf("%q: found %q as JSON, %q as CSV, want %q", args, asJSON, asCSV, want)
	}
	if sum == nil || (sum.Result == console.ResultGood) != (wantStatus == exitOK) {
		t.Errorf("%q: summary %+v", args, sum)
	}
}

// putBack is a message that is about to be put in the place of another.
type putBack struct {
	body  []byte
	date  time.Time
	flags []imap.Flag
}

// replace puts a changed message in the place of INBOX's second.
func replace(change func(m *putBack)) func(*testing.T, *servers.Pair, *imapclient.Client) {
	return func(t *testing.T, _ *servers.Pair, c *imapclient.Client) {
		m := fetch(t, c)
		change(&m)
		remove(t, c)
		put(t, c, m)
	}
}

func fetch(t *testing.T, c *imapclient.Client) putBack {
	t.Helper()
	whole := &imap.FetchItemBodySection{Peek: true}
	options := &imap.FetchOptions{Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{whole}}
	messages, err := c.Fetch(imap.SeqSetNum(2), options).Collect()
	if err != nil || len(messages) != 1 {
		t.Fatal(err)
	}
	return putBack{messages[0].FindBodySection(whole), messages[0].InternalDate, messages[0].Flags}
}

func put(t *testing.T, c *imapclient.Client, m putBack) {
	t.Helper()
	cmd := c.Append("INBOX", int64(len(m.body)), &imap.AppendOptions{Flags: m.flags, Time: m.date})
	if _, err := cmd.Write(m.body); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, c *imapclient.Client) {
	t.Helper()
	deleted := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}, Silent: true}
	if err := c.Store(imap.SeqSetNum(2), deleted, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
}
