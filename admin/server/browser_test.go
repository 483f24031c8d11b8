package server

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/selection"
	"postferry/config"
	"postferry/discover"
	"postferry/internal/lab/browser"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// busy fills the page with a bit of everything.
func (p *page) busy() (account store.AccountID) {
	p.t.Helper()
	const domain = "a.example"
	logins := []string{"anna@a.example", "bert@a.example", "chris@a.example", "dora@a.example", "emil@a.example", "a.very.long.name.that.somebody.has@a.example"}
	ids := p.put(domain, logins...)
	ctx := p.t.Context()
	begun, err := p.app.Transfers.Begin(ctx, access.CommandLine(), domain, selection.Selection{Accounts: ids[:5]})
	if err != nil || begun.Accounts != 5 {
		p.t.Fatal(begun, err)
	}
	now := time.Now()
	p.ferry.EndPass(p.t, ids[1], store.Pass{Started: now.Add(-time.Minute), Ended: now, Copied: 1204, Bytes: 93_000_000, Complete: true}, nil)
	p.ferry.EndPass(p.t, ids[2], store.Pass{Started: now, Ended: now}, &store.Problem{Kind: store.LoginRefused, Server: store.OldSide, Host: "imap.old.example",
		Summary: reason.Said("refused"), Cause: "imap.old.example:993: LOGIN: the server says [AUTHENTICATIONFAILED] \"no\"", Advice: store.NeedsFix, Since: now})
	p.ferry.EndPass(p.t, ids[3], store.Pass{Started: now, Ended: now}, &store.Problem{Kind: store.Throttled, Server: store.OldSide, Host: "imap.old.example", Summary: reason.Said("busy"), Advice: store.RetryLater, Since: now, Retry: now.Add(time.Minute)})
	p.ferry.EndPass(p.t, ids[4], store.Pass{Started: now, Ended: now, Copied: 7, Bytes: 70_000, Complete: true}, &store.Problem{Kind: store.WrongDates, Server: store.NewSide,
		Host: "imap.new.example", Folder: "INBOX", Summary: reason.Said("dates"), Advice: store.RetryLater, Since: now, Retry: now.Add(time.Minute)})
	left := 2 * time.Minute
	p.ferry.SetLive(report.Live{Account: ids[0], Running: true, Folder: "Archive/2019", Done: 4120, Total: 10300, OctetsDone: 410_000_000, Rate: report.Rate{Messages: 51}, Remaining: &left})
	p.ferry.FoldersOf[ids[0]] = []report.Folder{
		{Folder: store.Folder{Title: "INBOX", New: "INBOX", State: store.FolderPresent, Checkpoint: store.Checkpoint{Messages: 120, Checked: now}, Copied: 119, Quarantined: 1}, FolderProgress: report.FolderProgress{OctetsDone: 9_000_000}},
		{Folder: store.Folder{Title: "Archive/2019", New: "Archive/2019", State: store.FolderPresent, Copied: 4001}, FolderProgress: report.FolderProgress{Running: true, Total: 10180, OctetsDone: 401_000_000}},
		{Folder: store.Folder{Title: "[Gmail]/All Mail", State: store.FolderSkipped, Checkpoint: store.Checkpoint{Messages: 10300}, Note: reason.Of(reason.LeftView, `\All`)}},
	}
	p.ferry.Quarantined[ids[0]] = []report.QuarantineRecord{{ID: "m1", Folder: "INBOX", Key: "4711", Reason: reason.Of(reason.Refused), Cause: "NO Message contains NUL characters", Attempts: 2, Last: now}}
	for i, id := range ids {
		plan, took := report.AccountPlan{Copy: 100, Bytes: 5_000_000,
			Folders: []report.FolderPlan{{Folder: "INBOX", NewFolder: "INBOX", Action: report.FolderFilled, Messages: 100, Copy: 100}, {Folder: "Gesendet", NewFolder: "Sent", Action: report.FolderFilled}}}, 90*time.Second
		switch i {
		case 3:
			plan, took = report.AccountPlan{Copy: 10300, Bytes: 5_000_000_000, TooLarge: 3, Limit: 30_000_000, Lacks: "room", Lack: &report.Lack{Resource: "STORAGE", Need: 5_000_000_000, Room: 2_000_000_000},
				Notes:   []reason.Reason{reason.Of(reason.NoteLeftView, "[Gmail]/All Mail", reason.Of(reason.LeftView, `\All`)), reason.Of(reason.NoteShared, "Public", 2)},
				Folders: []report.FolderPlan{{Folder: "[Gmail]/All Mail", Action: report.FolderLeft, Messages: 10300, Reason: reason.Of(reason.LeftView, `\All`)}, {Folder: "Rechnungen/2019 und davor, geprüft", NewFolder: "Rechnungen/2019 und davor, geprüft", Action: report.FolderCreated, Messages: 9, Copy: 9}}}, 0
		case 2:
			plan, took = report.AccountPlan{Trouble: map[store.Side]*store.Problem{store.OldSide: {Kind: store.LoginRefused, Server: store.OldSide, Host: "imap.old.example", Advice: store.NeedsFix}}}, 0
		}
		p.ferry.Checks[id] = report.Check{AccountPlan: plan, Estimate: took, AtOnce: 2}
	}
	p.ferry.Verified = []report.VerifyEvent{{Finding: &report.Finding{Login: logins[1], Folder: "INBOX", Kind: "missing", Severity: report.Damage, OldUID: 7, Old: reason.Said("Subject: Invoice"), Reason: reason.Of(reason.Never)}},
		{Account: &report.VerifiedAccount{Login: logins[1], OldMessages: 1204, NewMessages: 1203, Same: 1203, Worst: report.Damage}}}
	return ids[0]
}

