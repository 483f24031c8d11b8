package syncer_test

import (
	"strings"
	"testing"
	"time"

	"postferry/internal/lab"
)

// TestServersRepairedBefore: of a message that Cyrus refuses, and that arrives late, a
// repaired copy is looked for before one is made.
func TestServersRepairedBefore(t *testing.T) {
	t.Parallel()
	m := startRelocation(t, maildir, cyrusUnix)
	old, c := m.old.Client(anna), m.new.Client(anna)
	give := func(subject string) lab.Msg {
		body := "Subject: " + subject + "\r\nbroken\r\n\r\nText\r\n"
		return lab.Msg{Body: []byte(body), Date: time.Date(2021, 5, 6, 7, 8, 9, 0, time.UTC)}
	}
	there, missing := give("there"), give("missing")
	mended := there
	mended.Body = []byte(strings.Replace(string(there.Body), "broken", " broken", 1))
	if err := lab.Append(old, "INBOX", lab.Generate(1, 1, 700)[0]); err != nil {
		t.Fatal(err)
	}
	m.pass()
	if err := lab.Append(c, "INBOX", mended); err != nil {
		t.Fatal(err)
	}
	for _, msg := range []lab.Msg{there, there, missing} {
		if err := lab.Append(old, "INBOX", msg); err != nil {
			t.Fatal(err)
		}
	}
	if p := m.pass(); p.Adopted != 1 || p.Copied != 2 || p.Quarantined != 0 || !p.Complete {
		t.Errorf("%+v", p)
	}
	if n := len(m.new.Snapshot(anna).Folders["INBOX"].Messages); n != 4 {
		t.Errorf("%d messages", n)
	}
	m.before, m.after = m.old.Snapshot(anna), m.new.Snapshot(anna)
	m.checkSecondPass()
}
