package main

import (
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/lab"
)

// TestManyClientsOpenFolders has several connections of one person open all
// folders at the same time, before anything has been copied.
func TestManyClientsOpenFolders(t *testing.T) {
	t.Parallel()
	p, d, untouched := unseen(t)
	old := p.old.Snapshot(anna)
	var clients []*imapclient.Client
	for range 4 {
		clients = append(clients, p.login(d, anna))
	}
	var wg sync.WaitGroup
	for n, c := range clients {
		wg.Go(func() {
			for i := range unseenFolders {
				folder := unseenFolders[(i+3*n)%len(unseenFolders)]
				data, err := c.Select(renamed(folder), nil).Wait()
				if err != nil || int(data.NumMessages) != len(old.Folders[folder].Messages) {
					t.Errorf("client %d: %s: %+v, %v; want %d messages", n, folder, data, err, len(old.Folders[folder].Messages))
				}
			}
		})
	}
	wg.Wait()
	p.sameMail(anna)
	untouched()
}

// TestOldServerFallsSilent has the old server hang after the folders have been
// brought over, and wants folders never opened before to open nevertheless and
// to fill when it speaks again.
func TestOldServerFallsSilent(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna, blocker)
	p.fillUnseen(anna)
	untouched := p.untouched(anna)
	line := lab.FaultLine(t, p.old.IMAP, nil)
	p.oldURL = "imap+insecure://" + line.Addr
	d := p.serveBlocked()
	c := p.login(d, anna)
	line.Hang(true)
	within(t, firstDelay, "the first folder", func() { choose(t, c, "Sent") })
	for _, folder := range []string{"Drafts", "Trash", "INBOX"} {
		within(t, laterDelay, folder, func() { choose(t, c, folder) })
	}
	within(t, laterDelay, "writing", func() { appendLetter(t, c, "Trash", "written meanwhile") })
	line.Hang(false)
	old := p.old.Snapshot(anna)
	direct := p.new.Client(anna)
	for folder, extra := range map[string]int{"INBOX": 0, "INBOX.Gesendet": 0, "INBOX.Papierkorb": 1} {
		want := len(old.Folders[folder].Messages) + extra
		eventually(t, "all of "+folder, func() bool { return messages(t, direct, renamed(folder)) == want })
	}
	untouched()
}

// TestGiantFolder opens a folder that is too large to be filled while somebody
// waits: the newest messages must be there at once, the rest soon.
func TestGiantFolder(t *testing.T) {
	t.Parallel()
	const all = 3000
	p := startPair(t, anna, blocker)
	p.old.FillMaildir(anna, "INBOX.Riesig", lab.Generate(1, all, 600))
	d := p.serveBlocked()
	c := p.login(d, anna)
	var data *imap.SelectData
	within(t, 20*time.Second, "opening the folder", func() { data = choose(t, c, "Riesig") })
	t.Logf("%d messages right after opening", data.NumMessages)
	seen := make(map[string]bool)
	for _, m := range p.new.Snapshot(anna).Folders["Riesig"].Messages {
		seen[m.Sum] = m.UID < data.UIDNext
	}
	missing := 0
	for _, m := range p.old.Snapshot(anna).Folders["INBOX.Riesig"].Messages[all-500:] {
		if !seen[m.Sum] {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("of the newest 500 messages, %d were missing right after opening", missing)
	}
	direct := p.new.Client(anna)
	eventually(t, "all messages", func() bool { return messages(t, direct, "Riesig") == all })
	p.sameMail(anna)
}

// TestNewServerPauses has the new server pause for longer than anybody waits
// for a silent old server, in the middle of a visit, and wants the visitor to
// see all messages nevertheless, and nobody to blame the old server.
func TestNewServerPauses(t *testing.T) {
	t.Parallel()
	const all = 1000
	p := startPair(t, anna, blocker)
	p.old.FillMaildir(anna, "INBOX.Viel", lab.Generate(1, all, 4000))
	line := lab.FaultLine(t, p.new.IMAP, nil)
	p.newURL, p.newCA = "imap+insecure://"+line.Addr, false
	d := p.serveBlocked()
	c := p.login(d, anna)
	selected := make(chan *imap.SelectData, 1)
	go func() {
		defer close(selected)
		data, err := c.Select("Viel", nil).Wait()
		if err != nil {
			t.Error(err)
			return
		}
		selected <- data
	}()
	resume := stopUpload(t, line, 500_000)
	line.Hang(true)
	resume()
	wait(t, 4*time.Second)
	line.Hang(false)
	if data := <-selected; data != nil && data.NumMessages != all {
		t.Errorf("%d messages right after opening, want %d", data.NumMessages, all)
	}
	if _, accounts := statusOf(t, d.Config); accounts[anna].Problem != nil {
		t.Errorf("status says: %s", accounts[anna].Problem.Summary)
	}
}

// TestOldServerDownAtLogin: a client logs in for the first time while the old server does not answer, and stays. Once another one has
// logged in, and so made the account known, the first has its folders filled as well.
func TestOldServerDownAtLogin(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna, blocker)
	p.fillUnseen(anna)
	line := lab.FaultLine(t, p.old.IMAP, nil)
	p.oldURL = "imap+insecure://" + line.Addr
	d := p.serveBlocked()
	line.Hang(true)
	first := p.login(d, anna)
	line.Hang(false)
	choose(t, first, "INBOX")
	p.login(d, anna)
	old := p.old.Snapshot(anna)
	for _, folder := range []string{"INBOX", "INBOX.Gesendet"} {
		if data := choose(t, first, renamed(folder)); int(data.NumMessages) != len(old.Folders[folder].Messages) {
			t.Errorf("%s has %d messages; want %d", folder, data.NumMessages, len(old.Folders[folder].Messages))
		}
	}
}
