package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
)

// byPOP3 makes the pair's old server one that is asked by POP3, with STLS.
func (p *pair) byPOP3() {
	server := p.old.StartTLSPOP3()
	p.oldURL = server.String()
	p.domain += fmt.Sprintf("\nold_ca = %q", server.CA)
}

// received is a message as an old server has stored it.
func received(n int, size int) lab.Msg {
	at := time.Unix(1_500_000_000+int64(n)*3600, 0).UTC()
	body := fmt.Sprintf("Received: from a by b; %s\r\nMessage-ID: <%d@example.net>\r\nDate: Thu, 1 Jan 1998 00:00:00 +0000\r\nSubject: %d\r\n\r\n.\r\n..dots\r\n%s\r\n",
		at.Format(time.RFC1123Z), n, n, strings.Repeat("x", size))
	return lab.Msg{Body: []byte(body), Date: at}
}

func receivedMany(from, n, size int) []lab.Msg {
	var msgs []lab.Msg
	for i := range n {
		msgs = append(msgs, received(from+i, size))
	}
	return msgs
}

// inboxSums are the bodies of an inbox with their dates, sorted.
func inboxSums(s *lab.Snapshot) []string {
	var all []string
	for _, m := range s.Folders["INBOX"].Messages {
		all = append(all, m.Sum+" "+m.Date.String())
	}
	slices.Sort(all)
	return all
}

