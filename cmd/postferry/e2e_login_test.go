package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/lab"
	"postferry/store"
)

// TestOtherLoginAtNewServer imports somebody who has another login and password
// at the new server, and wants the old one and the new one to be good.
func TestOtherLoginAtNewServer(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	const newLogin, newPassword = "anna.new", "new one"
	p.new.AddUser(lab.User{Login: newLogin, Password: newPassword})
	p.new.AddUser(lab.User{Login: anna, Password: "nobody knows"}) // another person's there
	p.old.FillMaildir(anna, "INBOX", lab.Generate(1, 20, 1000))
	d := p.serve()
	takeOver(t, d.Config, fmt.Sprintf("%s %s %s %s\n", anna, quoted(odd), newLogin, quoted(newPassword)))
	for _, password := range []string{odd, newPassword} {
		c := p.client(d)
		if err := c.Login(anna, password).Wait(); err != nil {
			t.Fatalf("login with %q: %v", password, err)
		}
		if n := choose(t, c, "INBOX").NumMessages; n != 20 {
			t.Errorf("%d messages", n)
		}
	}
	for _, bad := range []string{"nobody knows", "", odd + "x"} {
		if err := p.client(d).Login(anna, bad).Wait(); err == nil {
			t.Errorf("login with %q was accepted", bad)
		}
	}
	if diff := lab.SameMail(p.old.Snapshot(anna), p.new.Snapshot(newLogin), renamed); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(d.Log(), newPassword) {
		t.Error("the new password is in the log")
	}
}

// TestPasswordChangedAtNewServer wants a login with a password that was changed
// at the new server to be let in, and the copying to go on with it.
func TestPasswordChangedAtNewServer(t *testing.T) {
	t.Parallel()
	p, d := moved(t, `interval = "1h"`, "INBOX")
	p.new.AddUser(lab.User{Login: anna, Password: "changed"})
	c := p.client(d)
	if err := c.Login(anna, "changed").Wait(); err != nil {
		t.Fatal(err)
	}
	p.arrives("INBOX", "late")
	d.Restart()
	syncAll(t, d.Config)
	if n := messages(t, p.new.Client(anna), "INBOX"); n != 11 {
		t.Errorf("%d messages, want 11", n)
	}
}

// TestWaysToLogIn tries every way there is, on both listeners.
func TestWaysToLogIn(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.newCA = false // one certificate is accepted instead
	p.domain = fmt.Sprintf("new_fingerprint = \"%x\"", p.new.Fingerprint)
	d := p.serve()
	takeOverAll(t, d.Config, anna)
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + anna + "\x00" + odd))
	for _, command := range []string{
		"LOGIN " + anna + " " + imapString(odd),
		"LOGIN " + imapString(anna) + " " + imapString(odd),
		"AUTHENTICATE PLAIN " + plain,
	} {
		if got := completion(p.talk(d).ask("%s", command)); !strings.HasPrefix(got, "TAG OK [CAPABILITY IMAP4rev1 ") || strings.Contains(got, "AUTH=") {
			t.Errorf("%s: %s", strings.SplitN(command, " ", 2)[0], got)
		}
	}
	k := p.talk(d)
	k.send("a AUTHENTICATE PLAIN\r\n")
	if got := k.response(); !strings.HasPrefix(got, "+ ") {
		t.Fatalf("got %q", got)
	}
	k.send(plain + "\r\n")
	if got := completion(k.until("a")); !strings.HasPrefix(got, "TAG OK ") {
		t.Errorf("AUTHENTICATE in two steps: %s", got)
	}

	if err := p.withStartTLS(d).Login(anna, odd).Wait(); err != nil {
		t.Errorf("after STARTTLS: %v", err)
	}
	c, err := imapclient.DialInsecure(d.IMAP(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(anna, odd).Wait(); err == nil || !strings.Contains(err.Error(), "PRIVACYREQUIRED") {
		t.Errorf("without TLS: %v", err)
	}
}

func (p *pair) withStartTLS(d *testDaemon) *imapclient.Client {
	p.t.Helper()
	c, err := imapclient.DialStartTLS(d.IMAP(), &imapclient.Options{TLSConfig: p.clientTLS()})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	return c
}

// TestEnrolment wants a login that both servers accept to become an account
// and to be copied, and no other login.
func TestEnrolment(t *testing.T) {
	t.Parallel()
	const newOnly = "new.only@example.com"
	p := startPair(t, anna)
	p.new.AddUser(lab.User{Login: newOnly, Password: odd})
	p.old.FillMaildir(anna, "INBOX", lab.Generate(1, 20, 1000))
	p.old.FillMaildir(anna, "INBOX.Sub", lab.Generate(2, 20, 1000))
	p.oldURL = p.old.StartTLS().String()
	p.domain = fmt.Sprintf("enrol = true\nold_ca = %q", p.old.CA.File)
	d := p.serve()
	if n := choose(t, p.login(d, newOnly), "INBOX").NumMessages; n != 0 {
		t.Errorf("%d messages", n)
	}
	if totals, _ := statusOf(t, d.Config); totals.Accounts != 0 {
		t.Errorf("%d accounts after a login that the old server refuses", totals.Accounts)
	}
	if n := choose(t, p.login(d, anna), "INBOX").NumMessages; n != 20 {
		t.Errorf("%d messages right after enrolment, want 20", n)
	}
	_, accounts := statusOf(t, d.Config)
	if a, ok := accounts[anna]; !ok || a.Origin != store.Enrolled {
		t.Errorf("enrolled as %+v", a)
	}
	eventually(t, "a complete pass", func() bool {
		_, accounts := statusOf(t, d.Config)
		return accounts[anna].Complete
	})
	p.sameMail(anna)
}

// TestNoEnrolment wants a login that nobody imported to be relayed and no more.
func TestNoEnrolment(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.old.FillMaildir(anna, "INBOX", lab.Generate(1, 20, 1000))
	line := lab.FaultLine(t, p.old.IMAP, nil)
	p.oldURL = "imap+insecure://" + line.Addr
	d := p.serve()
	c := p.login(d, anna)
	if n := choose(t, c, "INBOX").NumMessages; n != 0 {
		t.Errorf("%d messages", n)
	}
	appendLetter(t, c, "INBOX", "mine")
	if totals, _ := statusOf(t, d.Config); totals.Accounts != 0 || line.Connections() != 0 {
		t.Errorf("%d accounts, %d connections to the old server", totals.Accounts, line.Connections())
	}
}

// TestLoginWithoutDomain wants a login without @ to belong to the default domain.
func TestLoginWithoutDomain(t *testing.T) {
	t.Parallel()
	const bert = "bert"
	p := startPair(t, bert)
	p.old.FillMaildir(bert, "INBOX", lab.Generate(1, 20, 1000))
	p.domain = "default = true"
	d := p.serve()
	takeOverAll(t, d.Config, bert)
	if n := choose(t, p.login(d, bert), "INBOX").NumMessages; n != 20 {
		t.Errorf("%d messages", n)
	}
	if err := p.client(d).Login("bert@elsewhere.example", odd).Wait(); err == nil {
		t.Error("a login of another domain was accepted")
	}
}
