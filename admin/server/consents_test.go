package server

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/config"
	"postferry/internal/demo/clouds"
	"postferry/internal/demo/servers"
	"postferry/store"
)

// clientSecret is that of the client at the provider.
const clientSecret = "hu5h-of-the-client"

// mailServer opens mailboxes as check says, with so much mail.
func (p *page) mailServer(check func(token, login string) error, mail int) *servers.Tenant {
	p.t.Helper()
	s, err := servers.StartTenant(func(token, login string) error {
		err := check(token, login)
		if no, ok := errors.AsType[*clouds.IMAPRefusal](err); ok {
			return &servers.Refusal{Challenge: no.Challenge, Text: no.Text, Bad: no.Bad}
		}
		return err
	}, mail, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(s.Close)
	return s
}

// putDomain sets a domain up with the servers at two addresses.
func (p *page) putDomain(domain, old, fresh string) {
	p.t.Helper()
	p.keepDomain(store.Domain{Name: domain, Old: old, New: fresh, OldSetBy: store.SetByAll, Created: time.Now()})
}

// agreeing makes the people of a domain agree each for themselves at a server of one side, at a provider that is
// nobody's in particular.
func (p *page) agreeing(domain string, side store.Side) *clouds.OpenID {
	p.t.Helper()
	o := &clouds.OpenID{Apps: []clouds.App{{ID: "client", Secret: clientSecret, Scopes: []string{clouds.ScopeOpenMail}, Redirects: []string{p.URL() + admin.ConsentPath}}}}
	for _, name := range []string{"anna", "bert", "clara"} {
		o.People = append(o.People, clouds.Mailbox{Address: name + "@" + domain})
	}
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.asked != nil {
			p.asked(r.URL.Path)
		}
		o.ServeHTTP(w, r)
	}))
	p.t.Cleanup(provider.Close)
	urls := map[store.Side]string{store.OldSide: "imaps://old.example", store.NewSide: "imaps://new.example"}
	urls[side] = p.mailServer(o.Allows, 3).URL()
	p.putDomain(domain, urls[store.OldSide], urls[store.NewSide])
	// Another name of this machine is another site for browsers, with cookies of its own.
	issuer := strings.Replace(provider.URL, "127.0.0.1", "localhost", 1)
	in := admin.SignInInput{Method: config.Consent, Issuer: issuer, ClientID: "client", Secret: clientSecret, Scope: "openid mail offline_access"}
	if err := p.app.Tenants.PutSignIn(p.t.Context(), access.CommandLine(), domain, side, in); err != nil {
		p.t.Fatal(err)
	}
	return o
}

// going finds the address of the provider on a page that leads there.
var going = regexp.MustCompile(`<a class="button first" href="([^"]+)"`)

// sendTo asks for a browser's way to the provider, and returns its address.
func (c *caller) sendTo(domain string, side store.Side, mailbox string) string {
	c.t.Helper()
	status, _, text := c.form("/d/"+domain+"/consents", "side", string(side), "do", "browser", "mailbox", mailbox)
	m := going.FindStringSubmatch(text)
	if status != 200 || m == nil {
		c.t.Fatalf("no way to the provider: %d\n%s", status, text)
	}
	return html.UnescapeString(m[1])
}

// comeBack is a browser that a provider sends back.
func (c *caller) comeBack(at *url.URL) reply {
	c.t.Helper()
	return c.do("GET", at.RequestURI(), nil)
}

