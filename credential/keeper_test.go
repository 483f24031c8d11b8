package credential

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"postferry/config"
	"postferry/internal/demo/clouds"
	"postferry/store"
)

// TestGrants: how each method comes to a token, and what its refusals are called.
func TestGrants(t *testing.T) {
	tests := []struct {
		name   string
		method config.SignInMethod
		google bool
		change func(w *world, in *config.SignIn)
		login  string
		off    time.Duration     // how much the clock here is ahead of the provider's
		kind   store.ProblemKind // "" for a token
		tenant bool
	}{
		{name: "application, secret", method: config.Microsoft},
		{name: "application, certificate", method: config.Microsoft, change: func(w *world, in *config.SignIn) { in.ClientID, in.Secret = "signed", store.Secret(w.pem) }},
		{name: "wrong secret", method: config.Microsoft, change: func(_ *world, in *config.SignIn) { in.Secret = "other" }, kind: store.ApplicationRefused, tenant: true},
		{name: "certificate of another", method: config.Microsoft, change: func(w *world, in *config.SignIn) {
			w.microsoft.Apps[1].Certificates = nil
			w.microsoft.Apps[1].Secret = "x"
			in.ClientID, in.Secret = "signed", store.Secret(w.pem)
		}, kind: store.ApplicationRefused, tenant: true},
		{name: "unknown application", method: config.Microsoft, change: func(_ *world, in *config.SignIn) { in.ClientID = "nobody" }, kind: store.ApplicationRefused, tenant: true},
		{name: "unknown tenant", method: config.Microsoft, change: func(_ *world, in *config.SignIn) { in.Tenant = "elsewhere" }, kind: store.TenantUnknown, tenant: true},
		{name: "wrong scope", method: config.Microsoft, change: func(_ *world, in *config.SignIn) { in.Scope = "https://outlook.office365.com/IMAP" }, kind: store.PermissionMissing, tenant: true},
		{name: "throttled", method: config.Microsoft, change: func(w *world, _ *config.SignIn) { w.microsoft.Throttle(9, time.Minute) }, kind: store.TokenUnavailable, tenant: true},
		{name: "down", method: config.Microsoft, change: func(w *world, _ *config.SignIn) { w.microsoft.SetDown(true) }, kind: store.TokenUnavailable, tenant: true},
		{name: "not there", method: config.Microsoft, change: func(_ *world, in *config.SignIn) { in.Issuer = "http://127.0.0.1:1" }, kind: store.TokenUnavailable, tenant: true},
		{name: "clock twenty minutes slow", method: config.Microsoft, off: -20 * time.Minute, change: func(w *world, in *config.SignIn) {
			in.ClientID, in.Secret = "signed", store.Secret(w.pem)
		}},
		{name: "clock ten minutes fast", method: config.Microsoft, off: 10 * time.Minute, change: func(w *world, in *config.SignIn) {
			in.ClientID, in.Secret = "signed", store.Secret(w.pem)
		}},

		{name: "service account", method: config.Google, google: true},
		{name: "service account, clock wrong", method: config.Google, google: true, off: 10 * time.Minute},
		{name: "no delegation", method: config.Google, google: true, change: func(w *world, _ *config.SignIn) { w.google.Accounts[0].Delegated = nil }, kind: store.DelegationMissing, tenant: true},
		{name: "delegated something else", method: config.Google, google: true, change: func(_ *world, in *config.SignIn) { in.Scope = clouds.ScopeUsers }, kind: store.DelegationMissing, tenant: true},
		{name: "no such account", method: config.Google, google: true, change: func(w *world, _ *config.SignIn) { w.google.Accounts = nil }, kind: store.ApplicationRefused, tenant: true},
		{name: "no such person", method: config.Google, google: true, login: "nobody@contoso.example", kind: store.MailboxUnknown},
		{name: "suspended", method: config.Google, google: true, login: "gone@contoso.example", kind: store.MailboxUnknown},
		{name: "key of nonsense", method: config.Google, google: true, change: func(_ *world, in *config.SignIn) { in.Secret = `{"client_email":"x","private_key":"y"}` }, kind: store.ApplicationRefused, tenant: true},

		{name: "nobody has agreed", method: config.Consent, kind: store.ConsentMissing},
		{name: "agreed with somebody else", method: config.Consent, change: func(w *world, in *config.SignIn) {
			w.consents.put("anna@contoso.example", "refresh-1", in.Issuer, "other")
		}, kind: store.ConsentMissing},
		{name: "revoked", method: config.Consent, change: func(w *world, in *config.SignIn) {
			w.consents.put("anna@contoso.example", "refresh-1", in.Issuer, in.ClientID)
		}, kind: store.ConsentRevoked},
		{name: "revoked at Google", method: config.Consent, google: true, change: func(w *world, in *config.SignIn) {
			in.Issuer, in.ClientID, in.Secret = w.url, "web", "hush-hush"
			w.consents.put("anna@contoso.example", "refresh-1", in.Issuer, in.ClientID)
		}, kind: store.ConsentRevoked},
		{name: "no OpenID there", method: config.Consent, change: func(w *world, in *config.SignIn) {
			in.Issuer = w.url + "/tenant-1/nothing"
			w.consents.put("anna@contoso.example", "refresh-1", in.Issuer, in.ClientID)
		}, kind: store.TokenUnavailable, tenant: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serve(t, tt.google)
			server := w.signIn(tt.method, func(in *config.SignIn) {
				if tt.change != nil {
					tt.change(w, in)
				}
			})
			login := tt.login
			if login == "" {
				login = "anna@contoso.example"
			}
			inTime(t, tt.off, func(t *testing.T) {
				got, err := w.SignIn(t.Context(), server, login)
				if kind := kindOf(err); kind != tt.kind {
					t.Fatalf("got %q (%v), want %q", kind, err, tt.kind)
				}
				if e, ok := errors.AsType[*Error](err); ok && e.Tenant != tt.tenant {
					t.Errorf("of all mailboxes: %v", e.Tenant)
				}
				if err == nil && (got.Login != login || !got.Token || got.Secret == "") {
					t.Errorf("got %+v", got)
				}
				if problem := w.Problem(domain, store.OldSide); (problem != nil) != tt.tenant {
					t.Errorf("told of all mailboxes: %v", problem)
				}
				w.wantSilence(t, err)
			})
		})
	}
}

