package tenant

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/demo/clouds"
	"postferry/store"
)

// codesBy are people who agree by codes of a provider that answers like this.
func codesBy(t *testing.T, answer http.HandlerFunc) config.Server {
	t.Helper()
	at := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" {
			answer(w, r)
			return
		}
		here := "http://" + r.Host
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": here, "token_endpoint": here + "/token", "device_authorization_endpoint": here + "/device"})
	}))
	return config.Server{Host: "imap.example", SignIn: &config.SignIn{Method: config.Consent, Domain: "contoso.example", Side: "old", ClientID: "app", Secret: hush, Issuer: at}}
}

// TestCodesThatAreNone: a provider that answers with no code that a person can be shown has its answer refused, whatever it is.
func TestCodesThatAreNone(t *testing.T) {
	t.Parallel()
	const unavailable = string(store.TokenUnavailable)
	for name, tt := range map[string]struct {
		status       int
		answer, want string
	}{
		"null":               {200, `null`, unavailable},
		"a list":             {200, `[]`, unavailable},
		"nothing":            {200, ``, unavailable},
		"an empty object":    {200, `{}`, unavailable},
		"without end":        {200, `{"user_code": "` + strings.Repeat("x", 2<<20) + `"}`, unavailable},
		"no code to enter":   {200, `{"device_code": "d", "verification_uri": "https://id.example/d", "expires_in": 900}`, unavailable},
		"no code of its own": {200, `{"user_code": "AB-CD", "verification_uri": "https://id.example/d", "expires_in": 900}`, unavailable},
		"control characters": {200, `{"device_code": "d", "user_code": "A\u001b[2J", "verification_uri": "https://id.example/d"}`, unavailable},
		"a long code":        {200, `{"device_code": "d", "user_code": "` + strings.Repeat("x", 1000) + `", "verification_uri": "https://id.example/d"}`, unavailable},
		"no page":            {200, `{"device_code": "d", "user_code": "AB-CD"}`, unavailable},
		"a script":           {200, `{"device_code": "d", "user_code": "AB-CD", "verification_uri": "javascript:alert(1)"}`, unavailable},
		"a page that blinks": {200, `{"device_code": "d", "user_code": "AB-CD", "verification_uri": "https://id.example/\u001b[2J"}`, unavailable},
		"a refusal":          {400, `{"error": "invalid_scope", "error_description": "no"}`, string(ProviderRefused)},
		"a refusal as null":  {400, `null`, string(ProviderRefused)},
		"a page":             {404, `<html>`, string(ProviderRefused)},
		"elsewhere":          {302, ``, string(ProviderRefused)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := codesBy(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.answer))
			})
			_, err := (&Connector{Log: zerolog.Nop()}).ConsentByCode(t.Context(), server, "anna@contoso.example", func(p Prompt) error {
				t.Errorf("shown: %+v", p)
				return errors.New("shown")
			})
			if Code(err) != tt.want || len(err.Error()) > 1000 || strings.Contains(err.Error(), hush) || strings.HasSuffix(err.Error(), ": .") {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// TestPageOfCodesHasTLS: people are sent to no page without TLS, but by a provider on this machine.
func TestPageOfCodesHasTLS(t *testing.T) {
	a := deviceAnswer{DeviceCode: "d", UserCode: "AB-CD", URL: "http://id.example/d"}
	for _, local := range []bool{false, true} {
		if _, err := a.checked(time.Now().Add(time.Minute), local); (err == nil) != local {
			t.Errorf("local %v: %v", local, err)
		}
	}
}

// TestEndOfCode: nobody is told that a code is good for longer than it is waited for.
func TestEndOfCode(t *testing.T) {
	t.Parallel()
	shown := errors.New("shown")
	for answer, want := range map[string]time.Duration{
		`"expires_in": 60`: time.Minute, `"expires_in": 9223372036854775807`: consentLife, `"expires_in": 0`: consentLife, `"interval": -1`: consentLife,
	} {
		server := codesBy(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"device_code": "d", "user_code": "AB-CD", "verification_url": "https://id.example/d", ` + answer + `}`))
		})
		_, err := (&Connector{Log: zerolog.Nop()}).ConsentByCode(t.Context(), server, "anna@contoso.example", func(p Prompt) error {
			if left := time.Until(p.Ends); left > want || left < want-30*time.Second || p.URL != "https://id.example/d" {
				t.Errorf("%s: %v is left of %+v, want %v", answer, left, p, want)
			}
			return shown
		})
		if !errors.Is(err, shown) {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

// TestAskingForCodeEnds: whoever has gone doesn't wait for a provider that is silent.
func TestAskingForCodeEnds(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	server := codesBy(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is it seen that the connection ends
		leave()
		<-r.Context().Done()
	})
	begun := time.Now()
	_, err := (&Connector{Log: zerolog.Nop()}).ConsentByCode(ctx, server, "anna@contoso.example", func(Prompt) error { return nil })
	if took := time.Since(begun); !errors.Is(err, context.Canceled) || took > 20*time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

// TestGivenBackAfterAll: an agreement that nobody waits for any more is given back to the provider as well.
func TestGivenBackAfterAll(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	o := &clouds.OpenID{People: []clouds.Mailbox{{Address: "anna@contoso.example"}}, Apps: []clouds.App{{ID: "app", Secret: hush, Scopes: []string{clouds.ScopeOpenMail}, Redirects: []string{backHere}}}}
	opened := 0
	server, c := mailServer(t, func(token, login string) error {
		opened = o.Refreshes()
		leave()
		return errors.New("nobody waits")
	}), &Connector{Log: zerolog.Nop()}
	server.SignIn = &config.SignIn{Method: config.Consent, Domain: "contoso.example", Side: "old", ClientID: "app", Secret: hush, Issuer: served(t, o), Scope: "mail " + offline}
	v, err := c.Send(ctx, server, "anna@contoso.example", backHere)
	if err != nil {
		t.Fatal(err)
	}
	back, err := clouds.Answer(clouds.Browser(), v.URL, "anna@contoso.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Redeem(ctx, server, v, back.Query()); err == nil || opened != 1 || o.Refreshes() != 0 {
		t.Errorf("%v; %d agreements while it was opened, %d afterwards", err, opened, o.Refreshes())
	}
}
