package main

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/chromedp/chromedp"

	"postferry/internal/lab"
)

// backInbox is how many messages each inbox of the domain with a way back begins with.
const backInbox = 10

// wayBack moves another domain with a way back: three days' mail comes to both servers, and when the MX leads to the
// old server again, both have all of it once.
func (a *browserArc) wayBack() {
	a.t.Helper()
	a.tell(true, false, a.resolvers[:]...)
	logins := []string{"anna@" + arcBack, "bert@" + arcBack}
	for i, login := range logins {
		a.pair.old.FillMaildir(login, "INBOX", lab.Generate(uint64(200+i), backInbox, 1000))
	}
	a.setUp(arcBack)
	a.list(logins...)
	a.open(arcBack, "/settings")
	a.b.Run(chromedp.Click(`input[name="way_back"]`, chromedp.ByQuery))
	a.state("way-back-settings")
	a.b.Press(`form[action$="/settings"] button`)
	a.b.Await("Saved.")
	a.open(arcBack, "")
	a.b.Press(`#attention button[value="begin"]`)
	a.b.Await("Everything is on the new server")
	a.tell(true, true, a.resolvers[:]...)
	a.look(arcBack)
	a.b.Await("There is a way back")
	var came []lab.Msg
	for day := range 3 {
		toNew, toOld := arrives("new", day), arrives("old", day)
		for _, login := range logins {
			a.pair.new.Append(login, "INBOX", toNew)
			a.pair.old.Append(login, "INBOX", toOld)
		}
		came = append(came, toNew, toOld)
		a.again(arcBack, 4+day) // the runs of all domains are numbered together
	}
	a.again(arcBack, 7)
	a.b.Await("6 messages were copied back to the old one")
	a.state("way-back")
	a.tell(true, false, a.resolvers[:]...)
	a.again(arcBack, 8)
	for _, login := range logins {
		a.wantAll("old", login, a.pair.old.Snapshot(login), came)
		a.wantAll("new", login, a.pair.new.Snapshot(login), came)
	}
}

// arrives is a message that comes to a server on a day.
func arrives(side string, day int) lab.Msg {
	now := time.Now()
	return lab.Msg{Date: now, Body: fmt.Appendf(nil, "From: x@example.net\r\nSubject: %s %d\r\nDate: %s\r\nMessage-ID: <%[1]s-%[2]d@example.net>\r\n\r\nx\r\n",
		side, day, now.Format(time.RFC1123Z))}
}

// again runs all accounts of a domain again.
func (a *browserArc) again(domain string, run int) {
	a.t.Helper()
	a.open(domain, "")
	a.b.Run(chromedp.WaitVisible(`#actions button[value="again"]`, chromedp.ByQuery)) // not while all of them are looked at
	a.b.Press(`#actions button[value="again"]`)
	a.b.Await(fmt.Sprintf("Run %d · Run again · Done", run))
}

// wantAll wants all that came to either server in an inbox, once.
func (a *browserArc) wantAll(side, login string, box *lab.Snapshot, came []lab.Msg) {
	a.t.Helper()
	found := map[string]int{}
	for _, m := range box.Folders["INBOX"].Messages {
		found[m.Sum]++
	}
	for i, m := range came {
		if n := found[fmt.Sprintf("%x", sha256.Sum256(m.Body))]; n != 1 {
			a.t.Errorf("%s: message %d of those that came is %d times at the %s server", login, i, n, side)
		}
	}
	if n := len(box.Folders["INBOX"].Messages); n != backInbox+len(came) {
		a.t.Errorf("%s has %d messages at the %s server, want %d", login, n, side, backInbox+len(came))
	}
}
