package syncer_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/internal/lab"
)

// TestOrderOnServers: of a folder that was filled newest first the newest messages are the last
// ones on Dovecot and Cyrus afterwards, each once and with its flags. A server that can't
// move them has them as they were.
func TestOrderOnServers(t *testing.T) {
	t.Parallel()
	for to, restored := range map[*kind]bool{&sdbox: true, &maildir: true, &cyrusUnix: true, &courierIMAP: false} {
		t.Run(to.name, func(t *testing.T) {
			t.Parallel()
			m := startRelocationWith(t, sdbox, *to, func(c *config.Config) { c.Proxy.VisitWait, c.Proxy.VisitWindow = time.Nanosecond, 8 })
			c := m.old.Client(anna)
			var want []string
			for i := range 70 {
				subject := fmt.Sprintf("number %d", i)
				want = append(want, subject)
				msg := lab.Msg{Body: fmt.Appendf(nil, "Message-ID: <%d@example.com>\r\nFrom: a@example.com\r\nSubject: %s\r\n\r\nText\r\n", i, subject), Date: time.Unix(1700000000+int64(i), 0)}
				if i == 68 {
					msg.Flags = []imap.Flag{imap.FlagFlagged}
				}
				if err := lab.Append(c, "INBOX", msg); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			m.engine.Connected(ctx, m.account)
			m.engine.Visit(ctx, m.account, "INBOX", nil)
			m.engine.Disconnected(m.account)
			for range 2 {
				results, err := m.engine.Sync(ctx, nil, nil)
				if err != nil || !results[0].Pass.Complete || results[0].Problem != nil {
					t.Fatalf("%v, %+v", err, results)
				}
			}
			got, flagged := m.subjects()
			if flagged != "number 68" {
				t.Errorf("%q is flagged", flagged)
			}
			if in := slices.Equal(got, want); in != restored {
				t.Errorf("in order: %v; %q", in, got)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%d messages: %q", len(got), got)
			}
		})
	}
}

// subjects are those of the new INBOX, in its order, and that of a message that is flagged.
func (m *relocation) subjects() (all []string, flagged string) {
	m.Helper()
	c := m.new.Client(anna)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		m.Fatal(err)
	}
	msgs, err := c.Fetch(imap.SeqSet{imap.SeqRange{Start: 1}}, &imap.FetchOptions{Envelope: true, Flags: true}).Collect()
	if err != nil {
		m.Fatal(err)
	}
	for _, msg := range msgs {
		all = append(all, msg.Envelope.Subject)
		if slices.Contains(msg.Flags, imap.FlagFlagged) {
			flagged = msg.Envelope.Subject
		}
	}
	return all, flagged
}