// TestConsentOnThePage: the owner of a mailbox agrees in the browser, for either server; what came back is good once, and
// in the session in which it began.
func TestConsentOnThePage(t *testing.T) {
	p := startPage(t)
	for _, side := range []store.Side{store.OldSide, store.NewSide} {
		domain := string(side) + ".example"
		provider := p.agreeing(domain, side)
		ids := p.put(domain, "anna@"+domain, "bert@"+domain)
		if err := p.store.SetProblem(t.Context(), ids[0], &store.Problem{Kind: store.ConsentMissing, Server: side, Advice: store.NeedsFix}); err != nil {
			t.Fatal(err)
		}
		c, other := p.admin("anna-"+string(side), ""), p.admin("bert-"+string(side), "")
		path, mailbox := "/d/"+domain+"/consents?side="+string(side), "anna@"+domain
		shows(t, "at first", 200, 200, c.do("GET", path, nil).text, "0 of 2 have agreed", "Not yet")
		shows(t, "the usual side", 200, 200, c.do("GET", "/d/"+domain+"/consents", nil).text, "0 of 2 have agreed")
		answer := func(user string) *url.URL {
			t.Helper()
			back, err := clouds.Answer(clouds.Browser(), c.sendTo(domain, side, mailbox), user)
			if err != nil {
				t.Fatal(err)
			}
			return back
		}
		got := c.comeBack(answer(""))
		shows(t, "a no", got.StatusCode, 422, got.text, "said no")
		got = c.comeBack(answer("clara@" + domain))
		shows(t, "somebody else", got.StatusCode, 422, got.text, "open the mailbox anna@"+domain)
		stolen := answer(mailbox)
		got = other.comeBack(stolen)
		shows(t, "another session", got.StatusCode, 409, got.text, "in another session")
		got = c.comeBack(stolen)
		shows(t, "after another session", got.StatusCode, 409, got.text, "a second time")
		if got = p.browser().comeBack(answer(mailbox)); got.StatusCode != 303 || !strings.HasPrefix(got.Header.Get("Location"), "/login?") {
			t.Errorf("nobody: %s", got.Status)
		}
		if n := provider.Refreshes(); n != 0 {
			t.Errorf("%d agreements that nobody uses stay at the provider", n)
		}
		p.ferry.SawCalls()
		back := answer(mailbox)
		if got = c.comeBack(back); got.StatusCode != 303 || got.Header.Get("Location") != path+"&done=consent_given" {
			t.Fatalf("agreed: %s at %s\n%s", got.Status, got.Header.Get("Location"), got.text)
		}
		shows(t, "agreed", 200, 200, c.do("GET", path+"&done=consent_given", nil).text, "1 of 2 have agreed", "opens the mailbox from now on")
		got = c.comeBack(back)
		shows(t, "a second time", got.StatusCode, 409, got.text, "a second time")
		a, err := p.store.AccountByID(t.Context(), ids[0])
		if calls := fmt.Sprint(p.ferry.SawCalls()); err != nil || a.Problem != nil || !strings.Contains(calls, fmt.Sprintf("updated [%d]", ids[0])) {
			t.Errorf("what waited for it: %v, %v, %s", a.Problem, err, calls)
		}
		agreed, err := p.store.Consent(t.Context(), store.Mailbox{Domain: domain, Side: side, Login: mailbox})
		if err != nil {
			t.Fatal(err)
		}
		status, _, text := c.form("/d/"+domain+"/consents", "side", string(side), "do", "forget", "mailbox", mailbox)
		shows(t, "forgotten", status, 200, text, "0 of 2 have agreed", "the provider was told")
		if n := provider.Refreshes(); n != 0 {
			t.Errorf("%d agreements stay at the provider", n)
		}
		p.tellsNothing(clientSecret, agreed.Refresh.Reveal(), "refresh-", "access-")
	}
}

// tellsNothing wants no secret to be in what was answered, nor in the log.
func (p *page) tellsNothing(secrets ...string) {
	p.t.Helper()
	for _, secret := range secrets {
		if strings.Contains(p.answers.String()+p.log.String(), secret) {
			p.t.Errorf("%q was told", secret)
		}
	}
}