// TestThrottledUntil: the provider's word on when to come back is kept.
func TestThrottledUntil(t *testing.T) {
	w := newWorld(t)
	w.serve(t, false)
	server := w.signIn(config.Microsoft, nil)
	w.microsoft.Throttle(1, 100*time.Second)
	inTime(t, 0, func(t *testing.T) {
		_, err := w.SignIn(t.Context(), server, "anna@contoso.example")
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Lasting || time.Until(e.Retry) < 99*time.Second {
			t.Fatalf("%+v", e)
		}
		time.Sleep(90 * time.Second)
		if _, err := w.SignIn(t.Context(), server, "anna@contoso.example"); kindOf(err) != store.TokenUnavailable {
			t.Errorf("asked too soon: %v", err)
		}
		time.Sleep(40 * time.Second)
		if _, err := w.SignIn(t.Context(), server, "bert@contoso.example"); err != nil {
			t.Error(err)
		}
		if n := strings.Count(w.log.String(), "signing in"); n != 1 {
			t.Errorf("told %d times:\n%s", n, &w.log)
		}
	})
}

// TestOneFetchForAll: however many connections wait, a token is fetched once; of an application for
// all mailboxes, of a service account for each.
func TestOneFetchForAll(t *testing.T) {
	for _, google := range []bool{false, true} {
		w := newWorld(t)
		w.serve(t, google)
		server, want := w.signIn(config.Microsoft, nil), 1
		if google {
			server, want = w.signIn(config.Google, nil), 2
		}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				if _, err := w.SignIn(t.Context(), server, []string{"anna@contoso.example", "bert@contoso.example"}[i%2]); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := w.microsoft.Issued() + w.google.Issued(); n != want {
			t.Errorf("google %v: %d tokens, want %d", google, n, want)
		}
	}
}

// A connection that gives up while it fetches for others leaves that to them.
func TestFetchGivenUp(t *testing.T) {
	started, finish := make(chan struct{}), make(chan struct{})
	calls := 0
	s := &source{fetch: func(ctx context.Context) (token, error) {
		if calls++; calls > 1 {
			return newToken("second", time.Hour), nil
		}
		close(started)
		<-finish
		return token{}, ctx.Err()
	}}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.token(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
	})
	<-started
	wg.Go(func() {
		if got, err := s.token(t.Context()); err != nil || got.secret != "second" {
			t.Errorf("who waited: %v", err)
		}
	})
	cancel()
	close(finish)
	wg.Wait()
}

