package server

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/internal/demo/clouds"
	"postferry/internal/lab/browser"
	"postferry/store"
)

// TestSignInByTheAPI: a program connects a tenant, tries it, lists its mailboxes by pages, filters and maps them, makes
// accounts of some and then of all, and forgets how to sign in. What it sent that is secret comes back in no answer.
func TestSignInByTheAPI(t *testing.T) {
	p := startPage(t)
	cloud := p.tenant("c.example", 300)
	c := p.program("")
	const base = "/api/v1/domains/c.example"
	in := map[string]any{"method": "microsoft", "tenant": "tenant-1", "client_id": "app", "issuer": cloud.url, "secret": "another"}
	var v admin.SignInView
	c.want(200, "GET", base+"/sign-in/old", nil, &v)
	if v.Method != "password" || v.Secret || v.Side != store.OldSide {
		t.Errorf("at first: %+v", v)
	}
	c.want(409, "POST", base+"/sign-in/old/test", map[string]any{}, nil)
	c.want(404, "GET", base+"/sign-in/middle", nil, nil)
	c.want(422, "PUT", base+"/sign-in/old", map[string]any{"method": "token_command", "secret": "/bin/true"}, nil)
	c.want(400, "PUT", base+"/sign-in/old", map[string]any{"method": "master", "command": "/bin/true"}, nil)
	c.want(200, "PUT", base+"/sign-in/old", in, &v)
	var tried struct {
		OK    bool
		Steps []struct{ Step, Code string }
	}
	c.want(200, "POST", base+"/sign-in/old/test", map[string]any{}, &tried)
	if tried.OK || len(tried.Steps) != 1 || tried.Steps[0].Code != "application_refused" {
		t.Errorf("another secret: %+v", tried)
	}
	in["secret"] = tenantSecret
	c.want(200, "PUT", base+"/sign-in/old", in, &v)
	delete(in, "secret")
	c.want(200, "PUT", base+"/sign-in/old", in, &v) // it stays
	if v.Method != "microsoft" || !v.Secret || v.ClientID != "app" || len(v.Values) == 0 {
		t.Errorf("connected: %+v", v)
	}
	c.want(200, "POST", base+"/sign-in/old/test", map[string]any{"mailbox": "person0001@c.example"}, &tried)
	if !tried.OK || len(tried.Steps) != 3 {
		t.Errorf("connected: %+v", tried)
	}
	cloud.m.Throttle(1, time.Second)
	var list admin.MailboxPage
	c.want(200, "GET", base+"/mailboxes?to=new.example&page=2&per_page=100", nil, &list)
	if list.Listed != 300 || list.Found != 300 || list.Left != 300 || list.NeedPasswords || len(list.Mailboxes) != 100 || list.Mailboxes[0].NewLogin != "person0100@new.example" {
		t.Errorf("a page: %+v", list)
	}
	c.want(200, "GET", base+"/mailboxes?kinds=shared&search=person02", nil, &list)
	if list.Found != 10 || string(list.Mailboxes[0].Kind) != "shared" {
		t.Errorf("filtered: %+v", list)
	}
	c.want(422, "GET", base+"/mailboxes?kinds=ghosts", nil, nil)
	c.want(422, "POST", base+"/mailboxes", map[string]any{"to": "new.example"}, nil)
	var added admin.Added
	c.want(200, "POST", base+"/mailboxes", map[string]any{"to": "new.example", "addresses": []string{"person0001@c.example", "person0002@c.example"},
		"exceptions": []any{map[string]any{"address": "Person0002@c.example", "new_login": "two@new.example", "new_password": "hu5h-of-two"}}}, &added)
	c.want(200, "POST", base+"/mailboxes", map[string]any{"to": "new.example", "all": true, "exceptions": []any{map[string]any{"address": "person0003@c.example", "leave_out": true}}}, &added)
	if added.Added != 297 {
		t.Errorf("the rest: %+v", added)
	}
	all, err := p.store.Accounts(t.Context())
	if err != nil || len(all) != 299 {
		t.Fatalf("%d accounts, %v", len(all), err)
	}
	two := slices.IndexFunc(all, func(a store.Account) bool { return a.New.Login == "two@new.example" })
	if two < 0 || slices.ContainsFunc(all, func(a store.Account) bool { return a.Old.Login == "person0003@c.example" }) {
		t.Errorf("%+v", all[:4])
	}
	c.want(200, "GET", base+"/mailboxes?search=person000", nil, &list)
	if !list.Mailboxes[1].Known || list.Left != 1 || list.Mailboxes[3].Known {
		t.Errorf("those that are accounts: %+v", list)
	}
	var gone admin.Forgotten
	c.want(200, "DELETE", base+"/sign-in/old", nil, &gone)
	c.want(409, "GET", base+"/mailboxes", nil, nil)
	var d admin.DomainView
	c.want(200, "GET", base, nil, &d)
	if d.Old.SignIn != "password" || d.New.SignIn != "master" {
		t.Errorf("old %s, new %s", d.Old.SignIn, d.New.SignIn)
	}
	p.tellsNothing(tenantSecret, "hu5h-of-two", "eyJ")
}