// TestPOP3Move moves an inbox from a server that is asked by POP3 only: a
// client opens it through the proxy, mail comes late, its owner deletes some. The
// old server has changed in nothing.
func TestPOP3Move(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.byPOP3()
	p.old.FillMaildir(anna, "INBOX", append(receivedMany(0, 300, 2000), received(300, 3_000_000)))
	p.old.FillMaildir(anna, "INBOX.Gesendet", lab.Generate(1, 5, 1000))
	p.old.Open(anna, "INBOX") // a POP3 session takes \Recent away; that can't be helped
	untouched := p.untouched(anna)
	d := p.serve()
	code, out, stderr := postferry(t, anna+" "+quoted(odd)+"\n", "import", "-c", d.Config, "-")
	if code != exitOK {
		t.Fatalf("import: %d, %s%s", code, out, stderr)
	}
	c := p.login(d, anna)
	choose(t, c, "INBOX")
	eventually(t, "all in the opened inbox", func() bool { return messages(t, c, "INBOX") == 301 })
	syncAll(t, d.Config)
	untouched()
	before := inboxSums(p.old.Snapshot(anna))
	if got := inboxSums(p.new.Snapshot(anna)); !slices.Equal(got, before) {
		t.Fatalf("%d messages on the new server, or other dates; %d on the old one", len(got), len(before))
	}
	for _, m := range p.new.Snapshot(anna).Folders["INBOX"].Messages {
		if len(m.Flags) > 0 {
			t.Errorf("message %d has %v", m.UID, m.Flags)
		}
	}
	p.verifyPOP3(d.Config, "good")

	if err := c.Store(imap.UIDSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	p.old.FillMaildir(anna, "INBOX", receivedMany(1000, 3, 100))
	if out := syncAll(t, d.Config); !strings.Contains(out, "3 messages copied") {
		t.Errorf("late mail:\n%s", out)
	}
	if n := len(p.new.Snapshot(anna).Folders["INBOX"].Messages); n != 303 {
		t.Errorf("%d messages", n)
	}
	if out := syncAll(t, d.Config); !strings.Contains(out, "0 messages copied") {
		t.Errorf("nothing to do:\n%s", out)
	}
	p.verifyPOP3(d.Config, "doubtful: 1 removed")
	_, accounts := statusOf(t, d.Config)
	if a := accounts[anna]; a.Problem != nil || !a.Complete || len(a.Folders) != 1 || a.Folders[0].Title != "INBOX" || a.Folders[0].Copied != 304 {
		t.Errorf("status: %+v", a)
	}
}

// verifyPOP3 wants verify to come to a result, by headers and sizes and by
// bodies, and a dry run to find nothing to do.
func (p *pair) verifyPOP3(config, want string) {
	p.t.Helper()
	for _, flags := range [][]string{nil, {"--bodies"}} {
		_, out, stderr := postferry(p.t, "", append([]string{"verify", "-c", config}, flags...)...)
		if line := lineWith(out, anna); !strings.Contains(line, want) {
			p.t.Errorf("verify %v: want %q in\n%s%s", flags, want, out, stderr)
		}
	}
	_, out, _ := postferry(p.t, "", "sync", "--dry-run", "-c", config)
	if !strings.Contains(out, "POP3") || strings.Contains(out, "Gesendet") {
		p.t.Errorf("dry run:\n%s", out)
	}
}

// TestPOP3Killed kills the daemon again and again while it copies by POP3, and
// wants every message once in the end.
func TestPOP3Killed(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.byPOP3()
	p.old.FillMaildir(anna, "INBOX", receivedMany(0, 400, 8000))
	line := lab.FaultLine(t, p.new.IMAP, nil)
	p.newURL, p.newCA = "imap+insecure://"+line.Addr, false
	d := p.serve()
	takeOverAll(t, d.Config, anna)
	for n := range 5 {
		resume := stopUpload(t, line, 20_000+rand.Int64N(450_000))
		if n%2 == 0 { // as in a power cut: what is on its way is lost
			line.Hang(true)
		}
		d.Kill9()
		resume()
		if n%2 == 0 {
			line.CutAll()
			line.Hang(false)
		}
		d.Restart()
	}
	syncAll(t, d.Config)
	old, new := inboxSums(p.old.Snapshot(anna)), inboxSums(p.new.Snapshot(anna))
	if !slices.Equal(old, new) {
		t.Errorf("%d messages on the old server, %d on the new one", len(old), len(new))
	}
}

// TestPOP3Trace: passwords and messages stay out of the trace.
func TestPOP3Trace(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.byPOP3()
	p.old.FillMaildir(anna, "INBOX", receivedMany(0, 2, 20))
	config := filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, config, p.config())
	takeOverAll(t, config, anna)
	trace := filepath.Join(t.TempDir(), "trace")
	if code, out, stderr := postferry(t, "", "sync", "-c", config, "--trace", trace); code != exitOK {
		t.Fatalf("sync: %d, %s%s", code, out, stderr)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"C: STLS", "C: AUTH [secret]", "C: TOP 1 99999999", "octets]"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, bad := range []string{odd, "dots", "xxxx", "C: QUIT", "C: DELE"} {
		if strings.Contains(string(text), bad) {
			t.Errorf("the trace has %q", bad)
		}
	}
}

// TestPOP3HugeMessage copies a message of 100 MB from a POP3 server, between others:
// it passes through and is never held.
func TestPOP3HugeMessage(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	piece := []byte(strings.Repeat("..dots and "+strings.Repeat("x", 60)+"\r\n", 1000))
	huge := lab.POP3Mail{UID: "huge", Body: piece, Times: 100<<20/len(piece) + 1}
	old := lab.StartPOP3(t, lab.POP3Oddities{Capabilities: []string{"TOP", "UIDL", "PIPELINING", "USER"}},
		lab.POP3Mail{UID: "a", Body: received(1, 100).Body}, huge, lab.POP3Mail{UID: "b", Body: received(2, 100).Body})
	p.oldURL = old.Server().String()
	d := p.serve()
	takeOverAll(t, d.Config, anna)
	eventually(t, "a pass", func() bool {
		_, accounts := statusOf(t, d.Config)
		return accounts[anna].Complete
	})
	sizes := []int64{}
	for _, m := range p.new.Snapshot(anna).Folders["INBOX"].Messages {
		sizes = append(sizes, m.Size)
	}
	if want := int64(len(piece) * huge.Times); len(sizes) != 3 || sizes[1] != want {
		t.Errorf("sizes are %d, want %d in the middle", sizes, want)
	}
	if peak := residentPeak(t, d.cmd.Process.Pid); peak > 140<<20 { // 16 MiB of that are what the race detector keeps of memory that is never touched
		t.Errorf("the daemon took %d MiB of memory", peak>>20)
	} else {
		t.Logf("the daemon took %d MiB of memory", peak>>20)
	}
}
