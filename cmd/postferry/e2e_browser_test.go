package main

import (
	"fmt"
	"net"
	"testing"

	"github.com/chromedp/chromedp"

	"postferry/internal/lab"
	"postferry/internal/lab/browser"
	"postferry/internal/lab/nameserver"
)

const (
	browserDomain   = "example.com"
	browserPOP3     = "pop.example"
	browserName     = "admin"
	browserPassword = "correct horse battery"
	// browserInbox and browserFolder are how many messages each account has in
	// its inbox and in one more folder.
	browserInbox, browserFolder = 40, 160
)

// TestMoveFromTheBrowser moves a domain in Chromium between two real servers:
// from its name to the finished report, with a list that has mistakes, a wrong
// password that is corrected, Stop and Resume, a restart in the middle, and Run
// again, which catches a late message. A second domain comes by POP3.
func TestMoveFromTheBrowser(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	m.find(browserDomain, "Recommended", "found")
	m.list()
	m.check()
	m.stopAndResume()
	m.correct()
	for _, login := range m.logins[:3] {
		m.pair.sameMail(login)
	}
	m.again()
	m.verify()
	m.pop3()
	m.daemon.endClean(m.b)
}

// browserMove is a person who moves domains in a browser.
type browserMove struct {
	t      *testing.T
	pair   *pair
	logins []string // the last one is moved by POP3
	narrow *narrow  // the way to the new server
	daemon *pageDaemon
	b      *browser.Browser
}

func startMove(t *testing.T) *browserMove {
	m := &browserMove{t: t, logins: []string{"anna@example.com", "bert@example.com", "chris@example.com", "dora@pop.example"}}
	m.pair = startPair(t, m.logins...)
	for i, login := range m.logins {
		m.pair.old.FillMaildir(login, "INBOX", lab.Generate(uint64(i), browserInbox, 3000))
		m.pair.old.FillMaildir(login, "INBOX.Projekte", lab.Generate(uint64(10+i), browserFolder, 3000))
	}
	m.narrow = narrowWay(t, m.pair.new.IMAP)
	zone := nameserver.StartZone(t,
		"_imaps._tcp.example.com. 300 IN SRV 0 0 "+portOf(t, m.pair.old.IMAPS)+" localhost.",
		"example.com. 300 IN MX 10 localhost.",
		"_pop3s._tcp.pop.example. 300 IN SRV 0 0 "+portOf(t, m.pair.old.POP3S)+" localhost.",
		"pop.example. 300 IN MX 10 localhost.",
		"localhost. 300 IN A 127.0.0.1")
	m.daemon = newPageDaemon(t, zone.Addr, fmt.Sprintf(`state = "state"
[admin]
listen = "127.0.0.1:0"
new = %q
[proxy]
imaps = "127.0.0.1:0"
imap = ""
[sync]
interval = "1h"
`, "imap+insecure://"+m.narrow.line.Addr))
	m.daemon.start()
	m.b = m.daemon.enter()
	return m
}

// shot takes a picture of a step.
func (m *browserMove) shot(step string) { m.t.Helper(); m.b.Shot("e2e-" + step) }

// open opens a page of a domain.
func (m *browserMove) open(domain, path string) {
	m.t.Helper()
	m.b.Open(m.daemon.d.page.URL() + "/d/" + domain + path)
}

// set puts a text into a field as a whole.
func (m *browserMove) set(selector, text string) {
	m.t.Helper()
	m.b.Run(chromedp.SetValue(selector, text, chromedp.ByQuery))
}

// find enters a domain's name and takes the server that is found.
func (m *browserMove) find(domain, found, step string) {
	m.t.Helper()
	m.b.Open(m.daemon.d.page.URL() + "/domains/new")
	m.b.Fill("#domain", domain)
	m.b.Press("main form button")
	m.b.Await(found)
	m.shot(step)
	m.b.Press(`form[action="/domains"] button`)
	m.b.Await("The domain is set up")
}

// list pastes a list with mistakes, and then one that is right but for the
// password of an account.
func (m *browserMove) list() {
	m.t.Helper()
	right := fmt.Sprintf("anna@example.com %[1]s\nbert@example.com %[1]s\n", quoted(odd))
	m.set("#text", right+"chris@example.com wrong wrong@example.com\nnobody\n")
	m.b.Press(`form[enctype] button`)
	m.b.Await("2 mistakes")
	for _, line := range []string{"Line 3: ", "Line 4: ", "2 accounts are right"} {
		m.b.Await(line)
	}
	m.shot("mistakes")
	m.b.Press(`button[value="drop"]`)
	m.set("#text", right+"chris@example.com wrong chris@example.com "+quoted(odd)+"\n")
	m.b.Press(`form[enctype] button`)
	m.b.Await("3 accounts were added")
}

