package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
)

// TestSearchFindsWhatIsNotHereYet opens a folder that is filled at fifty messages a second, and
// searches it for old mail, with umlauts and without: it is found at once, while the newest is there
// since the folder opened. Afterwards everything is there once.
func TestSearchFindsWhatIsNotHereYet(t *testing.T) {
	t.Parallel()
	const all = 600
	p := startPair(t, anna)
	msgs := lab.Generate(1, all, 600)
	for i, subject := range map[int]string{20: "needle", 300: "needle again", 40: "=?utf-8?q?Gr=C3=BC=C3=9Fe?="} {
		msgs[i].Body = fmt.Appendf(nil, "Message-ID: <%d@search.example>\r\nFrom: x@example.com\r\nSubject: about %s\r\n\r\ntext\r\n", i, subject)
	}
	p.old.FillMaildir(anna, "INBOX.Viel", msgs)
	p.domain = "enrol = true\naccount_limits.messages_per_second = 50"
	d := p.serve()
	c := p.login(d, anna)
	var data *imap.SelectData
	within(t, 10*time.Second, "opening the folder", func() { data = choose(t, c, "Viel") })
	if data.NumMessages < 50 || data.NumMessages > all/2 {
		t.Errorf("%d messages right after opening", data.NumMessages)
	}
	for text, want := range map[string]int{"about needle": 2, "about Grüße": 1, "about nothing": 0} {
		within(t, 8*time.Second, "searching "+text, func() {
			found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: text}}}, nil).Wait()
			if err != nil {
				t.Fatal(err)
			}
			if got := len(found.AllUIDs()); got != want {
				t.Errorf("%q: %d hits, want %d", text, got, want)
			}
		})
	}
	if n := messages(t, p.new.Client(anna), "Viel"); n > all-50 {
		t.Errorf("%d messages are there already", n)
	}
	direct := p.new.Client(anna)
	eventually(t, "all messages", func() bool { return messages(t, direct, "Viel") == all })
	p.sameMail(anna)
}

// TestStatusOfFoldersNotFilledYet asks for the STATUS of all folders before any has been opened:
// those with few messages tell their true numbers at once.
func TestStatusOfFoldersNotFilledYet(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna, blocker)
	p.proxy = "status_wait = \"5s\""
	want := map[string]uint32{}
	for i := range 8 {
		folder := fmt.Sprintf("Few%d", i)
		p.old.FillMaildir(anna, "INBOX."+folder, lab.Generate(uint64(i+2), 5+i, 600))
		want[folder] = uint32(5 + i)
	}
	d := p.serveBlocked()
	c := p.login(d, anna)
	list, err := c.List("", "*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if n, ok := want[f.Mailbox]; ok && (f.Status == nil || *f.Status.NumMessages != n) {
			t.Errorf("%s: %+v, want %d messages", f.Mailbox, f.Status, n)
		}
	}
}
