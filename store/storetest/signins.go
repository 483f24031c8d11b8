package storetest

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postferry/store"
)

// signIn is a way to sign in with all its fields.
func signIn(domain string, side store.Side) store.SignIn {
	return store.SignIn{
		Domain: domain, Side: side, Method: store.SignInMicrosoft, Login: "boss", Separator: "*", Tenant: "t", ClientID: "app",
		Issuer: "https://login.example", Scope: "s", Secret: "hush", SetBy: "eva", Created: at(1),
	}
}

func testSignIns(t *testing.T, f *fixture) {
	wantError(t, "of no domain", f.PutSignIn(t.Context(), signIn("a.example", store.OldSide)), store.ErrNotFound)
	for _, name := range []string{"a.example", "b.example"} {
		must(t, f.PutDomain(t.Context(), domain(name)))
	}
	first, second, third := signIn("b.example", store.NewSide), signIn("b.example", store.OldSide), signIn("a.example", store.OldSide)
	second.Method, second.Secret = store.SignInGoogle, "{}"
	for _, s := range []store.SignIn{signIn("b.example", store.NewSide), second, third} {
		must(t, f.PutSignIn(t.Context(), s))
	}
	first.Secret, first.Login = "other", ""
	must(t, f.PutSignIn(t.Context(), first))
	f.reopen()
	got, err := f.SignIns(t.Context())
	must(t, err)
	wantEqual(t, "ways to sign in", byPlace(got), byPlace([]store.SignIn{first, second, third}))
	must(t, f.DeleteSignIn(t.Context(), "b.example", store.OldSide))
	wantError(t, "again", f.DeleteSignIn(t.Context(), "b.example", store.OldSide), store.ErrNotFound)
	got, err = f.SignIns(t.Context())
	must(t, err)
	wantEqual(t, "those left", byPlace(got), byPlace([]store.SignIn{first, third}))
}

// byPlace has ways to sign in by where they are for, with their secrets to be compared.
func byPlace(all []store.SignIn) map[string]store.SignIn {
	m := map[string]store.SignIn{}
	for _, s := range all {
		m[s.Domain+" "+string(s.Side)] = s
	}
	return m
}

func testSignInsInvalid(t *testing.T, f *fixture) {
	must(t, f.PutDomain(t.Context(), domain("a.example")))
	for name, change := range map[string]func(*store.SignIn){
		"no method":       func(s *store.SignIn) { s.Method = "" },
		"a program":       func(s *store.SignIn) { s.Method = "token_command" },
		"passwords":       func(s *store.SignIn) { s.Method = "password" },
		"no side":         func(s *store.SignIn) { s.Side = "" },
		"another side":    func(s *store.SignIn) { s.Side = "both" },
		"no domain":       func(s *store.SignIn) { s.Domain = "" },
		"domain in upper": func(s *store.SignIn) { s.Domain = "A.example" },
	} {
		s := signIn("a.example", store.OldSide)
		change(&s)
		wantError(t, name, f.PutSignIn(t.Context(), s), store.ErrInvalid)
	}
}

// consent is a consent with all its fields.
func consent(domain, login string) store.Consent {
	return store.Consent{
		Mailbox: store.Mailbox{Domain: domain, Side: store.OldSide, Login: login},
		Issuer:  "https://login.example", ClientID: "app", Refresh: "refresh " + store.Secret(login), Granted: at(2),
	}
}

func testConsents(t *testing.T, f *fixture) {
	anna, bert := consent("a.example", "Anna@a.example"), consent("b.example", "bert@b.example")
	must(t, f.PutConsent(t.Context(), anna))
	must(t, f.PutConsent(t.Context(), bert))
	f.reopen()
	got, err := f.Consent(t.Context(), store.Mailbox{Domain: "a.example", Side: store.OldSide, Login: "aNNa@a.example"})
	must(t, err)
	wantEqual(t, "consent", got, anna)
	for name, m := range map[string]store.Mailbox{
		"other side":   {Domain: "a.example", Side: store.NewSide, Login: "anna@a.example"},
		"other domain": {Domain: "b.example", Side: store.OldSide, Login: "anna@a.example"},
		"other login":  {Domain: "a.example", Side: store.OldSide, Login: "ann@a.example"},
	} {
		_, err := f.Consent(t.Context(), m)
		wantError(t, name, err, store.ErrNotFound)
	}
	all, err := f.Consents(t.Context(), "")
	must(t, err)
	anna.Refresh, bert.Refresh = "", ""
	wantEqual(t, "all, without their secrets", all, []store.Consent{anna, bert})
	all, err = f.Consents(t.Context(), "b.example")
	must(t, err)
	wantEqual(t, "those of a domain", all, []store.Consent{bert})
	must(t, f.DeleteConsent(t.Context(), anna.Mailbox))
	wantError(t, "again", f.DeleteConsent(t.Context(), anna.Mailbox), store.ErrNotFound)
	_, err = f.Consent(t.Context(), anna.Mailbox)
	wantError(t, "deleted", err, store.ErrNotFound)
	for name, change := range map[string]func(*store.Consent){
		"no refresh token": func(c *store.Consent) { c.Refresh = "" },
		"no issuer":        func(c *store.Consent) { c.Issuer = "" },
		"no application":   func(c *store.Consent) { c.ClientID = "" },
		"no login":         func(c *store.Consent) { c.Login = "" },
		"no side":          func(c *store.Consent) { c.Side = "" },
	} {
		c := consent("a.example", "x")
		change(&c)
		wantError(t, name, f.PutConsent(t.Context(), c), store.ErrInvalid)
	}
}

