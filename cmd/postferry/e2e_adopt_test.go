package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/lab"
)

// TestCopiesOfOthersAreAdopted begins where another tool has copied the mail already:
// nothing is copied again, and from then on the copies are ours.
func TestCopiesOfOthersAreAdopted(t *testing.T) {
	for name, tool := range map[string]func(p *pair){"mbsync": (*pair).mbsyncAcross, "one by one": (*pair).copyOneByOne} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, anna)
			fillForAdoption(p)
			tool(p)
			before := p.new.Snapshot(anna)
			check := p.untouched(anna)
			config := filepath.Join(t.TempDir(), "config.toml")
			writeFile(t, config, p.config())
			takeOverAll(t, config, anna)
			if out := syncAll(t, config); !strings.Contains(out, "0 messages copied (0 B)") || !strings.Contains(out, "106 found on the new server already") {
				t.Errorf("the first pass:\n%s", out)
			}
			if diff := before.Diff(p.new.Snapshot(anna)); diff != "" {
				t.Errorf("the new server has changed:\n%s", diff)
			}
			check()
			p.checkAdopted(config)
		})
	}
}

// fillForAdoption puts 106 messages on the old server: some have no Message-ID, and
// three are the same.
func fillForAdoption(p *pair) {
	p.old.FillMaildir(anna, "INBOX", lab.Generate(1, 80, 1500))
	p.old.FillMaildir(anna, "INBOX.Projekte", lab.Generate(2, 20, 1500))
	notice := lab.Msg{Body: letter("quota"), Flags: []imap.Flag{imap.FlagSeen}}
	p.old.FillMaildir(anna, "INBOX", []lab.Msg{notice, notice, notice, {Body: letter("first")}, {Body: letter("second")}, {Body: letter("third, longer")}})
	p.old.Open(anna, "INBOX", "INBOX.Projekte")
	c := p.new.Client(anna)
	lab.Create(p.t, c, "Projekte")
}

// mbsyncAcross copies with mbsync from server to server. It marks its copies (X-TUID).
func (p *pair) mbsyncAcross() {
	p.t.Helper()
	dir := p.t.TempDir()
	writeFile(p.t, dir+"/password", odd)
	account := func(name, addr string) string {
		_, port, _ := strings.Cut(addr, ":")
		return fmt.Sprintf("IMAPAccount %s\nHost localhost\nPort %s\nUser %s\nPassCmd \"cat %s/password\"\nSSLType IMAPS\n"+
			"SystemCertificates no\nCertificateFile %s\nAuthMechs PLAIN\n\nIMAPStore %[1]s\nAccount %[1]s\n", name, port, anna, dir, p.ca.File)
	}
	channel := func(name, far, near string) string {
		return fmt.Sprintf("\nChannel %s\nFar :far:%s\nNear :near:%s\nSync PullNew\nCopyArrivalDate yes\nSyncState %s/\n", name, far, near, dir)
	}
	writeFile(p.t, dir+"/config", "FSync no\n\n"+account("far", p.old.IMAPS)+"\n"+account("near", p.new.IMAPS)+
		channel("inbox", "INBOX", "INBOX")+channel("projekte", "Projekte", "Projekte"))
	cmd := exec.CommandContext(p.t.Context(), "mbsync", "--config", dir+"/config", "--all")
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("mbsync: %v\n%s", err, out)
	}
	c := p.new.Client(anna)
	choose(p.t, c, "INBOX")
	if marked, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "X-TUID"}}}, nil).Wait(); err != nil || len(marked.AllUIDs()) != 86 {
		p.t.Fatalf("%d copies of mbsync's are marked, %v", len(marked.AllUIDs()), err)
	}
}

// copyOneByOne copies as imapsync does: one APPEND after the other, with the date and
// the system flags.
func (p *pair) copyOneByOne() {
	p.t.Helper()
	from, to := p.old.Client(anna), p.new.Client(anna)
	for _, folder := range []string{"INBOX", "INBOX.Projekte"} {
		if _, err := from.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
			p.t.Fatal(err)
		}
		whole := &imap.FetchItemBodySection{Peek: true}
		msgs, err := from.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{whole}}).Collect()
		if err != nil {
			p.t.Fatal(err)
		}
		slices.Reverse(msgs) // nor does the order matter
		for _, m := range msgs {
			flags := slices.DeleteFunc(m.Flags, func(f imap.Flag) bool { return f == `\Recent` || !strings.HasPrefix(string(f), `\`) })
			if err := lab.Append(to, renamed(folder), lab.Msg{Body: m.FindBodySection(whole), Flags: flags, Date: m.InternalDate}); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

// checkAdopted: what happens to messages on the old server happens to their adopted
// copies, and none that its user deletes comes back.
func (p *pair) checkAdopted(config string) {
	p.t.Helper()
	old, new := p.old.Client(anna), p.new.Client(anna)
	subject := func(c *imapclient.Client, text string) imap.UIDSet {
		found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: text}}}, nil).Wait()
		if err != nil {
			p.t.Fatal(err)
		}
		return imap.UIDSetNum(found.AllUIDs()...)
	}
	choose(p.t, old, "INBOX")
	choose(p.t, new, "INBOX")
	flag := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}
	if err := old.Store(subject(old, "second"), flag, nil).Close(); err != nil {
		p.t.Fatal(err)
	}
	gone := subject(new, "first")
	expungeSet(p.t, new, gone)
	p.arrives("INBOX", "quota") // a fourth one, of another date
	if out := syncAll(p.t, config); !strings.Contains(out, "1 message copied") {
		p.t.Errorf("the second pass:\n%s", out)
	}
	if err := new.Noop().Wait(); err != nil {
		p.t.Fatal(err)
	}
	flagged, err := new.UIDSearch(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagFlagged}, Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "second"}}}, nil).Wait()
	if err != nil || len(flagged.AllUIDs()) != 1 {
		p.t.Errorf("flagged: %v, %v", flagged, err)
	}
	if back := subject(new, "first"); len(back) > 0 {
		p.t.Errorf("a deleted message came back: %v", back)
	}
}

func expungeSet(t *testing.T, c *imapclient.Client, set imap.UIDSet) {
	t.Helper()
	if err := c.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.UIDExpunge(set).Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAdoptionCounts: of three identical messages on the old server, with one on the new
// one already, two are copied, with and without a Message-ID.
func TestAdoptionCounts(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	with, without := lab.Generate(1, 1, 1000)[0], lab.Msg{Body: letter("quota")}
	p.old.FillMaildir(anna, "INBOX", []lab.Msg{with, without, with, without, with, without})
	p.new.Append(anna, "INBOX", with, without)
	config := filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, config, p.config())
	takeOverAll(t, config, anna)
	for _, want := range []string{"4 messages copied", "0 messages copied"} {
		if out := syncAll(t, config); !strings.Contains(out, want) {
			t.Errorf("want %s:\n%s", want, out)
		}
	}
	p.sameMail(anna)
}