// TestConsentByCodeOnThePage: a code is shown with its address, and what comes of it.
func TestConsentByCodeOnThePage(t *testing.T) {
	p := startPage(t)
	provider := p.agreeing("c.example", store.OldSide)
	p.put("c.example", "anna@c.example", "bert@c.example", "clara@c.example")
	c := p.admin("carol", "c.example") // whoever looks after the domain may
	path := "/d/c.example/consents"
	if text := c.do("GET", "/d/c.example", nil).text; !strings.Contains(text, `href="/d/c.example/consents"`) || strings.Contains(text, `href="/d/c.example/connect"`) {
		t.Errorf("no way there:\n%.3000s", text)
	}
	for _, tt := range []struct {
		who  string
		does func(code string)
		want string
	}{
		{"anna@c.example", func(code string) { provider.Accept(code, "anna@c.example") }, "1 of 3 have agreed"},
		{"bert@c.example", func(code string) { provider.Deny(code) }, "said no"},
		{"clara@c.example", func(code string) { provider.Accept(code, "anna@c.example") }, "open the mailbox clara@c.example"},
	} {
		status, _, text := c.form(path, "do", "code", "mailbox", tt.who)
		codes, err := p.app.Consents.Codes(t.Context(), access.CommandLine(), "c.example", store.OldSide)
		if err != nil || len(codes) == 0 || codes[0].Mailbox != tt.who || codes[0].State != "waiting" {
			t.Fatalf("%s: %+v, %v", tt.who, codes, err)
		}
		shows(t, "a code", status, 200, text, codes[0].Code, codes[0].URL, "Waiting for that", "/consents/live?side=old")
		answered := time.Now()
		tt.does(codes[0].Code)
		eventually(t, tt.want, func() bool { return strings.Contains(c.do("GET", path, nil).text, tt.want) })
		eventually(t, "the code is not shown any more", func() bool { return !strings.Contains(c.do("GET", path, nil).text, codes[0].Code) })
		if codes, err = p.app.Consents.Codes(t.Context(), access.CommandLine(), "c.example", store.OldSide); err != nil || codes[0].Ended.Before(answered) {
			t.Errorf("%s: it ended before it was answered: %+v, %v", tt.who, codes[0], err)
		}
	}
	if n := provider.Refreshes(); n != 1 {
		t.Errorf("%d agreements at the provider", n)
	}
	status, _, text := c.form(path, "do", "code", "mailbox", "x@other.example")
	shows(t, "another domain's", status, 422, text, "another domain")
	status, _, _ = c.form(path, "do", "code", "mailbox", "clara@c.example")
	codes, err := p.app.Consents.Codes(t.Context(), access.CommandLine(), "c.example", store.OldSide)
	if err != nil || status != 200 || len(codes) != 3 {
		t.Fatalf("%d, %+v, %v", status, codes, err)
	}
	status, _, text = c.form(path, "do", "cancel", "id", codes[0].ID)
	if status != 200 || strings.Contains(text, codes[0].Code) {
		t.Errorf("cancelled: %d\n%s", status, text)
	}
	provider.Accept(codes[0].Code, "clara@c.example")
	if n := provider.Refreshes(); n != 1 {
		t.Errorf("%d agreements after one was cancelled", n)
	}
	p.tellsNothing(clientSecret, "refresh-", "access-")
}

