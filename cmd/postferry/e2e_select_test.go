package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/lab"
)

// selectVariable has the sizes of folders that TestFirstSelect opens, separated by commas; a size may be
// followed by the old server's storage format (500000:mdbox).
const selectVariable = "POSTFERRY_TEST_SELECT"

// selectTrace has TestFirstSelect show what passed between the daemon and the servers until the folder was open.
const selectTrace = "POSTFERRY_TEST_SELECT_TRACE"

// commandsOf are the first commands and completions of a trace.
func commandsOf(trace string) string {
	var out strings.Builder
	n := 0
	for line := range strings.Lines(trace) {
		_, text, _ := strings.Cut(line, " S: ")
		if strings.HasPrefix(text, "* ") && !strings.Contains(text, "EXISTS") {
			continue
		}
		if out.WriteString(line[:min(len(line), 200)]); n > 150 {
			break
		}
		n++
	}
	return out.String()
}

// firstShown is how many messages a folder has at least when it can be seen for the first time.
const firstShown = 50

// TestFirstSelect opens a folder for the first time, of which nothing has been copied, and tells
// how long its owner waits: nearby, and with the old server 100 ms away; and how long the old server takes by itself for
// the newest messages of such a folder. make select does it with large folders.
func TestFirstSelect(t *testing.T) {
	t.Parallel()
	folders := os.Getenv(selectVariable)
	if folders == "" {
		folders = "500,300:mdbox"
	}
	t.Log("| messages | old server | login | SELECT | shown | old server alone |")
	for folder := range strings.SplitSeq(folders, ",") {
		size, format, _ := strings.Cut(folder, ":")
		n, err := strconv.Atoi(size)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(folder, func(t *testing.T) { firstSelects(t, n, format) })
	}
}

// firstSelects opens a folder at two daemons, from which the old server is near and far.
func firstSelects(t *testing.T, n int, format string) {
	p := startPairOf(t, format, anna, "far@example.com", alone+anna, alone+"far@example.com")
	old := map[string]string{anna: p.old.IMAP, "far@example.com": lab.DelayLine(t, p.old.IMAP, 50*time.Millisecond).Addr}
	for _, login := range []string{anna, "far@example.com", alone + anna, alone + "far@example.com"} {
		if format == "" {
			p.old.FillMaildir(login, "INBOX", lab.Generate(1, n, 4000))
		} else {
			p.old.Pour(login, "INBOX", n)
		}
		p.old.Open(login, "INBOX") // its index is there, as it is for who reads mail every day
	}
	for _, login := range []string{anna, "far@example.com"} {
		p.oldURL, p.domain = "imap+insecure://"+old[login], "enrol = true"
		file := filepath.Join(t.TempDir(), "trace")
		d := p.serveTraced(file)
		firstSelect(t, p, d, login, fmt.Sprintf("%d %s", n, cmp.Or(format, "maildir")), aloneAt(t, old[login], alone+login))
		d.Stop()
		if t.Failed() || os.Getenv(selectTrace) != "" {
			t.Log(commandsOf(readFile(t, file)))
		}
	}
}

// alone comes before the login of a mailbox of the same size, of which Postferry knows nothing.
const alone = "alone-"

// aloneAt is how long the old server takes to open a folder in a new session and to give the newest messages: what nothing
// that stands in front of it can do without.
func aloneAt(t *testing.T, addr, login string) time.Duration {
	t.Helper()
	c := lab.Login(t, addr, login, odd)
	defer c.Close()
	began := time.Now()
	newestIDs(t, c, choose(t, c, "INBOX").NumMessages)
	return time.Since(began)
}

// firstSelect opens a folder, which has to show the newest messages.
func firstSelect(t *testing.T, p *pair, d *testDaemon, login, what string, alone time.Duration) {
	t.Helper()
	began := time.Now()
	c := p.login(d, login)
	loggedIn := time.Since(began)
	began = time.Now()
	data := choose(t, c, "INBOX")
	took := time.Since(began)
	shown := messageIDs(t, c, data.NumMessages)
	away := "near"
	if login != anna {
		away = "100 ms away"
	}
	t.Logf("| %s | %s | %.2f s | %.2f s | %d | %.2f s |", what, away, loggedIn.Seconds(), took.Seconds(), data.NumMessages, alone.Seconds())
	direct := p.old.Client(login)
	all := choose(t, direct, "INBOX").NumMessages
	for id := range newestIDs(t, direct, all) {
		if !shown[id] {
			t.Errorf("%s is one of the newest messages, and not there", id)
		}
	}
	if took > 20*time.Second {
		t.Errorf("its owner waits for %v", took)
	}
}

// newestIDs are the Message-IDs of the messages that have to be shown first of a folder, which is open.
func newestIDs(t *testing.T, c *imapclient.Client, all uint32) map[string]bool {
	t.Helper()
	return idsOf(t, c, max(all, firstShown)-firstShown+1, all)
}

// messageIDs are the Message-IDs of the last messages of a folder that is open.
func messageIDs(t *testing.T, c *imapclient.Client, all uint32) map[string]bool {
	t.Helper()
	return idsOf(t, c, max(all, 2000)-2000+1, all)
}

func idsOf(t *testing.T, c *imapclient.Client, from, to uint32) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	if to == 0 {
		return ids
	}
	var set imap.SeqSet
	set.AddRange(from, to)
	found, err := c.Fetch(set, &imap.FetchOptions{Envelope: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range found {
		ids[m.Envelope.MessageID] = true
	}
	return ids
}
