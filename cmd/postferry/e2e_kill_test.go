package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/store/bolt"
)

const (
	kills       = 50
	killedUsers = 4
	perFolder   = 250   // messages in each of two folders
	killedSize  = 8_000 // octets of a message
)

// TestKilled50Times kills the daemon fifty times while it copies 2,000
// messages of four accounts, and wants every message once in the end.
//
// A kill falls after a random number of octets that went to the new server, at
// which the line stops, and then some random milliseconds, in which answers come
// back; so it hits all that happens to a batch: its intents written, half of it
// sent, stored but not confirmed, confirmed but not recorded. After every
// fourth, what the system had taken from the daemon still reaches the new
// server, after the others it is lost as in a power cut.
// Every eighth falls into the time in which the daemon finds out what the kill
// before has left behind.
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
	copying, pending := 0, 0
	for n := range kills {
		resume := func() {}
		if octets := at.upload(kills - n); n%8 == 7 || octets == 0 {
			wait(t, rand.N(3*time.Second))
		} else {
			resume = stopUpload(t, line, octets)
			copying++
			wait(t, rand.N(5*time.Millisecond))
		}
		if n%4 != 0 {
			line.Hang(true)
		}
		d.Kill9()
		resume()
		if n%4 != 0 {
			line.CutAll()
			line.Hang(false)
		}
		if at = readRemains(t, d.Config); at.intents > 0 {
			pending++
		}
		d.Restart()
	}
	t.Logf("of %d kills %d hit while messages were being sent, %d left intents behind; %d messages were recorded at the last",
		kills, copying, pending, at.copied)
	if copying < kills/2 || pending < kills/2 {
		t.Error("too few kills hit while something was going on")
	}
	syncAll(t, d.Config)
	for _, login := range logins {
		p.sameMail(login)
	}
}

// remains is what a killed daemon has left in its state.
type remains struct{ copied, intents int }

// upload draws after how many octets the next kill falls, so that what is left
// to copy lasts for all kills that are left; 0 if so little is left that they may never
// be sent. What is said besides the messages is not as much as the least of it.
func (r remains) upload(killsLeft int) int64 {
	const least = 20_000
	left := (killedUsers*2*perFolder - r.copied - r.intents) * killedSize
	if left < 4*least {
		return 0
	}
	return least + rand.Int64N(int64(max(left/2/killsLeft, 1)))
}

// stopUpload waits until n octets more have gone over the line, which stops there.
func stopUpload(t *testing.T, line *lab.Faulty, n int64) (resume func()) {
	t.Helper()
	stopped, resume := line.StopAfter(n)
	select {
	case <-stopped:
	case <-time.After(uploadPatience):
		t.Fatalf("%d octets have not been sent to the new server within %s", n, uploadPatience)
	}
	return resume
}

// uploadPatience is longer than a daemon needs on a busy machine to find out what a kill
// has left behind, and then to send something.
const uploadPatience = 2 * time.Minute

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
	st, err := bolt.Open(filepath.Join(filepath.Dir(config), "state"), bolt.Options{Command: "test"})
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
