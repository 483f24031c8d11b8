package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
	"postferry/wire"
)

// unseenFolders are folders of the old server, by what makes them special.
var unseenFolders = []string{
	"INBOX",
	"INBOX.Gesendet", "INBOX.Entwürfe", "INBOX.Papierkorb", "INBOX.Spam",
	"INBOX.Grüße aus Köln",
	`INBOX.Kunden.Müller "Söhne" & Co`, // its parent is no folder
	"INBOX.日本語", "INBOX.日本語.2024",
	`INBOX.back\slash`, "INBOX.100% (a)",
	"INBOX.Leer",
}

// fillUnseen fills the old server with real mail in INBOX and some of
// everything in the other folders.
func (p *pair) fillUnseen(login string) {
	p.t.Helper()
	for i, folder := range unseenFolders {
		switch folder {
		case "INBOX":
			p.old.FillMaildir(login, folder, realMail(p.t))
		case "INBOX.Leer":
			p.old.FillMaildir(login, folder, nil)
		default:
			p.old.FillMaildir(login, folder, lab.Generate(uint64(i), 20+i, 3000))
			p.old.Open(login, folder)
			p.old.FillMaildir(login, folder, []lab.Msg{{Body: lab.Generate(uint64(100+i), 1, 600)[0].Body, New: true}})
		}
	}
	p.old.Subscribe(login, "INBOX", "INBOX.Gesendet", "INBOX.Grüße aus Köln", `INBOX.Kunden.Müller "Söhne" & Co`, "INBOX.日本語.2024")
}

// realMail is real and awkward mail, with flags and dates, one message of it
// there twice.
func realMail(t *testing.T) []lab.Msg {
	t.Helper()
	// Dovecot itself makes CR CR LF a CRLF when it stores a message.
	samples := slices.DeleteFunc(lab.Messages(t), func(s lab.Sample) bool { return s.Name == "own/line-ends-cr-crlf.eml" })
	samples = append(samples, samples[0])
	mail := lab.Generate(7, len(samples), 512)
	for i, sample := range samples {
		mail[i].Body = sample.Body
	}
	return mail
}

// unseen starts a daemon that knows nobody yet and copies nothing unless a
// client opens a folder: the one place for background work is taken by an
// account whose new server keeps silent.
func unseen(t *testing.T) (p *pair, d *testDaemon, check func()) {
	t.Helper()
	p = startPair(t, anna, blocker)
	p.fillUnseen(anna)
	check = p.untouched(anna)
	return p, p.serveBlocked(), check
}

// blocker is the account that keeps the background busy.
const blocker = "somebody@silent.example"

// serveBlocked starts the daemon as unseen wants it.
func (p *pair) serveBlocked() *testDaemon {
	p.t.Helper()
	silent := lab.FaultLine(p.t, p.new.IMAP, nil)
	silent.Hang(true)
	p.sync = "old_connections = 2"
	p.domain = "enrol = true\n" + p.domain
	p.more = fmt.Sprintf("[[domain]]\nname = \"silent.example\"\nold = %q\nnew = \"imap+insecure://%s\"", p.oldURL, silent.Addr)
	d := p.serve()
	takeOverAll(p.t, d.Config, blocker)
	eventually(p.t, "a connection of the account that blocks the background", func() bool { return silent.Connections() > 0 })
	return d
}

// TestUnseenByImapclient reads every folder right after opening it for the
// first time.
func TestUnseenByImapclient(t *testing.T) {
	t.Parallel()
	p, d, untouched := unseen(t)
	old := p.old.Snapshot(anna)
	c := p.login(d, anna)

	direct := p.new.Client(anna)
	want := []string{"Archive"} // the new server's own
	for _, folder := range unseenFolders {
		want = append(want, renamed(folder))
		if n := messages(t, direct, renamed(folder)); n != 0 {
			t.Errorf("%s has %d messages before anybody opened it", renamed(folder), n)
		}
	}
	got := lab.ReadSnapshot(t, c)
	if diff := lab.SameMail(old, got, renamed); diff != "" {
		t.Errorf("the client sees another mailbox:\n%s", diff)
	}
	var names []string
	for name := range got.Folders {
		names = append(names, name)
	}
	slices.Sort(want)
	if slices.Sort(names); !slices.Equal(names, want) {
		t.Errorf("folders %q, want %q", names, want)
	}
	checkSubscribed(t, old, got)
	for name, use := range map[string]imap.MailboxAttr{
		"Sent": imap.MailboxAttrSent, "Drafts": imap.MailboxAttrDrafts, "Trash": imap.MailboxAttrTrash, "Junk": imap.MailboxAttrJunk,
	} {
		if f := got.Folders[name]; f == nil || !slices.Equal(f.Attrs, []imap.MailboxAttr{use}) {
			t.Errorf("%s is not the folder for %s", name, use)
		}
	}
	if diff := p.new.Snapshot(anna).Diff(got); diff != "" {
		t.Errorf("through the proxy the new server looks different:\n%s", diff)
	}
	untouched()
}

