package main

import (
	"fmt"
	"strings"
	"testing"

	"postferry/internal/lab"
	"postferry/store"
)

const pageDomainPath = "/domains/example.com"

// TestMoveThroughThePage moves a domain that is in no configuration through the
// page's API: check, begin, stop, a kill, resume, a wrong password corrected, and
// another run that catches late mail.
func TestMoveThroughThePage(t *testing.T) {
	t.Parallel()
	logins := []string{"anna@example.com", "bert@example.com", "clara@example.com"}
	p := startPair(t, logins...)
	for i, login := range logins {
		p.old.FillMaildir(login, "INBOX", lab.Generate(uint64(i), 40, 2_000))
		p.old.FillMaildir(login, "INBOX.Ordner", lab.Generate(uint64(20+i), 1460, 2_000))
		p.old.FillMaildir(login, "INBOX.Gesendet", lab.Generate(uint64(10+i), 20, 2_000))
	}
	d := startDaemon(t, `state = "state"
[admin]
listen = "127.0.0.1:0"
[proxy]
imaps = "127.0.0.1:0"
imap = ""
[sync]
interval = "1h"
`)
	const password = "a long enough password"
	if status, _, stderr := postferry(t, password+"\n", "admin", "passwd", "-c", d.Config, "root", "--domain", ""); status != exitOK {
		t.Fatalf("admin passwd: %d, %s", status, stderr)
	}
	c := loginPage(t, d.page, "root", password)
	way := narrowWay(t, p.new.IMAP)
	c.do("PUT", pageDomainPath, map[string]string{"old": p.old.Insecure().String(), "new": "imap+insecure://" + way.line.Addr}, nil)
	var people []map[string]string
	for i, login := range logins {
		people = append(people, map[string]string{"login": login, "password": []string{odd, odd, "wrong"}[i]})
	}
	c.post(pageDomainPath+"/accounts", map[string]any{"accounts": people}, nil)

	checkThroughThePage(t, c)
	stopAndKill(t, c, d, way)
	way.widen()
	c = loginPage(t, d.page, "root", password)
	c.post(pageDomainPath+"/resume", map[string]bool{"all": true}, nil)
	awaitRun(t, c, pageRun{Kind: store.FirstRun, State: store.RunDone, Accounts: 3, Complete: 2, Failed: 1})
	eventually(t, "two complete accounts", func() bool {
		var totals pageDomain
		c.get(pageDomainPath, &totals)
		return totals.Totals.Complete == 2 && totals.Totals.Failed == 1 && totals.Totals.Copied == 2*1520
	})
	for _, login := range logins[:2] {
		p.sameMail(login)
	}

	correctPassword(t, c, "clara@example.com")
	p.old.FillMaildir(logins[0], "INBOX", lab.Generate(99, 3, 2_000))
	c.post(pageDomainPath+"/again", map[string]bool{"all": true}, nil)
	awaitRun(t, c, pageRun{Kind: store.AgainRun, State: store.RunDone, Accounts: 3, Complete: 3})
	for _, login := range logins {
		p.sameMail(login)
	}
	if status, stdout, stderr := postferry(t, "", "status", "-c", d.Config); status != exitOK || !strings.Contains(stdout, "clara@example.com") {
		t.Errorf("status: %d %s %s", status, stdout, stderr)
	}
	status, _, stderr := postferry(t, "dora@example.com "+quoted(odd)+"\n", "import", "-c", d.Config, "-")
	if status != exitOK {
		t.Errorf("import into a domain of the page: %d, %s", status, stderr)
	}
}

// TestImportCorrects: who failed in a run begun at the page goes on in it when the command
// line brings the right password.
func TestImportCorrects(t *testing.T) {
	t.Parallel()
	logins := []string{"anna@example.com", "bert@example.com"}
	p := startPair(t, logins...)
	for i, login := range logins {
		p.old.FillMaildir(login, "INBOX", lab.Generate(uint64(i), 5, 2_000))
	}
	d := p.servePage()
	page := d.panel()
	page.addList(logins[0]+" "+quoted(odd)+"\n"+logins[1]+" wrong\n", "")
	page.want("POST", "/domains/example.com/begin", map[string]bool{"all": true}, nil)
	run := func(want pageRun) {
		t.Helper()
		eventually(t, fmt.Sprintf("%+v", want), func() bool {
			var all struct{ Runs []pageRun }
			page.want("GET", "/domains/example.com/runs", nil, &all)
			if len(all.Runs) != 1 {
				return false
			}
			got := all.Runs[0]
			got.ID, got.Copied = 0, 0
			return got == want
		})
	}
	run(pageRun{Kind: store.FirstRun, State: store.RunDone, Accounts: 2, Complete: 1, Failed: 1})
	if status, _, stderr := postferry(t, logins[1]+" "+quoted(odd)+"\n", "import", "-c", d.Config, "-"); status != exitOK {
		t.Fatalf("import: %d, %s", status, stderr)
	}
	run(pageRun{Kind: store.FirstRun, State: store.RunDone, Accounts: 2, Complete: 2})
	p.sameMail(logins[1])
}

