package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/lab"
)

// moved is a pair of servers whose mail has been copied once, and the daemon.
func moved(t *testing.T, settings string, folders ...string) (*pair, *testDaemon) {
	t.Helper()
	p := startPair(t, anna)
	for i, folder := range folders {
		p.old.FillMaildir(anna, folder, lab.Generate(uint64(i), 10, 1000))
	}
	p.sync = settings
	d := p.serve()
	takeOverAll(t, d.Config, anna)
	syncAll(t, d.Config)
	p.sameMail(anna)
	return p, d
}

// arrives puts a message with a flag or two into a folder of the old server.
func (p *pair) arrives(folder, subject string, flags ...imap.Flag) {
	p.t.Helper()
	p.old.Append(anna, folder, lab.Msg{Body: letter(subject), Flags: flags})
}

func letter(subject string) []byte {
	return []byte("From: x@example.net\r\nSubject: " + subject + "\r\n\r\nHello.\r\n")
}

// setFlags changes a message's flags in the opened folder.
func setFlags(t *testing.T, c *imapclient.Client, uid imap.UID, op imap.StoreFlagsOp, flags ...imap.Flag) {
	t.Helper()
	if err := c.Store(imap.UIDSetNum(uid), &imap.StoreFlags{Op: op, Flags: flags}, nil).Close(); err != nil {
		t.Fatal(err)
	}
}

// choose opens a folder.
func choose(t *testing.T, c *imapclient.Client, folder string) *imap.SelectData {
	t.Helper()
	data, err := c.Select(folder, nil).Wait()
	if err != nil {
		t.Fatalf("SELECT %s: %v", folder, err)
	}
	return data
}