// TestSignInOfBothServers: each server has its own way to sign in, and what is forgotten of one is the other's no loss.
func TestSignInOfBothServers(t *testing.T) {
	p := startPage(t)
	c := p.admin("anna", "")
	provider := p.agreeing("c.example", store.OldSide)
	back, err := clouds.Answer(clouds.Browser(), c.sendTo("c.example", store.OldSide, "anna@c.example"), "anna@c.example")
	if err != nil {
		t.Fatal(err)
	}
	c.comeBack(back)
	cloud := p.tenantAt(5, "c.example")
	fresh := p.mailServer(cloud.m.Allows, 2)
	d, _ := p.directory.DomainNamed("c.example")
	p.putDomain("c.example", d.Old.String(), fresh.URL())
	form := []string{"side", "new", "kind", "microsoft", "tenant", "tenant-1", "client_id", "app", "secret", tenantSecret, "authority", cloud.url, "mailbox", "person0001@c.example", "do", "save"}
	status, _, text := c.form("/d/c.example/connect", form...)
	shows(t, "the new server", status, 200, text, "Connected", "person0001@c.example opens; its inbox has")
	d, _ = p.directory.DomainNamed("c.example")
	if d.Old.SignIn == nil || d.Old.SignIn.Method != config.Consent || d.New.SignIn == nil || d.New.SignIn.Method != config.Microsoft || d.New.SignIn.Side != "new" {
		t.Fatalf("old %+v, new %+v", d.Old.SignIn, d.New.SignIn)
	}
	for path, want := range map[string][]string{
		"/d/c.example/connect":                       {"Each person agrees", "redirect URI", p.URL() + "/consent/back", "there is one; empty keeps it"},
		"/d/c.example/connect?side=new":              {"The new server is 127.0.0.1", `value="tenant-1"`, "New-ServicePrincipal"},
		"/d/c.example/connect?side=new&kind=master":  {"Login that opens all mailboxes"},
		"/d/c.example/connect?side=new&kind=consent": {"client secret"},
	} {
		got := c.do("GET", path, nil)
		shows(t, path, got.StatusCode, 200, strings.ToLower(got.text), lower(want)...)
	}
	status, _, text = c.form("/d/c.example/connect", "side", "new", "do", "forget")
	shows(t, "the new one forgotten", status, 200, text, "Forgotten")
	if d, _ = p.directory.DomainNamed("c.example"); d.Old.SignIn == nil || d.New.SignIn != nil || provider.Refreshes() != 1 {
		t.Errorf("old %+v, new %+v, %d agreements", d.Old.SignIn, d.New.SignIn, provider.Refreshes())
	}
	status, _, text = c.form("/d/c.example/connect", "side", "old", "do", "forget")
	shows(t, "the old one forgotten", status, 200, text, "with 1 agreement, of which the provider was told")
	consents, err := p.store.Consents(t.Context(), "")
	signIns, err1 := p.store.SignIns(t.Context())
	if err != nil || err1 != nil || len(consents)+len(signIns) != 0 || provider.Refreshes() != 0 {
		t.Errorf("left: %v, %v, %v, %v, %d at the provider", consents, signIns, err, err1, provider.Refreshes())
	}
	p.tellsNothing(clientSecret, tenantSecret, "refresh-", "access-", "eyJ")
}

func lower(all []string) []string {
	for i := range all {
		all[i] = strings.ToLower(all[i])
	}
	return all
}

// TestOtherProviderForgetsConsents: what people agreed to with one provider is of no use to another, and doesn't stay.
func TestOtherProviderForgetsConsents(t *testing.T) {
	p := startPage(t)
	provider := p.agreeing("c.example", store.OldSide)
	c := p.admin("anna", "")
	back, err := clouds.Answer(clouds.Browser(), c.sendTo("c.example", store.OldSide, "anna@c.example"), "anna@c.example")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.comeBack(back); got.StatusCode != 303 || provider.Refreshes() != 1 {
		t.Fatal(got.Status, provider.Refreshes())
	}
	pending, err := clouds.Answer(clouds.Browser(), c.sendTo("c.example", store.OldSide, "bert@c.example"), "bert@c.example")
	if err != nil {
		t.Fatal(err)
	}
	d, _ := p.directory.DomainNamed("c.example")
	again := admin.SignInInput{Method: config.Consent, Issuer: d.Old.SignIn.Issuer, ClientID: "client", Scope: "openid mail offline_access"} // the secret stays
	if err := p.app.Tenants.PutSignIn(t.Context(), access.CommandLine(), "c.example", store.OldSide, again); err != nil {
		t.Fatal(err)
	}
	if all, err := p.store.Consents(t.Context(), "c.example"); err != nil || len(all) != 1 || provider.Refreshes() != 1 {
		t.Errorf("the same again: %v, %v, %d at the provider", all, err, provider.Refreshes())
	}
	if got := c.comeBack(pending); got.StatusCode != 422 {
		t.Errorf("who was on the way: %s", got.Status)
	}
	pending, err = clouds.Answer(clouds.Browser(), c.sendTo("c.example", store.OldSide, "bert@c.example"), "bert@c.example")
	if err != nil {
		t.Fatal(err)
	}
	in := admin.SignInInput{Method: config.Master, Login: "boss", Secret: "of the boss", Separator: "*"}
	if err := p.app.Tenants.PutSignIn(t.Context(), access.CommandLine(), "c.example", store.OldSide, in); err != nil {
		t.Fatal(err)
	}
	all, err := p.store.Consents(t.Context(), "c.example")
	if err != nil || len(all) != 0 || provider.Refreshes() != 0 {
		t.Errorf("%v, %v, %d at the provider", all, err, provider.Refreshes())
	}
	if got := c.comeBack(pending); got.StatusCode != 409 {
		t.Errorf("who was on the way: %s", got.Status)
	}
}