// check tries the logins; the page shows by itself when that has ended.
func (m *browserMove) check() {
	m.t.Helper()
	m.b.Press(`#attention button[value="check"]`)
	m.b.Await("Does not work")
	m.b.Await("refuses login or password")
	m.b.Run(chromedp.Click("tbody tr:last-child summary", chromedp.ByQuery))
	m.b.Await("Projekte → Projekte")
	m.shot("check")
	m.b.Press(`.note button[value="begin"]`)
	m.b.Await("has begun")
}

// stopAndResume stops the transfer in the middle, where a restart of the
// daemon leaves it until it is resumed.
func (m *browserMove) stopAndResume() {
	m.t.Helper()
	eventually(m.t, "in the middle", func() bool { return m.narrow.full() && m.copied() > 0 })
	m.b.Press(`#actions button[value="stop"]`)
	m.b.Await("Stop all accounts?")
	m.b.Press("main form button")
	m.b.Await("Resume all")
	m.shot("stopped")
	m.daemon.stop()
	m.narrow.widen()
	m.daemon.start()
	m.open(browserDomain, "") // the session outlives the daemon, the port does not
	m.b.Await("Resume all")
	if n, all := m.copied(), 2*(browserInbox+browserFolder); n == 0 || n == all {
		m.t.Errorf("stopped with %d of %d messages copied", n, all)
	}
	m.b.Press(`#actions button[value="resume"]`)
	m.b.Await("1 account needs attention")
	m.shot("needs-you")
}

// copied is how many messages the two accounts have that have no trouble.
func (m *browserMove) copied() (n int) {
	m.t.Helper()
	for _, login := range m.logins[:2] {
		for _, f := range m.pair.new.Snapshot(login).Folders {
			n += len(f.Messages)
		}
	}
	return n
}

// correct corrects the wrong password.
func (m *browserMove) correct() {
	m.t.Helper()
	m.open(browserDomain, "?state=failed")
	m.b.Await("refuses login or password")
	m.b.Press("tbody th a")
	m.b.Fill("#old_password", odd)
	m.b.Press(`form:has(#old_password) button`)
	m.b.Await("Saved.")
	m.open(browserDomain, "")
	m.b.Await("Everything is on the new server")
	m.b.Await("Run 1 · First transfer · Done")
	m.shot("done")
	m.open(browserDomain, "/runs/1") // to which the corrected account belongs again
	m.b.Await("3 of 3")
	m.open(browserDomain, "")
}

// again runs all accounts again, which catches a late message.
func (m *browserMove) again() {
	m.t.Helper()
	m.pair.old.FillMaildir(m.logins[0], "INBOX", lab.Generate(99, 1, 500))
	m.b.Press(`#actions button[value="again"]`)
	m.b.Await("Nothing is copied twice")
	m.b.Await("Run again · Done")
	m.pair.sameMail(m.logins[0])
	m.open(browserDomain, "/runs")
	m.b.Press("tbody th a")
	m.b.Await("accounts complete")
	m.b.Await("3 of 3")
	m.shot("report")
}

// verify compares both servers in the page.
func (m *browserMove) verify() {
	m.t.Helper()
	m.open(browserDomain, "/verify")
	m.b.Press(`button[value="start"]`)
	m.b.Await("Nothing differs")
	m.shot("verified")
}

// pop3 moves an inbox by POP3, the only protocol that its domain offers.
func (m *browserMove) pop3() {
	m.t.Helper()
	m.find(browserPOP3, "POP3 brings the inbox only", "pop3-found")
	m.b.Await("everything arrives as unread")
	m.b.Fill("#login-1", m.logins[3])
	m.set("#password-1", odd)
	m.b.Press(`form[action$="/accounts"] button`)
	m.b.Await("1 account was added")
	m.b.Press(`#attention button[value="begin"]`)
	m.b.Await("Everything is on the new server")
	m.shot("pop3-done")
	if n := len(m.pair.new.Snapshot(m.logins[3]).Folders["INBOX"].Messages); n != browserInbox {
		m.t.Errorf("%d messages came by POP3, want %d", n, browserInbox)
	}
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
