package server

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"postferry/admin/access"
	"postferry/internal/lab/browser"
	"postferry/store"
)

// entered is a browser in which somebody has logged in who looks after everything.
func (p *page) entered() *browser.Browser {
	p.t.Helper()
	if _, err := p.app.Access.PutAdmin(p.t.Context(), access.CommandLine(), "anna", "", testPassword); err != nil {
		p.t.Fatal(err)
	}
	b := browser.Start(p.t)
	b.Open(p.URL() + "/login")
	b.Fill("#name", "anna")
	b.Fill("#password", testPassword)
	b.Press("main button")
	b.Await("a.example")
	return b
}

// TestConsentInABrowser walks the two ways in which the owner of a mailbox agrees: in this browser, to the provider and
// back, and by a code, whose end is shown without the page being asked for again.
func TestConsentInABrowser(t *testing.T) {
	p := startPage(t)
	provider := p.agreeing("c.example", store.OldSide)
	p.put("c.example", "anna@c.example", "bert@c.example", "clara@c.example")
	b := p.entered()
	b.Open(p.URL() + "/d/c.example/connect")
	look(t, b, "connect-consent")
	b.Press(`button[value="test"]`)
	b.Await("people can sign in there")
	b.Press(`#tried a.button`)
	b.Await("0 of 3 have agreed")
	b.Fill("#mailbox", "anna@c.example")
	b.Press(`button[value="browser"]`)
	b.Await("Sign in there as anna@c.example")
	look(t, b, "consent-go")
	b.Press(`main a.first`)
	b.Await("This page stands in for the one of OpenID")
	b.Press(`button[value="accept"]`)
	b.Await("1 of 3 have agreed")
	b.Await("opens the mailbox from now on")
	code := func(mailbox string) string {
		t.Helper()
		b.Fill("#mailbox", mailbox)
		b.Press(`button[value="code"]`)
		b.Await("Waiting for that")
		all, err := p.app.Consents.Codes(t.Context(), access.CommandLine(), "c.example", store.OldSide)
		if err != nil || len(all) == 0 {
			t.Fatal(all, err)
		}
		return all[0].Code
	}
	first := code("bert@c.example")
	look(t, b, "consents")
	var hidden bool
	if b.Run(chromedp.Evaluate(`document.querySelector("#codes [data-copy]").hidden`, &hidden)); hidden {
		t.Error("there is no button that copies the code")
	}
	provider.Accept(first, "bert@c.example")
	b.Await("2 of 3 have agreed")
	second := code("clara@c.example")
	provider.Deny(second)
	b.Await("said no")
	b.Shot("consents-refused")
	if text := b.Text(); strings.Contains(text, second) {
		t.Errorf("the code is shown on:\n%s", text)
	}
	for _, language := range []string{"de", "ru"} {
		b.Run(chromedp.Evaluate(`document.cookie = "language=`+language+`; path=/"`, nil))
		for name, path := range map[string]string{"consents": "/d/c.example/consents", "connect-consent": "/d/c.example/connect"} {
			b.Open(p.URL() + path)
			b.Screen(390, 844, true)
			narrow(t, b, name+"-"+language)
		}
	}
	for _, line := range b.Complaints() {
		t.Errorf("the console says %s", line)
	}
	p.tellsNothing(clientSecret, "refresh-", "access-")
}

// mailboxesVariable is how many mailboxes the tenant of TestTenantInABrowser has, 100 to 9,999; make thousand sets 2,000.
const mailboxesVariable = "POSTFERRY_TEST_MAILBOXES"

func mailboxes(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(mailboxesVariable), "120"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// counted is a number as pages have it.
func counted(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// TestTenantInABrowser connects a tenant of many mailboxes, whose directory asks for patience in between, filters and
// maps them, makes accounts of all, and begins.
func TestTenantInABrowser(t *testing.T) {
	p := startPage(t)
	n := mailboxes(t)
	some := fmt.Sprintf("person%02d", n/100-1)
	cloud := p.tenant("c.example", n)
	b := p.entered()
	lookWell := func(name string) { // axe takes seconds for a table
		if n > 200 {
			look(t, b, name)
		}
	}
	b.Open(p.URL() + "/d/c.example/connect?kind=microsoft")
	b.Fill("#tenant", "tenant-1")
	b.Fill("#client_id", "app")
	b.Fill("#secret", tenantSecret)
	b.Run(chromedp.Evaluate(`document.querySelector("#authority").closest("details").open = true`, nil))
	b.Fill("#authority", cloud.url)
	b.Press(`button[value="save"]`)
	b.Await(counted(n) + " are listed")
	b.Await("its inbox has")
	lookWell("tenant-connected")
	cloud.m.Throttle(2, time.Second)
	b.Press(`#tried a.button`)
	b.Await("The tenant lists " + counted(n) + " mailboxes.")
	b.Fill("#search", some)
	b.Fill("#to", "new.example")
	b.Run(chromedp.SetValue("#kind", "shared", chromedp.ByQuery))
	b.Press(`form.search button`)
	b.Await(some + "09@new.example")
	if text := b.Text(); strings.Contains(text, some+"08") || !strings.Contains(text, "Add all 10") {
		t.Errorf("filtered:\n%.1500s", text)
	}
	look(t, b, "tenant-filtered")
	b.Open(p.URL() + "/d/c.example/mailboxes?to=new.example")
	if b.Await("person0009@new.example"); n > 200 {
		b.Await("The first 200 of " + counted(n))
	}
	lookWell("tenant-mailboxes")
	b.Run(chromedp.Evaluate(`document.querySelector("#exceptions").closest("details").open = true`, nil))
	b.Fill("#exceptions", "login;new login\nperson0007@c.example;seven@new.example\nperson0008@c.example;-")
	b.Press(`button[value="all"]`)
	b.Await(counted(n-1) + " accounts were added")
	lookWell("tenant-added")
	b.Press(`form.note button[value="begin"]`)
	b.Await("The transfer of " + counted(n-1) + " accounts has begun")
	look(t, b, "tenant-begun")
	all, err := p.store.Accounts(t.Context())
	if err != nil || len(all) != n-1 {
		t.Fatalf("%d accounts, %v", len(all), err)
	}
	for _, a := range all {
		want := strings.Replace(a.Old.Login, "c.example", "new.example", 1)
		if a.Old.Login == "person0007@c.example" {
			want = "seven@new.example"
		}
		if a.New.Login != want || a.State != store.Active {
			t.Errorf("%s goes to %s, %s", a.Old.Login, a.New.Login, a.State)
		}
	}
	p.tellsNothing(tenantSecret, "eyJ")
}