// TestRenewal: another token comes before the one there ends; while the provider is down that one
// serves to its end, and afterwards it is asked again.
func TestRenewal(t *testing.T) {
	w := newWorld(t)
	w.serve(t, false)
	server := w.signIn(config.Microsoft, nil)
	inTime(t, 0, func(t *testing.T) {
		fetch := func() store.Secret {
			t.Helper()
			in, err := w.SignIn(t.Context(), server, "anna@contoso.example")
			if err != nil {
				t.Fatal(err)
			}
			return in.Secret
		}
		first := fetch()
		time.Sleep(50 * time.Minute)
		if fetch() != first {
			t.Error("renewed ten minutes before its end")
		}
		time.Sleep(6 * time.Minute)
		second := fetch()
		if second == first {
			t.Error("not renewed four minutes before its end")
		}
		w.microsoft.SetDown(true)
		time.Sleep(57 * time.Minute)
		if fetch() != second {
			t.Error("a token that is good is not used while the provider is down")
		}
		time.Sleep(4 * time.Minute)
		if _, err := w.SignIn(t.Context(), server, "anna@contoso.example"); kindOf(err) != store.TokenUnavailable {
			t.Fatalf("after its end: %v", err)
		}
		w.microsoft.SetDown(false)
		time.Sleep(10 * time.Minute)
		if fetch() == second {
			t.Error("the token that has ended again")
		}
	})
}

// TestRotation: the refresh token that comes with an access token is kept, and the one before is
// not used again.
func TestRotation(t *testing.T) {
	w := newWorld(t)
	w.serve(t, false)
	server := w.signIn(config.Consent, nil)
	w.consents.put("anna@contoso.example", store.Secret(refreshToken(t, w)), server.SignIn.Issuer, server.SignIn.ClientID)
	inTime(t, 0, func(t *testing.T) {
		before := w.consents.kept["anna@contoso.example"].Refresh
		for range 3 {
			if _, err := w.SignIn(t.Context(), server, "anna@contoso.example"); err != nil {
				t.Fatal(err)
			}
			now := w.consents.kept["anna@contoso.example"].Refresh
			if now == before {
				t.Error("the refresh token stays what it was")
			}
			before = now
			time.Sleep(2 * time.Hour)
		}
		w.microsoft.Revoke("anna@contoso.example")
		_, err := w.SignIn(t.Context(), server, "anna@contoso.example")
		e, _ := errors.AsType[*Error](err)
		if e == nil || e.Kind != store.ConsentRevoked || e.Tenant || !e.Lasting {
			t.Errorf("%+v", err)
		}
		w.wantSilence(t, err)
	})
}

// TestClouds: each of Microsoft's clouds has its own place for tokens.
func TestClouds(t *testing.T) {
	for host, want := range map[string]cloud{
		"outlook.office365.com": {"https://login.microsoftonline.com", "https://outlook.office365.com/.default"},
		"imap.example":          {"https://login.microsoftonline.com", "https://outlook.office365.com/.default"},
		"Outlook.Office365.us":  {"https://login.microsoftonline.us", "https://outlook.office365.us/.default"},
		"partner.outlook.cn":    {"https://login.partner.microsoftonline.cn", "https://partner.outlook.cn/.default"},
	} {
		if got := cloudOf(host); got != want {
			t.Errorf("%s: %+v", host, got)
		}
	}
}

// TestOutside: a provider inside is not asked for somebody who must not reach it.
func TestOutside(t *testing.T) {
	w := newWorld(t)
	w.serve(t, false)
	server := w.signIn(config.Microsoft, nil)
	server.PublicOnly = true
	if _, err := w.SignIn(t.Context(), server, "anna@contoso.example"); kindOf(err) != store.TokenUnavailable || w.microsoft.Issued() != 0 {
		t.Errorf("%v, %d tokens", err, w.microsoft.Issued())
	}
}

// TestServerChanges: tokens that are for one server are not taken for the next, nor is a provider inside asked for it
// because that was allowed before.
func TestServerChanges(t *testing.T) {
	w := newWorld(t)
	w.serve(t, false)
	server := w.signIn(config.Microsoft, nil)
	for i, change := range []func(){func() {}, func() {}, func() { server.Host = "imap.other.example" }, func() { server.PublicOnly = true }} {
		change()
		_, err := w.SignIn(t.Context(), server, "anna@contoso.example")
		if want := []int{1, 1, 2, 2}[i]; w.microsoft.Issued() != want || (err != nil) != server.PublicOnly {
			t.Errorf("change %d: %v, %d tokens", i, err, w.microsoft.Issued())
		}
	}
}
