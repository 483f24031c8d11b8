package server

import (
	"testing"
	"time"

	"golang.org/x/oauth2"

	"postferry/internal/demo/clouds"
	"postferry/store"
)

// TestEndsAreToldToTheProvider: whatever ends what somebody has agreed to, the provider is told of it.
func TestEndsAreToldToTheProvider(t *testing.T) {
	p := startPage(t)
	c := p.admin("anna", "")
	const domain, d = "c.example", "/api/v1/domains/c.example"
	ends := endings(p, c, domain)
	ends["domain removed"] = func() { // of which somebody has agreed who has no account
		c.want(200, "POST", d+"/accounts/remove", map[string]any{"all": true}, nil)
		agree(t, c, domain)
		c.want(204, "DELETE", d, nil, nil)
	}
	for name, end := range ends {
		provider := p.agreeing(domain, store.OldSide)
		p.put(domain, "anna@"+domain)
		agree(t, c, domain)
		if provider.Refreshes() != 1 {
			t.Fatalf("%s: nothing was agreed to", name)
		}
		end()
		consents, err := p.store.Consents(t.Context(), domain)
		if n := provider.Refreshes(); err != nil || len(consents) != 0 || n != 0 {
			t.Errorf("%s: %d agreements at the provider, %d here, %v", name, n, len(consents), err)
		}
		if _, there := p.directory.DomainNamed(domain); there {
			c.want(204, "POST", d+"/forget", nil, nil)
		}
	}
}

// TestProviderIsToldLast: what is kept here of a domain is gone before its provider is told, which may take its time.
func TestProviderIsToldLast(t *testing.T) {
	p := startPage(t)
	const domain = "c.example"
	known := make(chan bool, 1)
	p.asked = func(path string) {
		if path == "/revoke" {
			_, there := p.directory.DomainNamed(domain)
			known <- there
		}
	}
	p.agreeing(domain, store.OldSide)
	c := p.admin("anna", "")
	agree(t, c, domain)
	c.want(204, "DELETE", "/api/v1/domains/"+domain, nil, nil)
	select {
	case there := <-known:
		if there {
			t.Error("the domain is known while the provider is told")
		}
	default:
		t.Error("the provider was not told")
	}
}

// agree has anna agree in a browser.
func agree(t *testing.T, c *caller, domain string) {
	t.Helper()
	back, err := clouds.Answer(clouds.Browser(), c.sendTo(domain, store.OldSide, "anna@"+domain), "anna@"+domain)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.comeBack(back); got.StatusCode != 303 {
		t.Fatalf("not agreed: %s\n%s", got.Status, got.text)
	}
}

// TestForgottenWhileItIsExchanged: an agreement is forgotten while its refresh token, which is good for once, is being exchanged.
// The provider is told of the one that comes of it: of the other it would know nothing any more.
func TestForgottenWhileItIsExchanged(t *testing.T) {
	p := startPage(t)
	c := p.admin("anna", "")
	const domain, path = "c.example", "/api/v1/domains/c.example/consents/old/mailboxes/anna@c.example"
	provider, m := p.agreeing(domain, store.OldSide), store.Mailbox{Domain: domain, Side: store.OldSide, Login: "anna@" + domain}
	p.put(domain, m.Login)
	agree(t, c, domain)
	release, err := p.store.HoldConsent(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	agreed, err := p.store.Consent(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	forgotten := make(chan struct{})
	go func() {
		defer close(forgotten)
		c.want(200, "DELETE", path, nil, nil)
	}()
	select { // it has to wait
	case <-forgotten:
	case <-time.After(100 * time.Millisecond):
	}
	asked := oauth2.Config{ClientID: agreed.ClientID, ClientSecret: clientSecret, Endpoint: oauth2.Endpoint{TokenURL: agreed.Issuer + "/token"}}
	got, err := asked.TokenSource(t.Context(), &oauth2.Token{RefreshToken: agreed.Refresh.Reveal()}).Token()
	if err == nil {
		_, err = p.store.RenewConsent(t.Context(), m, agreed.Refresh, store.Secret(got.RefreshToken))
	}
	release()
	<-forgotten
	if n := provider.Refreshes(); err != nil || n != 0 {
		t.Errorf("%d agreements that nobody uses stay at the provider (%v)", n, err)
	}
}