// checkThroughThePage tries all logins, of which one is wrong.
func checkThroughThePage(t *testing.T, c *pageClient) {
	t.Helper()
	c.post(pageDomainPath+"/check", map[string]bool{"all": true}, nil)
	var check struct{ Job struct{ State string } }
	eventually(t, "checked", func() bool {
		var raw map[string]any
		c.get(pageDomainPath+"/check", &raw)
		check.Job.State = fmt.Sprint(raw["state"])
		return check.Job.State == "done"
	})
	var found struct {
		Accounts []struct {
			Login      string
			Ready      bool
			Messages   uint64
			OldProblem *struct {
				Kind store.ProblemKind
			} `json:"old_problem"`
		}
	}
	c.get(pageDomainPath+"/check/accounts", &found)
	if len(found.Accounts) != 3 {
		t.Fatalf("checked: %+v", found)
	}
	for _, a := range found.Accounts {
		refused := a.OldProblem != nil && a.OldProblem.Kind == store.LoginRefused
		if wrong := a.Login == "clara@example.com"; refused != wrong || a.Ready == wrong || !wrong && a.Messages != 1520 {
			t.Errorf("checked: %+v", a)
		}
	}
}

// stopAndKill begins all accounts, stops them in the middle, and kills and starts the
// daemon: they stay stopped.
func stopAndKill(t *testing.T, c *pageClient, d *testDaemon, way *narrow) {
	t.Helper()
	c.post(pageDomainPath+"/begin", map[string]bool{"all": true}, nil)
	var now pageDomain
	eventually(t, "in the middle", func() bool {
		c.get(pageDomainPath, &now)
		return way.full() && now.Totals.Copied > 0
	})
	c.post(pageDomainPath+"/stop", map[string]bool{"all": true}, nil)
	eventually(t, "stopped", func() bool {
		c.get(pageDomainPath, &now)
		return now.Totals.Stopped == 3
	})
	if now.Totals.Copied >= 2*1520 {
		t.Errorf("everything was copied before it could be stopped: %+v", now)
	}
	d.Kill9()
	d.start()
	_, accounts := statusOf(t, d.Config)
	for _, a := range accounts {
		if a.Stored != store.Stopped || a.Running {
			t.Errorf("after a restart: %+v", a)
		}
	}
}

// awaitRun waits for the newest run to be as wanted, but for its number and what
// was copied.
func awaitRun(t *testing.T, c *pageClient, want pageRun) {
	t.Helper()
	var runs struct{ Runs []pageRun }
	eventually(t, fmt.Sprintf("%+v", want), func() bool {
		c.get(pageDomainPath+"/runs", &runs)
		if len(runs.Runs) == 0 {
			return false
		}
		got := runs.Runs[0]
		got.ID, got.Copied = 0, 0
		return got == want
	})
}

// correctPassword looks for the account that has a problem and mends it.
func correctPassword(t *testing.T, c *pageClient, login string) {
	t.Helper()
	var found struct{ Accounts []pageAccount }
	c.get(pageDomainPath+"/accounts?state=failed", &found)
	if len(found.Accounts) != 1 || found.Accounts[0].Login != login || found.Accounts[0].Problem == nil ||
		found.Accounts[0].Problem.Kind != store.LoginRefused || found.Accounts[0].Problem.Server != store.OldSide {
		t.Fatalf("accounts with a problem: %+v", found)
	}
	c.do("PATCH", fmt.Sprintf("%s/accounts/%d", pageDomainPath, found.Accounts[0].ID), map[string]string{"old_password": odd, "new_password": odd}, nil)
}