// expunge removes a message of the opened folder for good.
func expunge(t *testing.T, c *imapclient.Client, uid imap.UID) {
	t.Helper()
	setFlags(t, c, uid, imap.StoreFlagsAdd, imap.FlagDeleted)
	if err := c.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLateMailArrives wants mail that reaches the old server late to come with
// the next pass: the one that is asked for, and the one that is due.
func TestLateMailArrives(t *testing.T) {
	t.Parallel()
	p, d := moved(t, `interval = "1s"`, "INBOX", "INBOX.Liste")
	c := p.new.Client(anna)
	for i, folder := range []string{"INBOX", "INBOX.Liste"} {
		p.arrives(folder, "late")
		eventually(t, "the late message in "+folder, func() bool { return messages(t, c, renamed(folder)) == 11 })
		p.arrives(folder, "later", imap.FlagFlagged, "$Late")
		syncAll(t, d.Config)
		if n := messages(t, c, renamed(folder)); n != 12 {
			t.Errorf("%d messages in %s after a sync that was asked for, want 12", n, folder)
		}
		p.old.Append(anna, "INBOX.Neu", lab.Msg{Body: letter("first")})
		syncAll(t, d.Config)
		if n := messages(t, c, "Neu"); n != i+1 {
			t.Errorf("%d messages in a folder made late, want %d", n, i+1)
		}
	}
	p.sameMail(anna)
}

// TestLateMailAtAnOpenFolder wants a client that idles in a folder to hear of
// mail that reached the old server late.
func TestLateMailAtAnOpenFolder(t *testing.T) {
	t.Parallel()
	p, d := moved(t, `interval = "1s"`, "INBOX")
	heard := make(chan uint32, 10)
	c, err := imapclient.DialTLS(d.IMAPS(), &imapclient.Options{
		TLSConfig: p.clientTLS(),
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				heard <- *data.NumMessages
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(anna, odd).Wait(); err != nil {
		t.Fatal(err)
	}
	choose(t, c, "INBOX")
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	p.arrives("INBOX", "late")
	eventually(t, "an EXISTS for the late message", func() bool {
		select {
		case n := <-heard:
			return n == 11
		default:
			return false
		}
	})
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestUsersChangesStay makes changes through the proxy and wants passes to leave them alone.
func TestUsersChangesStay(t *testing.T) {
	t.Parallel()
	p, d := moved(t, `interval = "1h"`, "INBOX", "INBOX.Alt", "INBOX.Alt.Kind", "INBOX.Weg", "INBOX.Gesendet")
	untouched := p.untouched(anna)
	c := p.login(d, anna)
	choose(t, c, "INBOX")
	expunge(t, c, 3)
	setFlags(t, c, 4, imap.StoreFlagsAdd, imap.FlagFlagged, "Mine")
	setFlags(t, c, 5, imap.StoreFlagsSet)
	// A session of Dovecot's that lists a maildir folder which another one is just making completes it, and that one says that it is there.
	var refused *imap.Error
	if err := c.Create("Eigener", nil).Wait(); err != nil && !(errors.As(err, &refused) && refused.Code == imap.ResponseCodeAlreadyExists) {
		t.Fatal(err)
	}
	if _, err := c.Move(imap.UIDSetNum(6), "Eigener").Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Rename("Alt", "Neu/Älter", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete("Weg").Wait(); err != nil {
		t.Fatal(err)
	}
	before := p.new.Snapshot(anna)
	for range 2 {
		syncAll(t, d.Config)
		if diff := before.Diff(p.new.Snapshot(anna)); diff != "" {
			t.Fatalf("a pass has changed the new server:\n%s", diff)
		}
	}
	untouched()

	// What comes late to the renamed folders arrives under their new names.
	for _, folder := range []string{"INBOX.Alt", "INBOX.Alt.Kind", "INBOX.Weg"} {
		p.arrives(folder, "late")
	}
	d.Restart()
	syncAll(t, d.Config)
	got := p.new.Snapshot(anna)
	for folder, want := range map[string]int{"Neu/Älter": 11, "Neu/Älter/Kind": 11, "INBOX": 8, "Eigener": 1, "Sent": 10} {
		if f := got.Folders[folder]; f == nil || len(f.Messages) != want {
			t.Errorf("%s: %+v, want %d messages", folder, f, want)
		}
	}
	for _, folder := range []string{"Weg", "Alt", "Alt/Kind"} {
		if got.Folders[folder] != nil {
			t.Errorf("%s is there again", folder)
		}
	}
}

// TestRenamedBeforeItIsCopied renames a folder through the proxy before anything
// but its name has been copied.
func TestRenamedBeforeItIsCopied(t *testing.T) {
	t.Parallel()
	p, d, untouched := unseen(t)
	c := p.login(d, anna)
	if err := c.Rename("Grüße aus Köln", "Köln", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete("日本語/2024").Wait(); err != nil {
		t.Fatal(err)
	}
	want := len(p.old.Snapshot(anna).Folders["INBOX.Grüße aus Köln"].Messages)
	if data := choose(t, c, "Köln"); int(data.NumMessages) != want {
		t.Errorf("%d messages in the renamed folder, want %d", data.NumMessages, want)
	}
	got := p.new.Snapshot(anna)
	for _, folder := range []string{"Grüße aus Köln", "日本語/2024"} {
		if got.Folders[folder] != nil {
			t.Errorf("%s is there again", folder)
		}
	}
	untouched()
}

// TestFlagsAreCarriedOver changes flags on both servers and wants the old
// server's changes to arrive, and only those. The messages have other UIDs there.
func TestFlagsAreCarriedOver(t *testing.T) {
	t.Parallel()
	const shift = 3
	p := startPair(t, anna)
	p.new.Append(anna, "INBOX", lab.Generate(9, shift, 600)...)
	c := p.new.Client(anna)
	choose(t, c, "INBOX")
	for uid := imap.UID(1); uid <= shift; uid++ {
		expunge(t, c, uid)
	}
	p.old.FillMaildir(anna, "INBOX", lab.Generate(1, 10, 1000))
	d := p.serve()
	takeOverAll(t, d.Config, anna)
	syncAll(t, d.Config)
	p.sameMail(anna)

	old := p.old.Client(anna)
	c = p.login(d, anna)
	choose(t, old, "INBOX")
	choose(t, c, "INBOX")
	for uid := imap.UID(1); uid <= 5; uid++ {
		setFlags(t, old, uid, imap.StoreFlagsSet, imap.FlagSeen)
	}
	syncAll(t, d.Config)

	setFlags(t, old, 1, imap.StoreFlagsAdd, imap.FlagFlagged, "$Carried")
	setFlags(t, old, 2, imap.StoreFlagsSet)
	setFlags(t, old, 3, imap.StoreFlagsAdd, imap.FlagAnswered)
	setFlags(t, c, 3+shift, imap.StoreFlagsSet, imap.FlagFlagged, "Mine") // \Seen taken away, on the new server only
	setFlags(t, c, 4+shift, imap.StoreFlagsSet)
	setFlags(t, old, 5, imap.StoreFlagsSet, imap.FlagSeen) // no change
	if out := syncAll(t, d.Config); !strings.Contains(out, "3 flag changes carried over") {
		t.Errorf("the summary has no 3 flag changes:\n%s", out)
	}
	want := [][]imap.Flag{
		{"$Carried", imap.FlagFlagged, imap.FlagSeen},
		{},
		{"Mine", imap.FlagAnswered, imap.FlagFlagged},
		{},
		{imap.FlagSeen},
	}
	for i, m := range p.new.Snapshot(anna).Folders["INBOX"].Messages[:5] {
		if slices.Sort(want[i]); !slices.Equal(m.Flags, want[i]) {
			t.Errorf("message %d has %q, want %q", i+1, m.Flags, want[i])
		}
	}
}
