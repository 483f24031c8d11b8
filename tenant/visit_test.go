package tenant

import (
	"net/url"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/demo/clouds"
)

// backHere is the page's address as it is registered at the providers of these tests.
const backHere = "https://move.contoso.example/consent/back"

// provided is a provider of each kind at which people agree, with the mail server that takes its tokens.
func provided(t *testing.T, kind string) config.Server {
	t.Helper()
	boxes := []clouds.Mailbox{{Address: "anna@contoso.example"}, {Address: "berta@contoso.example"}}
	app := clouds.App{ID: "app", Secret: hush, Redirects: []string{backHere}}
	in := &config.SignIn{Method: config.Consent, Domain: "contoso.example", Side: "old", ClientID: "app", Secret: hush}
	var server config.Server
	switch kind {
	case "google":
		app.Scopes = []string{clouds.ScopeMail}
		g := &clouds.Google{Domain: "contoso.example", People: boxes, Apps: []clouds.App{app}}
		server, in.Issuer, in.Scope = mailServer(t, g.Allows), served(t, g), clouds.ScopeMail
	case "microsoft":
		app.Scopes = []string{clouds.ScopeIMAP}
		m := &clouds.Microsoft{Tenant: "tenant-1", People: boxes, Apps: []clouds.App{app}}
		server, in.Issuer, in.Scope = mailServer(t, m.Allows), served(t, m)+"/tenant-1/v2.0", microsoftMail+" "+offline
	default:
		app.Scopes = []string{clouds.ScopeOpenMail}
		o := &clouds.OpenID{People: boxes, Apps: []clouds.App{app}, NoRefresh: kind == "without refresh tokens"}
		switch kind {
		case "without a page":
			o.Alone = "code"
		case "that renames itself":
			o.Name = "https://id.contoso.example"
		}
		server, in.Issuer, in.Scope = mailServer(t, o.Allows), served(t, o), "openid mail "+offline
	}
	server.SignIn = in
	return server
}