// checkSubscribed wants what was subscribed on the old server to be so, and
// else only what the new server subscribes by itself.
func checkSubscribed(t *testing.T, old, got *lab.Snapshot) {
	t.Helper()
	want := []string{"Archive", "Drafts", "Junk", "Sent", "Trash"}
	for _, name := range old.Subscribed {
		want = append(want, renamed(name))
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if !slices.Equal(got.Subscribed, want) {
		t.Errorf("subscribed %q, want %q", got.Subscribed, want)
	}
}

// TestUnseenByCurl fetches every message of two folders with curl.
func TestUnseenByCurl(t *testing.T) {
	t.Parallel()
	p, d, untouched := unseen(t)
	old := p.old.Snapshot(anna)
	for folder, url := range map[string]string{"INBOX": "INBOX", "INBOX.Grüße aus Köln": "Gr%26APwA3w-e%20aus%20K%26APY-ln"} {
		p.curl(d, "", "--request", "NOOP") // enrols anna the first time, and so brings the folders over
		if n := messages(t, p.new.Client(anna), renamed(folder)); n != 0 {
			t.Errorf("%s has %d messages before curl opened it", folder, n)
		}
		p.curlLists(d, url, old.Folders[folder])
		p.curlReads(d, url, old.Folders[folder])
	}
	untouched()
}

// curl runs curl on a path at the daemon.
func (p *pair) curl(d *testDaemon, path string, args ...string) []byte {
	p.t.Helper()
	// localhost may be ::1 as well, where nobody listens.
	_, port, _ := strings.Cut(d.IMAPS(), ":")
	args = append(args, "--silent", "--show-error", "--fail-early", "--max-time", "60", "--cacert", p.ca.File,
		"--user", anna+":"+odd, "imaps://127.0.0.1:"+port+"/"+path)
	var errs bytes.Buffer
	cmd := exec.CommandContext(p.t.Context(), "curl", args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("curl %s: %v %s", path, err, &errs)
	}
	return out
}

var fetchLine = regexp.MustCompile(`^\* \d+ FETCH \(FLAGS \(([^)]*)\) INTERNALDATE "([^"]*)"\)$`)

// curlLists wants flags and dates in the first answer after the first SELECT.
func (p *pair) curlLists(d *testDaemon, url string, want *lab.FolderSnapshot) {
	p.t.Helper()
	lines := strings.Split(strings.TrimSpace(string(p.curl(d, url, "--request", "FETCH 1:* (FLAGS INTERNALDATE)"))), "\r\n")
	if len(lines) != len(want.Messages) {
		p.t.Fatalf("%s: %d lines for %d messages", url, len(lines), len(want.Messages))
	}
	for i, line := range lines {
		m := fetchLine.FindStringSubmatch(line)
		if m == nil {
			p.t.Fatalf("%s: %q", url, line)
		}
		date, err := time.Parse("_2-Jan-2006 15:04:05 -0700", m[2])
		if err != nil || !date.Equal(want.Messages[i].Date) {
			p.t.Errorf("%s: INTERNALDATE of message %d: %q, want %s", url, i+1, m[2], want.Messages[i].Date)
		}
		var flags []imap.Flag
		for _, f := range strings.Fields(m[1]) {
			if f != `\Recent` {
				flags = append(flags, imap.Flag(f))
			}
		}
		slices.Sort(flags)
		if !slices.Equal(flags, want.Messages[i].Flags) {
			p.t.Errorf("%s: flags of message %d: %q, want %q", url, i+1, flags, want.Messages[i].Flags)
		}
	}
}

// curlReads wants every body as the old server has it.
func (p *pair) curlReads(d *testDaemon, url string, want *lab.FolderSnapshot) {
	p.t.Helper()
	dir := p.t.TempDir()
	p.curl(d, fmt.Sprintf("%s;MAILINDEX=[1-%d]", url, len(want.Messages)), "--output", dir+"/#1")
	for i, m := range want.Messages {
		body, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i+1)))
		if err != nil {
			p.t.Fatal(err)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(body)); sum != m.Sum {
			p.t.Errorf("%s: the body of message %d is another one (%d octets, %d expected)", url, i+1, len(body), m.Size)
		}
	}
}