// TestConnectFormKeepsTheRest: saving the form of how to sign in as it is shown keeps what the API has set.
func TestConnectFormKeepsTheRest(t *testing.T) {
	p := startPage(t)
	cloud := p.tenant("c.example", 3)
	c, b := p.program(""), p.admin("root", "")
	for method, in := range map[string]map[string]any{
		"microsoft": {"tenant": "tenant-1", "client_id": "app", "issuer": cloud.url, "secret": tenantSecret, "scope": "https://mail.example/.default"},
		"consent":   {"issuer": "https://localhost:1", "client_id": "client", "secret": clientSecret, "scope": "openid mail"},
		"master":    {"login": "boss", "separator": "*", "secret": " of the boss "},
	} {
		const path = "/api/v1/domains/c.example/sign-in/old"
		var before, after admin.SignInView
		in["method"] = method
		c.want(200, "PUT", path, in, &before)
		values := browser.Form(t, b.do("GET", "/d/c.example/connect", nil).text, "/d/c.example/connect")
		values.Set("do", "save")
		status, _, text := b.send("/d/c.example/connect", "application/x-www-form-urlencoded", strings.NewReader(values.Encode()))
		if c.want(200, "GET", path, nil, &after); status != 200 || !reflect.DeepEqual(before, after) {
			t.Errorf("%s: %d, %+v, want %+v\n%s", method, status, after, before, text)
		}
		if d, _ := p.directory.DomainNamed("c.example"); d.Old.SignIn.Secret.Reveal() != in["secret"] {
			t.Errorf("%s: it has another secret", method)
		}
	}
}

// TestConsentByTheAPI: a program of the domain gets a code, and sees what comes of it.
func TestConsentByTheAPI(t *testing.T) {
	p := startPage(t)
	provider := p.agreeing("c.example", store.NewSide)
	p.put("c.example", "anna@c.example", "bert@c.example")
	c := p.program("c.example")
	const base = "/api/v1/domains/c.example/consents/new"
	c.want(409, "GET", "/api/v1/domains/c.example/consents/old", nil, nil)
	c.want(422, "POST", base+"/codes", map[string]any{"mailbox": "anna@d.example"}, nil)
	var code admin.ConsentCodeView
	var list admin.ConsentList
	c.want(202, "POST", base+"/codes", map[string]any{"mailbox": "anna@c.example"}, &code)
	c.want(200, "GET", base, nil, &list)
	if list.Agreed != 0 || list.All != 2 || len(list.Codes) != 1 || list.Codes[0].Code != code.Code || code.State != "waiting" {
		t.Errorf("at first: %+v, %+v", list, code)
	}
	provider.Accept(code.Code, "anna@c.example")
	eventually(t, "agreed", func() bool {
		c.want(200, "GET", base+"?search=anna", nil, &list)
		return list.Codes[0].State == "agreed"
	})
	if list.Agreed != 1 || list.Found != 1 || list.Mailboxes[0].Granted == nil || list.Codes[0].Code != "" {
		t.Errorf("agreed: %+v", list)
	}
	c.want(200, "GET", base+"?missing=true", nil, &list)
	if list.Found != 1 || list.Mailboxes[0].Mailbox != "bert@c.example" {
		t.Errorf("those who have not: %+v", list)
	}
	c.want(202, "POST", base+"/codes", map[string]any{"mailbox": "bert@c.example"}, &code)
	provider.Deny(code.Code)
	eventually(t, "a no", func() bool {
		c.want(200, "GET", base, nil, &list)
		return list.Codes[0].State == "ended"
	})
	if list.Codes[0].Why != "consent_declined" || list.Codes[0].Error == "" {
		t.Errorf("a no: %+v", list.Codes[0])
	}
	c.want(204, "DELETE", base+"/codes/"+list.Codes[0].ID, nil, nil)
	c.want(404, "DELETE", base+"/codes/"+list.Codes[0].ID, nil, nil)
	provider.SetDown(true)
	c.want(409, "POST", base+"/codes", map[string]any{"mailbox": "bert@c.example"}, nil)
	provider.SetDown(false)
	var gone admin.Forgotten
	c.want(200, "DELETE", base+"/mailboxes/"+"ANNA@c.example", nil, &gone)
	if gone != (admin.Forgotten{Consents: 1, Revoked: 1}) || provider.Refreshes() != 0 {
		t.Errorf("forgotten: %+v, %d at the provider", gone, provider.Refreshes())
	}
	c.want(404, "DELETE", base+"/mailboxes/anna@c.example", nil, nil)
	p.tellsNothing(clientSecret, "refresh-", "access-")
}

// TestCodesAreBounded: no domain's people have more codes wait than they may, and one for the same mailbox takes the place of
// the one before.
func TestCodesAreBounded(t *testing.T) {
	p := startPage(t)
	p.agreeing("c.example", store.OldSide)
	c := p.program("c.example")
	const codes = "/api/v1/domains/c.example/consents/old/codes"
	for i := range 3 {
		c.want(202, "POST", codes, map[string]any{"mailbox": "anna@c.example"}, nil)
		if i == 0 {
			continue
		}
		all, err := p.app.Consents.Codes(t.Context(), access.CommandLine(), "c.example", store.OldSide)
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
	}
	for i := range 9 {
		eventually(t, "those before have left their places", func() bool {
			return c.do("POST", codes, map[string]any{"mailbox": fmt.Sprintf("person%d@c.example", i)}).StatusCode == 202
		})
	}
	if got := c.want(429, "POST", codes, map[string]any{"mailbox": "one.more@c.example"}, nil); got.Header.Get("Retry-After") == "" {
		t.Errorf("%s", got.text)
	}
}

// TestVisitsAreBounded: the oldest of too many browsers that one session has sent to a provider is not waited for any more.
func TestVisitsAreBounded(t *testing.T) {
	p := startPage(t)
	p.agreeing("c.example", store.OldSide)
	c := p.admin("anna", "")
	first := c.sendTo("c.example", store.OldSide, "anna@c.example")
	for range 8 {
		c.sendTo("c.example", store.OldSide, "bert@c.example")
	}
	back, err := clouds.Answer(clouds.Browser(), first, "anna@c.example")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.comeBack(back); got.StatusCode != 409 {
		t.Errorf("the first: %s", got.Status)
	}
}
