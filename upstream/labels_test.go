package upstream

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
	"postferry/store"
)

// TestLabels: what a server tells of labels is bound to the message it comes with, in any spelling.
func TestLabels(t *testing.T) {
	items := []string{
		`X-GM-MSGID 1278455344230334865 X-GM-LABELS ("\\Inbox" "\\Sent" Important "Muy Importante")`,
		`X-GM-LABELS () X-GM-MSGID 18446744073709551615`,
		`X-GM-LABELS (\Inbox {4}` + "\r\n" + `a)(b "say \"no\"" &ZeVnLIqe- (x (y)) NIL) X-GM-MSGID (1)`,
		`X-GM-LABELS NIL X-GM-MSGID no-number`,
		`X-GM-MSGID 5`,
	}
	server := lab.StartOdd(t, lab.OddOptions{Lies: string(capGmail), Fetch: func(c *lab.OddConn, m *lab.OddMessage, response string) string {
		item := items[m.UID-1]
		return strings.Replace(response, "(UID", "("+item+" UID", 1)
	}})
	for range items {
		server.Deliver("INBOX", "Subject: x\r\n\r\ntext\r\n", "01-Jan-2020 00:00:00 +0000")
	}
	s := dialDovecot(t, server.Server(), store.Credentials{Login: "ann", Password: "hush-0f-ann"})
	if !s.Fetcher.HasLabels() {
		t.Fatal("it has none")
	}
	if _, err := s.Opener.Examine(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	if err := s.Fetcher.ListMessages(t.Context(), uids(1, 0), 0, func(Message) error { return nil }); err != nil {
		t.Errorf("labels that nobody asked for: %v", err)
	}
	var got []string
	if err := s.Fetcher.Labels(t.Context(), uids(1, 0), func(l Labelled) error {
		got = append(got, fmt.Sprintf("%d %d %q", l.UID, l.ID, l.Labels))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`1 1278455344230334865 ["\\Inbox" "\\Sent" "Important" "Muy Importante"]`,
		`2 18446744073709551615 []`,
		`3 0 ["\\Inbox" "a)(b" "say \"no\"" "&ZeVnLIqe-" "NIL"]`,
		`4 0 []`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err := s.Fetcher.Labels(t.Context(), imap.UIDSetNum(99), func(Labelled) error { t.Error("told"); return nil }); err != nil {
		t.Error(err)
	}
}