func testRenewConsent(t *testing.T, f *fixture) {
	c := consent("a.example", "anna")
	must(t, f.PutConsent(t.Context(), c))
	renew := func(name string, was, now store.Secret, want bool) {
		t.Helper()
		known, err := f.RenewConsent(t.Context(), c.Mailbox, was, now)
		must(t, err)
		wantEqual(t, name, known, want)
	}
	renew("in place of another", "other", "new", false)
	renew("in place of the one there", c.Refresh, "new", true)
	renew("once more", c.Refresh, "newer", false)
	got, err := f.Consent(t.Context(), c.Mailbox)
	must(t, err)
	wantEqual(t, "refresh token", got.Refresh == "new", true)
	got.Refresh = c.Refresh
	wantEqual(t, "the rest", got, c)
	must(t, f.DeleteConsent(t.Context(), c.Mailbox))
	renew("of a consent that is gone", "new", "newer", false)
	_, err = f.RenewConsent(t.Context(), c.Mailbox, "new", "")
	wantError(t, "nothing", err, store.ErrInvalid)
}

// A refresh token that is sent is noted as long as it isn't known what came of that.
func testSendConsent(t *testing.T, f *fixture) {
	c, now := consent("a.example", "anna"), time.Date(2026, 11, 30, 12, 0, 0, 7, time.UTC)
	must(t, f.PutConsent(t.Context(), c))
	sent := func(name string, want time.Time) {
		t.Helper()
		got, err := f.Consent(t.Context(), c.Mailbox)
		must(t, err)
		wantEqual(t, name, got.Sent, want)
	}
	send := func(name string, refresh store.Secret, want bool) {
		t.Helper()
		known, err := f.SendConsent(t.Context(), c.Mailbox, refresh, now)
		must(t, err)
		wantEqual(t, name, known, want)
	}
	sent("as it was given out", time.Time{})
	send("another", "other", false)
	sent("after another", time.Time{})
	send("this one", c.Refresh, true)
	sent("sent", now)
	_, err := f.RenewConsent(t.Context(), c.Mailbox, c.Refresh, c.Refresh)
	must(t, err)
	sent("still good", time.Time{})
	send("once more", c.Refresh, true)
	_, err = f.RenewConsent(t.Context(), c.Mailbox, c.Refresh, "new")
	must(t, err)
	sent("another in its place", time.Time{})
	send("the other", "new", true)
	f.reopen()
	sent("after a restart", now)
	must(t, f.PutConsent(t.Context(), c))
	sent("agreed anew", time.Time{})
	must(t, f.DeleteConsent(t.Context(), c.Mailbox))
	send("gone", c.Refresh, false)
}

// A mailbox's consent is held by one at a time; another's is not held with it.
func testHoldConsent(t *testing.T, f *fixture) {
	anna, bert := consent("a.example", "anna").Mailbox, consent("a.example", "bert").Mailbox
	var holding, all atomic.Int32
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Go(func() {
			release, err := f.HoldConsent(t.Context(), anna)
			if err != nil {
				t.Error(err)
				return
			}
			if holding.Add(1) > 1 {
				t.Error("two hold it")
			}
			runtime.Gosched()
			holding.Add(-1)
			all.Add(1)
			release()
		})
	}
	waiting.Wait()
	wantEqual(t, "held", all.Load(), 20)

	release, err := f.HoldConsent(t.Context(), anna)
	must(t, err)
	other, err := f.HoldConsent(t.Context(), bert)
	must(t, err)
	other()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	same := anna
	same.Login = "ANNA"
	_, err = f.HoldConsent(ctx, same)
	wantError(t, "held by another", err, context.DeadlineExceeded)
	release()
	release, err = f.HoldConsent(t.Context(), same)
	must(t, err)
	release()
}

// A domain that is set up again is somebody else's, and so is a login of it.
func testSignInsGoWithTheirDomain(t *testing.T, f *fixture) {
	for name, remove := range map[string]func(context.Context, string) error{"deleted": f.DeleteDomain, "forgotten": f.Forget} {
		t.Run(name, func(t *testing.T) { testSignInsGo(t, f, remove) })
	}
}

func testSignInsGo(t *testing.T, f *fixture, remove func(context.Context, string) error) {
	must(t, f.PutDomain(t.Context(), domain("a.example")))
	must(t, f.PutSignIn(t.Context(), signIn("a.example", store.OldSide)))
	anna := consent("a.example", "anna")
	anna.Asked = f.ConsentMark()
	must(t, f.PutConsent(t.Context(), anna))
	other := consent("a.example.org", "anna")
	other.Asked = f.ConsentMark()
	must(t, f.PutConsent(t.Context(), other))
	must(t, remove(t.Context(), "a.example"))
	signIns, err := f.SignIns(t.Context())
	must(t, err)
	wantEqual(t, "ways to sign in", len(signIns), 0)
	all, err := f.Consents(t.Context(), "")
	must(t, err)
	if len(all) != 1 || all[0].Domain != "a.example.org" {
		t.Errorf("consents left: %v", all)
	}
}

func testConsentsGoWithTheirAccount(t *testing.T, f *fixture) {
	a := account("anna@a.example")
	a.Domain, a.State = "a.example", store.Waiting
	id := f.put(a)[0].ID
	mine, others := consent("a.example", a.Old.Login), consent("a.example", "bert@a.example")
	theirs := consent("a.example", a.New.Login)
	theirs.Side = store.NewSide
	for _, c := range []store.Consent{mine, others, theirs} {
		must(t, f.PutConsent(t.Context(), c))
	}
	must(t, f.RemoveAccounts(t.Context(), []store.AccountID{id}))
	all, err := f.Consents(t.Context(), "")
	must(t, err)
	if len(all) != 1 || all[0].Login != "bert@a.example" {
		t.Errorf("consents left: %v", all)
	}
}
