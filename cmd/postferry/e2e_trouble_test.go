package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/lab"
)

const (
	// firstDelay is what a first login may take while the old server is in trouble:
	// the two seconds that it is waited for, once. laterDelay is what anything after
	// it may, for which nobody waits that long again.
	firstDelay = 3900 * time.Millisecond
	laterDelay = 1900 * time.Millisecond
)

// within runs a step and wants it to take no longer than limit.
func within(t *testing.T, limit time.Duration, what string, step func()) {
	t.Helper()
	start := time.Now()
	step()
	if took := time.Since(start); took > limit {
		t.Errorf("%s took %s, more than %s", what, took.Round(time.Millisecond), limit)
	}
}

// TestOldServerInTrouble wants people to work on with the new mailbox,
// whatever the old server does, and status to say what it is.
func TestOldServerInTrouble(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		trouble  func(*lab.Faulty)
		password string // for the old server
		says     []string
	}{
		{"down", func(l *lab.Faulty) { l.Refuse(true) }, odd, []string{"the old server", "can't be reached"}},
		{"hanging", func(l *lab.Faulty) { l.Hang(true) }, odd, []string{"the old server", "does not answer"}},
		{"hanging after the greeting", func(l *lab.Faulty) { l.HangAfterGreeting(true) }, odd, []string{"the old server", "does not answer"}},
		{"refusing the password", func(*lab.Faulty) {}, "wrong", []string{"the old server", "refused the password"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, anna)
			p.old.FillMaildir(anna, "INBOX", lab.Generate(1, 10, 1000))
			p.new.Append(anna, "INBOX", lab.Msg{Body: letter("here already")})
			p.new.Create(anna, "Projekt")
			untouched := p.untouched(anna)
			line := lab.FaultLine(t, p.old.IMAP, nil)
			tt.trouble(line)
			p.oldURL = "imap+insecure://" + line.Addr
			p.sync = `stall = "6s"` // longer than anybody should wait
			p.sync += "\ninterval = \"1s\""
			d := p.serve()
			takeOver(t, d.Config, fmt.Sprintf("%s %s %s %s\n", anna, quoted(tt.password), anna, quoted(odd)))

			p.worksOn(d, firstDelay)
			p.worksOn(d, laterDelay)
			p.statusSays(d.Config, tt.says...)
			untouched()

			if tt.password == odd {
				line.Refuse(false)
				line.Hang(false)
				line.HangAfterGreeting(false)
			} else {
				takeOverAll(t, d.Config, anna)
			}
			direct := p.new.Client(anna)
			eventually(t, "the mail of the old server that is well again", func() bool { return messages(t, direct, "INBOX") == 10+3 })
			untouched()
		})
	}
}

// worksOn reads and writes the new mailbox as a person would.
func (p *pair) worksOn(d *testDaemon, loginLimit time.Duration) {
	t := p.t
	t.Helper()
	c := p.client(d)
	within(t, loginLimit, "the login", func() {
		if err := c.Login(anna, odd).Wait(); err != nil {
			t.Fatal(err)
		}
	})
	within(t, laterDelay, "LIST", func() {
		if boxes, err := c.List("", "*", nil).Collect(); err != nil || len(boxes) < 2 {
			t.Errorf("LIST: %d folders, %v", len(boxes), err)
		}
	})
	within(t, laterDelay, "opening INBOX", func() { choose(t, c, "INBOX") })
	within(t, laterDelay, "reading", func() {
		got, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}}).Collect()
		if err != nil || len(got) != 1 || !bytes.Equal(got[0].BodySection[0].Bytes, letter("here already")) {
			t.Errorf("FETCH: %d messages, %v", len(got), err)
		}
	})
	within(t, laterDelay, "a flag", func() {
		if err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagAnswered}}, nil).Close(); err != nil {
			t.Error(err)
		}
	})
	within(t, laterDelay, "writing", func() { appendLetter(t, c, "INBOX", "written meanwhile") })
	within(t, laterDelay, "opening a folder", func() { choose(t, c, "Projekt") })
	if err := c.Logout().Wait(); err != nil {
		t.Error(err)
	}
}

func appendLetter(t *testing.T, c *imapclient.Client, folder, subject string) {
	t.Helper()
	body := letter(subject)
	cmd := c.Append(folder, int64(len(body)), nil)
	if _, err := cmd.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Wait(); err != nil {
		t.Errorf("APPEND: %v", err)
	}
}