// TestPagesInABrowser looks at every page in Chromium: light on a desk, dark on
// a phone. axe-core must find nothing, nothing may be wider than the screen, and
// the console must stay silent (the content policy forbids what a page may not do).
func TestPagesInABrowser(t *testing.T) {
	p := startPage(t, func(opt *Options) {
		opt.Finder = &discover.Finder{Resolvers: []string{"127.0.0.1:1"}} // finds nothing, at once
		opt.Config.Notify = config.Notify{SMTP: config.SMTP{Host: "mail.example"}, Recipients: []config.Recipient{{To: []string{"post@x.example"}, Webhook: "https://hook.example", Language: "en"}}}
	})
	id := p.busy()
	told := []admin.RecipientInput{{To: "a-rather-long-name.of-somebody@mail.of-a-department.a.example", Language: "de"}, {To: "boss@a.example"}}
	if _, _, err := p.app.Domains.Put(t.Context(), access.CommandLine(), "a.example", admin.DomainInput{Recipients: &told}); err != nil {
		t.Fatal(err)
	}
	link, err := p.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := browser.Start(t)
	b.Open(link)
	look(t, b, "welcome")
	b.Fill("#name", "anna")
	b.Fill("#password", testPassword)
	b.Fill("#again", testPassword)
	b.Press("main button")
	b.Await("a.example")
	b.Open(p.URL() + "/d/a.example/check")
	b.Press(`button[value="start"]`)
	b.Await("Does not work")
	b.Open(p.URL() + "/d/a.example/verify")
	b.Press(`button[value="start"]`)
	b.Await("Missing")
	b.Open(p.URL() + "/d/a.example/finish")
	b.Press(`form[action$="/finish/prepare"] button`)
	b.Await("forget the passwords")
	b.Open(p.URL() + "/d/a.example/settings")
	b.Fill("#url", "https://a-rather-long-name.of-a-host.of-a-department.a.example/postferry?key=hush")
	b.Press(`form[action$="/webhooks#webhooks"] button`)
	b.Await("once only")
	look(t, b, "webhook-added")
	account := fmt.Sprintf("/d/a.example/a/%d", id)
	p.connected("b.example", 2000)
	all := []struct{ name, path string }{
		{"domains", "/"}, {"new-domain", "/domains/new"}, {"domain", "/d/a.example"}, {"new-accounts", "/d/a.example/accounts/new"}, {"check", "/d/a.example/check"},
		{"account", account}, {"runs", "/d/a.example/runs"}, {"run", "/d/a.example/runs/1"}, {"verify", "/d/a.example/verify"}, {"servers", "/d/a.example/servers"}, {"settings", "/d/a.example/settings"},
		{"finish", "/d/a.example/finish"},
		{"audit", "/audit"}, {"access", "/access"}, {"error", "/nowhere"},
		{"connect", "/d/a.example/connect"}, {"connect-microsoft", "/d/b.example/connect"}, {"connect-google", "/d/a.example/connect?kind=google"}, {"mailboxes", "/d/b.example/mailboxes"},
	}
	for _, x := range all {
		b.Open(p.URL() + x.path)
		look(t, b, x.name)
	}
	b.Open(p.URL() + "/domains/new")
	b.Fill("#domain", "nothing.example")
	b.Press("main button")
	b.Await("Old server")
	look(t, b, "servers-nothing-found")
	b.Open(p.URL() + "/d/a.example/accounts/new")
	b.Fill("#text", "x@a.example one\ny@a.example\nz@elsewhere.example "+url.QueryEscape("p w")+"\n")
	b.Press(`form[enctype] button`)
	b.Await("2 mistakes")
	look(t, b, "list")
	customer(t, p, b)
	for _, language := range []string{"de", "ru"} {
		b.Run(chromedp.Evaluate(`document.cookie = "language=`+language+`; path=/"`, nil))
		for _, x := range all {
			b.Open(p.URL() + x.path)
			b.Screen(390, 844, false)
			narrow(t, b, x.name+"-"+language)
		}
	}
}