// TestUnseenByMbsync mirrors the mailbox through the proxy with mbsync and
// compares it with a mirror of the old server that mbsync made directly:
// mbsync changes line ends and knows no keywords.
func TestUnseenByMbsync(t *testing.T) {
	t.Parallel()
	p, d, untouched := unseen(t)
	through := p.mbsync(d.IMAPS(), "/")
	untouched()
	direct := p.mbsync(p.old.IMAPS, ".") // touches the old server
	if len(direct) != len(unseenFolders) {
		t.Errorf("mbsync sees %d folders of the old server, want %d", len(direct), len(unseenFolders))
	}
	for old, mails := range direct {
		name := old
		if old != "INBOX" {
			name = renamed("INBOX." + old)
		}
		if got := through[name]; !slices.Equal(got, mails) {
			t.Errorf("%s: %d messages, want the %d of %s\n%s\n\n%s", name, len(got), len(mails), old, strings.Join(got, "\n"), strings.Join(mails, "\n"))
		}
		delete(through, name)
	}
	for name, mails := range through {
		if len(mails) > 0 {
			t.Errorf("%s has %d messages that were not on the old server", name, len(mails))
		}
	}
}

// mbsync mirrors a mailbox and returns what it got: folder -> messages. Folders
// are called as the server does, without its prefix for all of them.
func (p *pair) mbsync(addr, delim string) map[string][]string {
	p.t.Helper()
	dir := p.t.TempDir()
	p.mbsyncIn(dir, addr)
	mirror := make(map[string][]string)
	for name, mails := range readMirror(p.t, dir+"/mail") {
		mirror[strings.ReplaceAll(wire.DecodeMailbox(name), "/", delim)] = mails
	}
	return mirror
}

// mbsyncIn brings the mirror in a folder up to date.
func (p *pair) mbsyncIn(dir, addr string) {
	p.t.Helper()
	_, port, _ := strings.Cut(addr, ":")
	writeFile(p.t, dir+"/password", odd)
	writeFile(p.t, dir+"/config", fmt.Sprintf(`
FSync no

IMAPAccount server
Host localhost
Port %s
User %s
PassCmd "cat %s/password"
SSLType IMAPS
SystemCertificates no
CertificateFile %s
AuthMechs PLAIN

IMAPStore far
Account server

MaildirStore near
Path %s/mail/
Inbox %s/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Sync Pull
Create Near
Expunge Near
CopyArrivalDate yes
SyncState *
`, port, anna, dir, p.ca.File, dir, dir))
	if err := os.MkdirAll(dir+"/mail", 0o700); err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), "mbsync", "--config", dir+"/config", "--all")
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("mbsync: %v\n%s", err, out)
	}
}

// readMirror reads a tree of maildirs: body, flags and date of each message, sorted.
func readMirror(t *testing.T, root string) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		folder, sub := filepath.Split(path)
		if entry.IsDir() && sub == "cur" {
			name, _ := filepath.Rel(root, folder)
			all[name] = nil
		}
		if entry.IsDir() || strings.HasPrefix(sub, ".") {
			return nil
		}
		name, _ := filepath.Rel(root, filepath.Dir(filepath.Dir(path)))
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		_, flags, _ := strings.Cut(sub, ":2,")
		all[name] = append(all[name], fmt.Sprintf("%x %s %d", sha256.Sum256(withoutTUID(body)), flags, info.ModTime().Unix()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, mails := range all {
		slices.Sort(mails)
	}
	return all
}

// withoutTUID removes the line by which mbsync finds its copies again.
func withoutTUID(body []byte) []byte {
	before, rest, found := bytes.Cut(body, []byte("X-TUID: "))
	_, after, _ := bytes.Cut(rest, []byte("\n"))
	if !found {
		return body
	}
	return append(bytes.Clone(before), after...)
}