// statusSays waits until status has an error whose summary has all the words.
func (p *pair) statusSays(config string, words ...string) {
	t := p.t
	t.Helper()
	var out string
	eventually(t, fmt.Sprintf("a status with %q", words), func() bool {
		_, accounts := statusOf(t, config)
		last := accounts[anna].Problem
		if last == nil {
			return false
		}
		out = last.Summary.String()
		return true
	})
	for _, word := range words {
		if !strings.Contains(strings.ToLower(out), word) {
			t.Errorf("the error's summary has no %q: %s", word, out)
		}
	}
	if _, table, _ := postferry(t, "", "status", "-c", config); !strings.Contains(inOneLine(table), strings.TrimSuffix(out, ".")) {
		t.Errorf("status for people has no %q:\n%s", out, table)
	}
	t.Logf("status says: %s", out)
}

// troubledNew is a daemon in front of a new server that can be put into trouble.
type troubledNew struct {
	*pair
	daemon *testDaemon
	line   *lab.Faulty
}

func startTroubledNew(t *testing.T) troubledNew {
	t.Helper()
	p := startPair(t, anna)
	line := lab.FaultLine(t, p.new.IMAP, nil)
	p.newURL, p.newCA = "imap+insecure://"+line.Addr, false
	d := p.serve()
	takeOverAll(t, d.Config, anna)
	return troubledNew{p, d, line}
}

// refuses wants a login to be refused while there is trouble, and accepted afterwards.
func (s troubledNew) refuses(name string, trouble func(on bool)) {
	t := s.t
	trouble(true)
	k := s.talk(s.daemon)
	// A slow server is waited for as long as clients wait, which is a minute.
	within(t, 75*time.Second, "a refusal while the new server is "+name, func() {
		if got := completion(k.login(odd)); !strings.HasPrefix(got, "TAG NO [UNAVAILABLE] ") {
			t.Errorf("login while the new server is %s: %s", name, got)
		}
	})
	trouble(false)
	if got := completion(k.login(odd)); !strings.HasPrefix(got, "TAG OK ") {
		t.Errorf("login after the new server was %s: %s", name, got)
	}
}

// TestNewServerInTrouble wants a client to be told, and never to hang.
func TestNewServerInTrouble(t *testing.T) {
	t.Parallel()
	one, other := startTroubledNew(t), startTroubledNew(t)
	var g sync.WaitGroup // both wait for a minute
	g.Go(func() { other.refuses("hanging after the greeting", other.line.HangAfterGreeting) })
	one.refuses("down", one.line.Refuse)
	one.refuses("hanging", one.line.Hang)
	g.Wait()
	open := one.talk(one.daemon)
	if got := completion(open.login(odd)); !strings.HasPrefix(got, "TAG OK ") {
		t.Fatalf("login: %s", got)
	}
	one.line.CutAll()
	open.endsWithBye()
}

// endsWithBye wants the last response to be a BYE.
func (k *talk) endsWithBye() {
	k.t.Helper()
	rest, err := io.ReadAll(k.r)
	lines := strings.Split(strings.TrimSpace(string(rest)), "\r\n")
	if last := lines[len(lines)-1]; err != nil || !strings.HasPrefix(last, "* BYE [UNAVAILABLE] ") {
		k.t.Errorf("the connection ended with %q, %v", last, err)
	}
}

// talk is a raw conversation with the daemon.
func (p *pair) talk(d *testDaemon) *talk {
	p.t.Helper()
	return talkTo(p.t, d.IMAPS(), p.clientTLS())
}

// login logs anna in.
func (k *talk) login(password string) []string {
	k.t.Helper()
	return k.ask("LOGIN %s %s", anna, imapString(password))
}

// TestWrongPassword wants a refusal in the words that clients understand.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna, "unknown@example.com")
	p.domain = "enrol = true"
	d := p.serve()
	takeOverAll(t, d.Config, anna)
	k := p.talk(d)
	for _, login := range []string{anna, "unknown@example.com", "nobody@example.com", "anna@elsewhere.example"} {
		if got := completion(k.ask("LOGIN %s wrong", login)); !strings.HasPrefix(got, "TAG NO [AUTHENTICATIONFAILED] ") {
			t.Errorf("login of %s: %s", login, got)
		}
	}
	if got := completion(k.login(odd)); !strings.HasPrefix(got, "TAG OK ") {
		t.Errorf("login: %s", got)
	}
}
