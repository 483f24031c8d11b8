package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/internal/lab/nameserver"
	"postferry/store"
)

const (
	// watchedVariable says how many accounts TestManyWatched watches.
	watchedVariable = "POSTFERRY_TEST_WATCHED"
	// watchedTries is how many of them get late mail at most, watchedMedian how soon it has to be at the new server.
	watchedTries  = 20
	watchedMedian = 2 * time.Second
)

// TestManyWatched: after the MX has moved late mail is at the new server within two seconds in the median, however many
// accounts wait for it at the old one.
func TestManyWatched(t *testing.T) {
	t.Parallel()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(watchedVariable), "4"))
	if err != nil || n < 1 {
		t.Fatalf("%s is no number of accounts", watchedVariable)
	}
	var logins []string
	for i := range n {
		logins = append(logins, fmt.Sprintf("user%03d@example.com", i))
	}
	p := startPair(t, logins...)
	for i, login := range logins {
		p.old.FillMaildir(login, "INBOX", lab.Generate(uint64(i), 2, 1000))
	}
	p.more = fmt.Sprintf("[watch]\nconnections = %d", n)
	d := newPageDaemon(t, nameserver.StartZone(t).Addr, p.config())
	takeOverAll(t, d.config, logins...)
	d.start()
	eventually(t, "all is copied", func() bool {
		all, err := d.d.store.Overview(t.Context(), "example.com")
		return err == nil && !slices.ContainsFunc(all, func(o store.Overview) bool { return !o.Summary.Complete })
	})
	moved := store.NamesSeen{When: time.Now(), MX: time.Now().Add(-time.Minute)}
	if err := d.d.store.NoteNames(t.Context(), "example.com", moved); err != nil {
		t.Fatal(err)
	}
	d.d.engine.MXMoved()
	eventually(t, "all are watched", func() bool { return len(p.old.Sessions()) >= n })
	var took []time.Duration
	for i := range min(n, watchedTries) {
		took = append(took, p.lateMail(logins[i*n/min(n, watchedTries)]))
	}
	slices.Sort(took)
	median := took[len(took)/2]
	t.Logf("%d accounts watched, %d late messages: %s in the median, %s at worst", n, len(took), median.Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	if median > watchedMedian {
		t.Errorf("late mail took %s in the median", median)
	}
}

// lateMail delivers a message to the old server and waits until it is at the new one.
func (p *pair) lateMail(login string) time.Duration {
	p.t.Helper()
	c := p.new.Client(login)
	defer c.Close()
	before := messages(p.t, c, "INBOX")
	p.old.Append(login, "INBOX", lab.Msg{Body: []byte("From: late@example.net\r\nSubject: late\r\nMessage-ID: <late-" + login + ">\r\n\r\nx\r\n"), Date: time.Now()})
	came := time.Now()
	eventually(p.t, "late mail", func() bool { return messages(p.t, c, "INBOX") > before })
	return time.Since(came)
}
