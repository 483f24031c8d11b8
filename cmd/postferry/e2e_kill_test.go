package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/store"
)

const (
	kills       = 50
	killedUsers = 4
	perFolder   = 250  // messages in each of two folders
	killedSize  = 4000 // octets of a message
)

// TestKilled50Times kills the daemon fifty times while it copies 2,000
// messages of four accounts, and wants every message once in the end.
//
// A kill falls after a random number of octets that went to the new server and
// then some random milliseconds, so that it hits all that happens to a batch:
// its intents written, half of it sent, stored but not confirmed, confirmed but
// not recorded. Every eighth falls into the time in which the daemon finds out
// what the kill before has left behind.
func TestKilled50Times(t *testing.T) {
	t.Parallel()
	var logins []string
	for i := range killedUsers {
		logins = append(logins, fmt.Sprintf("user%d@example.com", i))
	}
	p := startPair(t, logins...)
	for i, login := range logins {
		for j, folder := range []string{"INBOX", "INBOX.Zweiter"} {
			p.old.FillMaildir(login, folder, lab.Generate(uint64(10*i+j), perFolder, killedSize))
		}
	}
	line := lab.FaultLine(t, p.new.IMAP, nil)
	p.newURL, p.newCA = "imap+insecure://"+line.Addr, false
	d := p.serve()
	takeOverAll(t, d.Config, logins...)

	var at remains
	hits, intents := 0, 0
	for n := range kills {
		if n%8 == 7 {
			wait(t, rand.N(3*time.Second))
		} else {
			p.awaitUpload(line, at.upload(kills-n))
			wait(t, rand.N(10*time.Millisecond))
		}
		d.Kill9()
		at = readRemains(t, d.Config)
		if at.intents > 0 {
			hits++
			intents += at.intents
		}
		d.Restart()
	}
	t.Logf("%d of %d kills hit with intents pending, %d intents in all; %d messages were recorded at the last kill",
		hits, kills, intents, at.copied)
	if hits < kills/2 {
		t.Errorf("only %d of %d kills hit with intents pending", hits, kills)
	}
	syncAll(t, d.Config)
	for _, login := range logins {
		p.sameMail(login)
	}
}

// remains is what a killed daemon has left in its state.
type remains struct{ copied, intents int }

// upload draws after how many octets the next kill falls, so that what is left
// to copy lasts for all kills that are left.
func (r remains) upload(killsLeft int) int64 {
	left := (killedUsers*2*perFolder - r.copied - r.intents) * killedSize
	return rand.Int64N(int64(max(min(2*left/killsLeft, left*3/4), 1)))
}

// awaitUpload waits until the daemon has sent n octets more to the new server.
func (p *pair) awaitUpload(line *lab.Faulty, n int64) {
	p.t.Helper()
	before, _ := line.Bytes()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if now, _ := line.Bytes(); now-before >= n {
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("%d octets did not reach the new server", n)
		case <-tick.C:
		}
	}
}

// wait lets time pass.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

// readRemains reads the state of a killed daemon.
func readRemains(t *testing.T, config string) (r remains) {
	t.Helper()
	st, err := store.Open(filepath.Join(filepath.Dir(config), "state"), store.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	accounts, err := st.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts {
		folders, err := st.Folders(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range folders {
			ledger, err := st.Ledger(t.Context(), a.ID, f.ID)
			if err != nil {
				t.Fatal(err)
			}
			r.copied += len(ledger.Entries)
			r.intents += len(ledger.Intents)
		}
	}
	return r
}
