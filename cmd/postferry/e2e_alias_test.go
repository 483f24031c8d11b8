package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/lab"
	"postferry/store"
)

const aliasPassword = "simple-password"

// startAliasPair is a pair of servers at which all logins with the same name before @ or * are one user's, as
// auth_username_format and master users make them.
func startAliasPair(t *testing.T) *pair {
	t.Helper()
	ca := lab.NewCA(t)
	p := &pair{t: t, ca: ca, newCA: true, domain: "enrol = true\ndefault = true"}
	opt := lab.DovecotOptions{CA: ca, AutoCreate: true, Users: []lab.User{{Login: "anna", Password: aliasPassword}, {Login: "berta", Password: aliasPassword}},
		ExtraConfig: `
auth_username_format = %Ln
auth_master_user_separator = *
passdb {
  driver = static
  master = yes
  args = password=` + aliasPassword + `
}
`}
	p.old, p.new = lab.StartDovecot(t, opt), lab.StartDovecot(t, opt)
	p.oldURL, p.newURL = p.old.Insecure().String(), p.new.ImplicitTLS().String()
	return p
}

// enter logs in through the relay.
func (p *pair) enter(d *testDaemon, login string) *imapclient.Client {
	p.t.Helper()
	c := p.client(d)
	if err := c.Login(login, aliasPassword).Wait(); err != nil {
		p.t.Fatalf("login as %s: %v", login, err)
	}
	return c
}

// TestLoginsOfOneMailbox: whoever logs in through the relay with another login of their mailbox sees the same mail,
// once; the accounts that are enrolled thereby are aliases. A master user's login is that of the account. Another
// person stays another.
func TestLoginsOfOneMailbox(t *testing.T) {
	t.Parallel()
	p := startAliasPair(t)
	p.old.FillMaildir("anna", "INBOX", lab.Generate(1, 40, 1000))
	p.old.FillMaildir("berta", "INBOX", lab.Generate(2, 40, 1000))
	d := p.serve()
	logins := []string{"anna@example.com", "anna"}
	for _, login := range append(logins, "anna*admin") {
		c := p.enter(d, login)
		if n := choose(t, c, "INBOX").NumMessages; n != 40 {
			t.Errorf("%s sees %d messages, want 40", login, n)
		}
		person, _, _ := strings.Cut(login, "*")
		eventually(t, "a complete pass for "+person, func() bool {
			_, accounts := statusOf(t, d.Config)
			return accounts[person].Complete
		})
	}
	if n := choose(t, p.enter(d, "berta@example.com"), "INBOX").NumMessages; n != 40 {
		t.Errorf("berta sees %d messages, want 40", n)
	}
	p.old.Append("anna", "INBOX", lab.Generate(3, 5, 1000)...)
	syncAll(t, d.Config)
	for login, want := range map[string]int{"anna": 45, "berta": 40} {
		if n := len(p.new.Snapshot(login).Folders["INBOX"].Messages); n != want {
			t.Errorf("%s has %d messages, want %d", login, n, want)
		}
	}
	totals, accounts := statusOf(t, d.Config)
	if totals.Accounts != 3 || totals.Copied != 85 {
		t.Errorf("%+v", totals)
	}
	for i, login := range logins {
		a := accounts[login]
		if (a.AliasOf != nil) != (i > 0) || a.AliasOf != nil && *a.AliasOf != logins[0] || a.Origin != store.Enrolled {
			t.Errorf("%s: %+v", login, a)
		}
	}
	if a := accounts["berta@example.com"]; a.AliasOf != nil {
		t.Errorf("berta: %+v", a)
	}
}

// TestImportedLoginsOfOneMailbox: the same by a list, all of them new at once, after which a visit by an alias
// fills its folder.
func TestImportedLoginsOfOneMailbox(t *testing.T) {
	t.Parallel()
	p := startAliasPair(t)
	p.old.FillMaildir("anna", "INBOX", lab.Generate(1, 40, 1000))
	p.old.FillMaildir("anna", "Work", lab.Generate(2, 30, 1000))
	// Before anybody has opened it, Dovecot may tell sessions that come at once different UIDVALIDITYs.
	for _, folder := range []string{"INBOX", "Work"} {
		if _, err := p.old.Client("anna").Select(folder, nil).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	d := p.serve()
	list := ""
	for _, login := range []string{"anna@example.com", "anna", "anna*admin"} {
		list += fmt.Sprintf("%s %s\n", login, aliasPassword)
	}
	takeOver(t, d.Config, list)
	for _, login := range []string{"anna", "anna*admin", "anna@example.com"} {
		c := p.enter(d, login)
		for folder, want := range map[string]uint32{"INBOX": 40, "Work": 30} {
			eventually(t, fmt.Sprintf("%s sees %s", login, folder), func() bool { return choose(t, c, folder).NumMessages == want })
		}
	}
	syncAll(t, d.Config)
	if s := p.new.Snapshot("anna"); len(s.Folders["INBOX"].Messages) != 40 || len(s.Folders["Work"].Messages) != 30 {
		t.Errorf("%d and %d messages", len(s.Folders["INBOX"].Messages), len(s.Folders["Work"].Messages))
	}
	_, accounts := statusOf(t, d.Config)
	aliases := 0
	for _, a := range accounts {
		if a.AliasOf != nil {
			aliases++
		}
	}
	if len(accounts) != 3 || aliases != 2 {
		t.Errorf("%d aliases of %d accounts", aliases, len(accounts))
	}
}
