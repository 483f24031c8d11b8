package tenant

import (
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/demo/clouds"
)

// people are a provider whose people agree for themselves, with their mail server.
func people(t *testing.T, google bool) (provider interface {
	Accept(code, user string) bool
	Deny(code string) bool
	Revoke(whose string)
}, server config.Server) {
	t.Helper()
	boxes := []clouds.Mailbox{{Address: "anna@contoso.example"}, {Address: "berta@contoso.example"}}
	in := &config.SignIn{Method: config.Consent, Domain: "contoso.example", Side: "old", ClientID: "app"}
	if google {
		g := &clouds.Google{Domain: "contoso.example", People: boxes, Apps: []clouds.App{{ID: "app", Secret: hush, Scopes: []string{clouds.ScopeMail}, Redirects: []string{"http://127.0.0.1"}}}}
		server = mailServer(t, g.Allows)
		in.Issuer, in.Secret, in.Scope = served(t, g), hush, clouds.ScopeMail
		server.SignIn = in
		return g, server
	}
	m := &clouds.Microsoft{Tenant: "tenant-1", People: boxes, Apps: []clouds.App{{ID: "app", Scopes: []string{clouds.ScopeIMAP}}}}
	server = mailServer(t, m.Allows)
	in.Issuer, in.Scope = served(t, m)+"/tenant-1/v2.0", "https://outlook.office.com/IMAP.AccessAsUser.All offline_access"
	server.SignIn = in
	return m, server
}

func TestConsentByCode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		who  string // who enters the code; "" for a no
		want string
	}{
		"the owner": {"anna@contoso.example", ""}, "somebody else": {"berta@contoso.example", "can't open the mailbox anna@contoso.example"}, "a no": {"", "said no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider, server := people(t, false)
			got, err := (&Connector{Log: zerolog.Nop()}).Consent(t.Context(), server, "anna@contoso.example", func(p Prompt) error {
				if p.Code == "" || !strings.Contains(p.URL, "/devicelogin") {
					t.Errorf("asked for %+v", p)
				}
				if c.who == "" {
					provider.Deny(p.Code)
				} else {
					provider.Accept(p.Code, c.who)
				}
				return nil
			})
			if c.want == "" && (err != nil || got.Refresh == "" || got.Login != "anna@contoso.example" || got.Domain != "contoso.example" || got.Issuer != server.SignIn.Issuer) ||
				c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, %+v", err, got)
			}
		})
	}
}

// TestConsentInBrowser: Google lets no device at mail, so a browser on this machine it is.
func TestConsentInBrowser(t *testing.T) {
	t.Parallel()
	_, server := people(t, true)
	c := &Connector{Log: zerolog.Nop()}
	got, err := c.Consent(t.Context(), server, "anna@contoso.example", func(p Prompt) error {
		if p.Code != "" {
			t.Errorf("a code is asked for: %+v", p)
		}
		resp, err := clouds.Browser().PostForm(p.URL, url.Values{"user": {"anna@contoso.example"}, "answer": {"accept"}})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if said, _ := io.ReadAll(resp.Body); !strings.Contains(string(said), "may close this window") {
			t.Errorf("the browser shows %s", said)
		}
		return nil
	})
	if err != nil || got.Refresh == "" {
		t.Fatal(err)
	}
	if told, err := c.Revoke(t.Context(), server, got); err != nil || !told {
		t.Errorf("revoked: %t, %v", told, err)
	}
	_, err = c.Consent(t.Context(), server, "anna@contoso.example", func(p Prompt) error {
		resp, err := clouds.Browser().PostForm(p.URL, url.Values{"user": {"anna@contoso.example"}, "answer": {"cancel"}})
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
	if Code(err) != string(Declined) {
		t.Errorf("a no: %v", err)
	}
	forged := errors.New("nothing came of it")
	_, err = c.Consent(t.Context(), server, "anna@contoso.example", func(p Prompt) error {
		u, err := url.Parse(p.URL)
		if err != nil {
			return err
		}
		resp, err := clouds.Browser().Get(u.Query().Get("redirect_uri") + "/?state=x&code=y")
		if err != nil {
			return errors.Join(forged, err)
		}
		return resp.Body.Close()
	})
	if err == nil || errors.Is(err, forged) || !strings.Contains(err.Error(), "not sent by us") {
		t.Errorf("a forged answer: %v", err)
	}
}