// TestSignedInServerStays: whoever looks after one domain has no token of a tenant sent to a server of their choice.
func TestSignedInServerStays(t *testing.T) {
	p := startPage(t)
	p.connected("c.example", 3) // it has no accounts
	own, all := p.program("c.example"), p.program("")
	server := map[string]any{"old": "imaps://imap.of-my-own.example"}
	got := own.want(403, "PUT", "/api/v1/domains/c.example", server, nil)
	if !strings.Contains(got.text, "old_server_signed_in") {
		t.Errorf("%s", got.text)
	}
	if d, _ := p.directory.DomainNamed("c.example"); d.Old.Host != "127.0.0.1" {
		t.Errorf("the old server is %s", d.Old.Host)
	}
	all.want(200, "PUT", "/api/v1/domains/c.example", server, nil)
}

// TestProviderIsDown: why a provider can't be asked is told, to programs in a sentence of its own.
func TestProviderIsDown(t *testing.T) {
	p := startPage(t)
	provider := p.agreeing("c.example", store.OldSide)
	provider.SetDown(true)
	got := p.program("c.example").want(409, "POST", "/api/v1/domains/c.example/consents/old/codes", map[string]any{"mailbox": "anna@c.example"}, nil)
	shows(t, "by the API", 409, got.StatusCode, got.text, `"provider_not_asked"`, "localhost gives out no tokens at the moment")
	for _, do := range []string{"browser", "code"} {
		status, _, text := p.admin("anna-"+do, "c.example").form("/d/c.example/consents", "do", do, "mailbox", "anna@c.example")
		shows(t, "on the page", status, 422, text, "be asked. See whether its address is right")
	}
}

// TestBrowsersSentAreBounded: one domain's people can't have a provider asked as often at a time as they like.
func TestBrowsersSentAreBounded(t *testing.T) {
	p := startPage(t)
	asked, answer := make(chan struct{}, 10), make(chan struct{})
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-answer:
		case <-r.Context().Done():
		}
		http.NotFound(w, r)
	}))
	defer provider.Close()
	p.putDomain("c.example", "imaps://old.example", "imaps://new.example")
	in := admin.SignInInput{Method: config.Consent, Issuer: provider.URL, ClientID: "client", Secret: clientSecret}
	if err := p.app.Tenants.PutSignIn(t.Context(), access.CommandLine(), "c.example", store.OldSide, in); err != nil {
		t.Fatal(err)
	}
	const path, most = "/d/c.example/consents", 4
	form := []string{"do", "browser", "mailbox", "anna@c.example"}
	c, root := p.admin("anna", "c.example"), p.admin("root", "")
	var waiting sync.WaitGroup
	wait := func(c *caller) {
		waiting.Go(func() {
			status, _, text := c.form(path, form...)
			shows(t, "whoever is served", status, 422, text, "be asked. See whether its address is right")
		})
		<-asked
	}
	for range most {
		wait(c)
	}
	status, _, text := c.form(path, form...)
	shows(t, "one more", status, 422, text, "Other tenants are being asked right now")
	wait(root)
	close(answer)
	waiting.Wait()
}