// customer looks at the servers of a domain with accounts as whoever looks after it alone does.
func customer(t *testing.T, p *page, b *browser.Browser) {
	t.Helper()
	if _, err := p.app.Access.PutAdmin(t.Context(), access.CommandLine(), "carol", "a.example", testPassword); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ name, await string }{{"carol", "a.example"}, {"anna", "b.example"}} {
		b.Press(`form[action="/logout"] button`)
		b.Await("Sign in")
		b.Fill("#name", x.name)
		b.Fill("#password", testPassword)
		b.Press("main button")
		b.Await(x.await)
		if x.name == "carol" {
			b.Open(p.URL() + "/d/a.example/servers")
			b.Await("whose passwords would go to another server")
			look(t, b, "servers-customer")
		}
	}
}

// narrow looks at a page on a phone.
func narrow(t *testing.T, b *browser.Browser, name string) {
	t.Helper()
	b.Shot(name + "-phone")
	if wide := b.Overflow(); wide > 0 {
		t.Errorf("%s is %d pixels wider than a phone", name, wide)
	}
}

// look takes pictures of a page and says what is wrong with it.
func look(t *testing.T, b *browser.Browser, name string) {
	t.Helper()
	b.Screen(1280, 900, false)
	b.Accessible(name)
	b.Shot(name)
	b.Screen(390, 844, true)
	b.Accessible(name + ", dark on a phone")
	b.Shot(name + "-phone-dark")
	if wide := b.Overflow(); wide > 0 {
		t.Errorf("%s is %d pixels wider than a phone", name, wide)
	}
	for _, line := range b.Complaints() {
		t.Errorf("%s: the console says %s", name, line)
	}
	b.Screen(1280, 900, false)
}

// TestLiveInABrowser: what changes is shown without losing what somebody has ticked or
// is just using, and the buttons follow, too.
func TestLiveInABrowser(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example")
	link, err := p.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := browser.Start(t)
	b.Open(link)
	b.Fill("#name", "anna")
	b.Fill("#password", testPassword)
	b.Fill("#again", testPassword)
	b.Press("main button")
	b.Await("a.example")
	b.Open(p.URL() + "/d/a.example")
	box := fmt.Sprintf("#a%d input", ids[0])
	b.Run(chromedp.Click(box, chromedp.ByQuery))
	if _, err := p.app.Transfers.Begin(t.Context(), access.CommandLine(), "a.example", selection.Selection{All: true}); err != nil {
		t.Fatal(err)
	}
	p.ferry.SetLive(report.Live{Account: ids[0], Running: true, Folder: "Archive", Done: 1, Total: 4})
	b.Await("Stop all")
	b.Run(chromedp.Focus("#search", chromedp.ByQuery)) // leaves the row, which was not touched till now
	b.Await("Copying Archive")
	p.ferry.SetLive(report.Live{Account: ids[0], Running: true, Folder: "Sent", Done: 2, Total: 4})
	b.Await("Copying Sent")
	var ticked bool
	if b.Run(chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).checked", box), &ticked)); !ticked {
		t.Error("a tick was lost")
	}
	for _, line := range b.Complaints() {
		t.Errorf("the console says %s", line)
	}
}
