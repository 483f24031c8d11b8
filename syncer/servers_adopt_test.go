package syncer_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"postferry/internal/lab"
)

// TestServersAdopt: of messages that are already on the new server those are recognised that
// are copies, and not those that are merely alike: both are there afterwards.
func TestServersAdopt(t *testing.T) {
	date := time.Date(2021, 5, 6, 7, 8, 9, 0, time.UTC)
	mail := func(n int, more string) lab.Msg {
		return lab.Msg{Date: date.Add(time.Duration(n) * time.Hour), Body: fmt.Appendf(nil,
			"Message-ID: <%d@example.com>\r\nDate: Thu, 6 May 2021 07:08:09 +0000\r\nFrom: a@example.com\r\nSubject: number %d\r\n\r\nText of %d\r\nmore\r\n%s", n, n, n, more)}
	}
	footer := string(bytes.Repeat([]byte("________________\r\nlist@example.com\r\n"), 24))
	for _, to := range []kind{maildir, sdbox, cyrusUnix, courierIMAP} {
		t.Run(to.name, func(t *testing.T) {
			t.Parallel()
			m := startRelocation(t, maildir, to)
			old, nu := m.old.Client(anna), m.new.Client(anna)
			for n := range 6 {
				if err := lab.Append(old, "INBOX", mail(n, "")); err != nil {
					t.Fatal(err)
				}
			}
			marked := mail(1, "")
			marked.Body = append([]byte("X-TUID: abcdefghijkl\r\nX-Spam-Flag: NO\r\n"), marked.Body...)
			for _, msg := range []lab.Msg{mail(0, ""), marked, mail(2, footer), mail(3, "draft\r\n")} {
				if err := lab.Append(nu, "INBOX", msg); err != nil {
					t.Fatal(err)
				}
			}
			p := m.pass()
			if p.Adopted != 2 || p.Copied != 4 || !p.Complete || p.Quarantined > 0 {
				t.Errorf("%+v", p)
			}
			bodies := map[string]int{}
			for _, msg := range m.new.Snapshot(anna).Folders["INBOX"].Messages {
				bodies[msg.Sum]++
			}
			for _, msg := range []lab.Msg{mail(0, ""), mail(2, ""), mail(3, ""), mail(4, ""), mail(5, ""), mail(2, footer), mail(3, "draft\r\n")} {
				if n := bodies[fmt.Sprintf("%x", sha256.Sum256(msg.Body))]; n != 1 {
					t.Errorf("%d times: %.120q", n, msg.Body)
				}
			}
			if len(bodies) != 8 {
				t.Errorf("%d messages", len(bodies))
			}
			if p := m.pass(); p.Copied != 0 || p.Adopted != 0 || !p.Complete {
				t.Errorf("second pass: %+v", p)
			}
		})
	}
}
