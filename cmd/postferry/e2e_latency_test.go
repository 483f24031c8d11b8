package main

import (
	"testing"
	"time"

	"postferry/internal/lab"
)

// TestFarAwayOldServer opens a folder of a thousand messages while the old
// server is 150 ms away.
func TestFarAwayOldServer(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.old.FillMaildir(anna, "INBOX.Groß", lab.Generate(1, 1000, 4000))
	untouched := p.untouched(anna)
	line := lab.DelayLine(t, p.old.IMAP, 75*time.Millisecond)
	p.oldURL = "imap+insecure://" + line.Addr
	p.domain = "enrol = true"
	d := p.serve()
	start := time.Now()
	c := p.login(d, anna)
	t.Logf("the first login took %s", time.Since(start))
	start = time.Now()
	data := choose(t, c, "Groß")
	took := time.Since(start)
	t.Logf("opening 1,000 messages took %s", took)
	if data.NumMessages != 1000 {
		t.Errorf("%d messages, want all 1,000", data.NumMessages)
	}
	if took > 10*time.Second {
		t.Errorf("opening 1,000 messages took %s", took)
	}
	syncAll(t, d.Config)
	p.sameMail(anna)
	untouched()
}
