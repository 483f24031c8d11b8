package tenant

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/config"
)

// TestRepeatedByTheProvider: a provider that repeats in its refusal what it was sent is not repeated.
func TestRepeatedByTheProvider(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/token" {
			fmt.Fprintf(w, `{"token_endpoint":"http://%[1]s/token","authorization_endpoint":"http://%[1]s/authorize"}`, r.Host)
			return
		}
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"error":"invalid_grant","error_description":%q}`, r.PostFormValue("client_secret")+r.PostFormValue("code")+r.PostFormValue("code_verifier"))
	}))
	t.Cleanup(server.Close)
	place := config.Server{Host: "imap.example", SignIn: &config.SignIn{Method: config.Consent, Domain: "contoso.example", Side: "old", Issuer: server.URL, ClientID: "app", Secret: hush}}
	c := &Connector{Log: zerolog.Nop()}
	v, err := c.Send(t.Context(), place, "anna@contoso.example", "http://127.0.0.1/")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Redeem(t.Context(), place, v, url.Values{"state": {v.State}, "code": {"odd code+/="}})
	if err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Fatal(err)
	}
	for _, secret := range []string{hush, "odd code", v.verifier} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q is told: %v", secret, err)
		}
	}
}
