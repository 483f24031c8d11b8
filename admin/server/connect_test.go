package server

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/config"
	"postferry/internal/demo/clouds"
	"postferry/store"
)

// tenantSecret is that of the application.
const tenantSecret = "hu5h-of-the-application"

// tenantCloud is where tokens of a tenant are given out.
type tenantCloud struct {
	m   *clouds.Microsoft
	url string
}

// tenantAt is one of Microsoft's with so many mailboxes.
func (p *page) tenantAt(mailboxes int, domain string) tenantCloud {
	p.t.Helper()
	m := &clouds.Microsoft{Tenant: "tenant-1", Apps: []clouds.App{{ID: "app", Secret: tenantSecret, Roles: []string{clouds.RoleIMAP, clouds.RoleUsers, clouds.RoleSettings}}}}
	for i := range mailboxes {
		box := clouds.Mailbox{Address: fmt.Sprintf("person%04d@%s", i, domain), Name: fmt.Sprintf("Person <b>%d</b>", i), Aliases: []string{fmt.Sprintf("p%d@%s", i, domain)}}
		if i%10 == 9 {
			box.Kind, box.Unlicensed = clouds.Shared, true
		}
		m.People = append(m.People, box)
	}
	server := httptest.NewServer(m)
	p.t.Cleanup(server.Close)
	return tenantCloud{m, server.URL}
}

// tenant makes a domain's old server one of Microsoft's with so many mailboxes. Postferry has a login of its own at the
// new server.
func (p *page) tenant(domain string, mailboxes int) tenantCloud {
	p.t.Helper()
	cloud := p.tenantAt(mailboxes, domain)
	p.putDomain(domain, p.mailServer(cloud.m.Allows, 3).URL(), "imaps://new.example")
	p.directory.PutSignIn(domain, "new", &config.SignIn{Method: config.Master, Domain: domain, Side: "new", Login: "postferry", Secret: "x"})
	return cloud
}

// connected is tenant, and signed in to.
func (p *page) connected(domain string, mailboxes int) {
	p.t.Helper()
	err := p.app.Tenants.PutSignIn(p.t.Context(), access.CommandLine(), domain, store.OldSide, admin.SignInInput{Issuer: p.tenant(domain, mailboxes).url, Method: config.Microsoft, Tenant: "tenant-1", ClientID: "app", Secret: tenantSecret})
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestConnect walks through the page: what was entered is tried, what is missing is said, 2,000
// mailboxes are listed, mapped and become accounts.
func TestConnect(t *testing.T) {
	p := startPage(t)
	cloud := p.tenant("a.example", 2000).url
	c := p.admin("anna", "")
	contains := func(what, text string, all ...string) {
		t.Helper()
		for _, want := range all {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%.3000s", what, want, text)
			}
		}
	}
	form := func(secret string) (int, string) {
		status, _, text := c.form("/d/a.example/connect", "kind", "microsoft", "tenant", "tenant-1", "client_id", "app", "secret", secret, "authority", cloud, "mailbox", "person0001@a.example", "do", "save")
		return status, text
	}
	contains("at first", c.do("GET", "/d/a.example/connect?kind=microsoft", nil).text, "IMAP.AccessAsApp", "User.Read.All", "New-ServicePrincipal")
	contains("Google", c.do("GET", "/d/a.example/connect?kind=google", nil).text, "https://mail.google.com/,https://www.googleapis.com/auth/admin.directory.user.readonly")
	if status, text := form(""); status != 422 {
		t.Errorf("without a secret: %d\n%s", status, text)
	}
	_, text := form("another")
	contains("with another secret", text, "Something is missing", "refuses the application", "Make a new secret", "entra.microsoft.com")
	_, text = form(tenantSecret)
	contains("connected", text, "Connected", "2,000 are listed", "person0001@a.example opens; its inbox has 2 messages", "AppId eq &#39;app&#39;")
	_, _, text = c.form("/d/a.example/connect", "kind", "microsoft", "do", "test", "mailbox", "nobody@a.example")
	contains("somebody unknown", text, "but not into this one", "Add-MailboxPermission -Identity")

	text = c.do("GET", "/d/a.example/mailboxes?to=new.example", nil).text
	contains("the list", text, "lists 2,000 mailboxes", "person0000@new.example", "Person &lt;b&gt;0", "shared", "The first 200 of 2,000", "Add all 2,000", "Fetched: <time")
	if text = c.do("GET", "/d/a.example/mailboxes?search=p1999@&kind=shared", nil).text; !strings.Contains(text, "person1999@a.example") || strings.Contains(text, "person1998@") {
		t.Errorf("searched for:\n%.2000s", text)
	}
	if status, _, text := c.form("/d/a.example/mailboxes", "do", "ticked"); status != 422 {
		t.Errorf("nothing ticked: %d\n%.500s", status, text)
	}
	status, at, text := c.form("/d/a.example/mailboxes", "do", "ticked", "to", "new.example", "mailbox", "person0003@a.example", "mailbox", "person0004@a.example",
		"exceptions", "login;new login\nperson0004@a.example;four\n")
	if status != 200 || !strings.HasPrefix(at, "/d/a.example?") {
		t.Fatalf("two ticked: %d at %s\n%.2000s", status, at, text)
	}
	contains("two added", text, "2 accounts were added")
	contains("as they are", c.do("GET", "/d/a.example/mailboxes?search=person0003", nil).text, "is an account already")
	if _, _, text = c.form("/d/a.example/mailboxes", "do", "all", "to", "new.example"); !strings.Contains(text, "1,998 accounts were added") {
		t.Errorf("all:\n%.2000s", text)
	}
	ids, err := p.store.Accounts(t.Context())
	if err != nil || len(ids) != 2000 {
		t.Errorf("%d accounts, %v", len(ids), err)
	}
	if _, _, text = c.form("/d/a.example/connect", "do", "forget"); !strings.Contains(text, "Forgotten") {
		t.Errorf("forgotten:\n%.2000s", text)
	}
	if d, _ := p.directory.DomainNamed("a.example"); d.Old.SignIn != nil {
		t.Error("it is signed in to as before")
	}
	for _, secret := range []string{tenantSecret, url.QueryEscape(tenantSecret), "eyJ"} {
		if strings.Contains(p.answers.String()+p.log.String(), secret) {
			t.Errorf("%q was told", secret)
		}
	}
}