// TestVisit: what a browser comes back with is taken once, from the provider that it was sent to, for the mailbox that
// it was sent for, and with what only we know. The providers check the verifier, the address and the code themselves.
func TestVisit(t *testing.T) {
	t.Parallel()
	right := func(*Visit, url.Values) {}
	tests := []struct {
		name, kind, user string
		change           func(v *Visit, answer url.Values)
		want             ConsentReason
	}{
		{"google", "google", "anna@contoso.example", right, ""},
		{"microsoft", "microsoft", "anna@contoso.example", right, ""},
		{"any", "any", "anna@contoso.example", right, ""},
		{"another name", "that renames itself", "anna@contoso.example", right, ""},
		{"somebody else", "any", "berta@contoso.example", right, NotOpened},
		{"a no", "any", "", right, Declined},
		{"a no at Microsoft", "microsoft", "", right, Declined},
		{"another state", "any", "anna@contoso.example", func(_ *Visit, a url.Values) { a.Set("state", "x") }, NotSent},
		{"no state", "any", "anna@contoso.example", func(_ *Visit, a url.Values) { a.Del("state") }, NotSent},
		{"another provider's answer", "any", "anna@contoso.example", func(_ *Visit, a url.Values) { a.Set("iss", "https://evil.example") }, NotSent},
		{"after ten minutes", "any", "anna@contoso.example", func(v *Visit, _ url.Values) { v.Ends = time.Now().Add(-time.Second) }, TooLate},
		{"another verifier", "any", "anna@contoso.example", func(v *Visit, _ url.Values) { v.verifier += "x" }, ProviderRefused},
		{"another verifier at Microsoft", "microsoft", "anna@contoso.example", func(v *Visit, _ url.Values) { v.verifier += "x" }, ProviderRefused},
		{"another verifier at Google", "google", "anna@contoso.example", func(v *Visit, _ url.Values) { v.verifier += "x" }, ProviderRefused},
		{"another address", "any", "anna@contoso.example", func(v *Visit, _ url.Values) { v.redirect += "/x" }, ProviderRefused},
		{"another code", "any", "anna@contoso.example", func(_ *Visit, a url.Values) { a.Set("code", "x") }, ProviderRefused},
		{"no code", "any", "anna@contoso.example", func(_ *Visit, a url.Values) { a.Del("code") }, ProviderRefused},
		{"an error of its own", "any", "anna@contoso.example", func(_ *Visit, a url.Values) { a.Set("error", "server_error") }, ProviderRefused},
		{"for an hour only", "without refresh tokens", "anna@contoso.example", right, NotLasting},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, c := provided(t, tt.kind), &Connector{Log: zerolog.Nop()}
			v, err := c.Send(t.Context(), server, "anna@contoso.example", backHere)
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(v.Ends); left < 9*time.Minute || left > VisitLife {
				t.Errorf("it is good for %v", left)
			}
			back, err := clouds.Answer(clouds.Browser(), v.URL, tt.user)
			if err != nil || back.Scheme+"://"+back.Host+back.Path != backHere {
				t.Fatalf("sent back to %v, %v", back, err)
			}
			answer := back.Query()
			tt.change(v, answer)
			got, err := c.Redeem(t.Context(), server, v, answer)
			if Code(err) != string(tt.want) || (err == nil) != (got.Refresh != "") {
				t.Fatalf("%v, %+v; want %q", err, got, tt.want)
			}
			if err != nil {
				return
			}
			if got.Login != "anna@contoso.example" || got.Domain != "contoso.example" || got.Issuer != server.SignIn.Issuer || got.ClientID != "app" {
				t.Errorf("agreed: %+v", got)
			}
			if _, err := c.Redeem(t.Context(), server, v, answer); Code(err) != string(ProviderRefused) {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

// TestVisitIsRefused: a browser is sent to nobody who doesn't know the address to which it comes back, and to no page that is not there.
func TestVisitIsRefused(t *testing.T) {
	t.Parallel()
	c := &Connector{Log: zerolog.Nop()}
	v, err := c.Send(t.Context(), provided(t, "any"), "anna@contoso.example", "https://elsewhere.example/consent/back")
	if err != nil {
		t.Fatal(err)
	}
	if back, err := clouds.Answer(clouds.Browser(), v.URL, "anna@contoso.example"); err == nil {
		t.Errorf("sent to %v", back)
	}
	if _, err := c.Send(t.Context(), provided(t, "without a page"), "anna@contoso.example", backHere); Code(err) != string(NoBrowser) {
		t.Errorf("a provider without a page: %v", err)
	}
	server := provided(t, "google")
	if _, err := c.ConsentByCode(t.Context(), server, "anna@contoso.example", func(Prompt) error { return nil }); Code(err) != string(ProviderRefused) && Code(err) != string(NoCode) {
		t.Errorf("a code at Google: %v", err)
	}
}

// TestConsentByCodeOfClient: a client that has a secret shows it when it asks for a code.
func TestConsentByCodeOfClient(t *testing.T) {
	t.Parallel()
	boxes := []clouds.Mailbox{{Address: "anna@contoso.example"}}
	o := &clouds.OpenID{People: boxes, Apps: []clouds.App{{ID: "app", Secret: hush, Scopes: []string{clouds.ScopeOpenMail}}}}
	server, c := mailServer(t, o.Allows), &Connector{Log: zerolog.Nop()}
	server.SignIn = &config.SignIn{Method: config.Consent, Domain: "contoso.example", Side: "old", ClientID: "app", Secret: hush, Issuer: served(t, o), Scope: "mail " + offline}
	got, err := c.ConsentByCode(t.Context(), server, "anna@contoso.example", func(p Prompt) error {
		o.Accept(p.Code, "anna@contoso.example")
		return nil
	})
	if err != nil || got.Refresh == "" {
		t.Errorf("%v", err)
	}
}

// TestUnusedAgreementIsGivenBack: what somebody agreed to for the wrong mailbox doesn't stay with the provider.
func TestUnusedAgreementIsGivenBack(t *testing.T) {
	t.Parallel()
	boxes := []clouds.Mailbox{{Address: "anna@contoso.example"}, {Address: "berta@contoso.example"}}
	o := &clouds.OpenID{People: boxes, Apps: []clouds.App{{ID: "app", Secret: hush, Scopes: []string{clouds.ScopeOpenMail}, Redirects: []string{backHere}}}}
	server, c := mailServer(t, o.Allows), &Connector{Log: zerolog.Nop()}
	server.SignIn = &config.SignIn{Method: config.Consent, Domain: "contoso.example", Side: "new", ClientID: "app", Secret: hush, Issuer: served(t, o), Scope: "mail " + offline}
	for user, left := range map[string]int{"berta@contoso.example": 0, "anna@contoso.example": 1} {
		before := o.Refreshes()
		v, err := c.Send(t.Context(), server, "anna@contoso.example", backHere)
		if err != nil {
			t.Fatal(err)
		}
		back, err := clouds.Answer(clouds.Browser(), v.URL, user)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Redeem(t.Context(), server, v, back.Query())
		if (err == nil) != (left == 1) || o.Refreshes() != before+left {
			t.Errorf("%s: %v, %d refresh tokens", user, err, o.Refreshes())
		}
	}
}

// TestProviderIsTried: a test says whether people can agree, before anybody has.
func TestProviderIsTried(t *testing.T) {
	t.Parallel()
	c := &Connector{Log: zerolog.Nop()}
	steps := c.Test(t.Context(), provided(t, "any"), "")
	if len(steps) != 1 || !steps[0].OK || steps[0].Name != StepProvider || steps[0].Text != "People can sign in at 127.0.0.1 with a browser and with a code." {
		t.Errorf("%+v", steps)
	}
	server := provided(t, "any")
	server.SignIn.Issuer += "/nothing"
	if steps = c.Test(t.Context(), server, ""); len(steps) != 1 || steps[0].OK || steps[0].Code != "token_unavailable" {
		t.Errorf("a wrong address: %+v", steps)
	}
	if steps = c.Test(t.Context(), provided(t, "any"), "anna@contoso.example"); len(steps) != 2 || steps[1].Code != "consent_missing" {
		t.Errorf("nobody has agreed: %+v", steps)
	}
}
