package credential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/oauth2"

	"postferry/config"
	"postferry/internal/demo/clouds"
	"postferry/store"
	"postferry/store/bolt"
)

// once is a provider whose refresh tokens are good for once and which ends everything when one is used again, with anna's
// agreement in a real state.
type once struct {
	*world
	dir    string
	shared zerolog.Logger
	state  *bolt.Store
	place  config.Server
}

const anna = "anna@contoso.example"

func newOnce(t *testing.T) *once {
	t.Helper()
	o := &once{world: newWorld(t), dir: t.TempDir()}
	o.shared = zerolog.New(zerolog.SyncWriter(&o.log))
	o.serve(t, false)
	o.place = o.signIn(config.Consent, nil)
	o.open(t)
	agreed := store.Consent{Mailbox: o.mailbox(), Issuer: o.place.SignIn.Issuer, ClientID: o.place.SignIn.ClientID, Refresh: store.Secret(refreshToken(t, o.world))}
	if err := o.state.PutConsent(t.Context(), agreed); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *once) mailbox() store.Mailbox {
	return store.Mailbox{Domain: domain, Side: store.OldSide, Login: anna}
}

// open opens the state, as after a restart.
func (o *once) open(t *testing.T) {
	t.Helper()
	if o.state != nil {
		o.state.Close()
	}
	var err error
	if o.state, err = bolt.Open(o.dir, bolt.Options{Command: "serve", Log: zerolog.Nop()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.state.Close() })
}

func (o *once) keeper(kept Consents) *Keeper {
	return New(Options{Consents: kept, Log: o.shared})
}

// again is the way to sign in as it is after the configuration has been read again.
func (o *once) again() config.Server {
	in := *o.place.SignIn
	again := o.place
	again.SignIn = &in
	return again
}

// TestRefreshTokensAreSentOnce: however many ask at the same time, of the daemon, of tests on the page and while the way to sign
// in is set anew, no refresh token is sent twice, and none is forgotten by a restart.
func TestRefreshTokensAreSentOnce(t *testing.T) {
	t.Parallel()
	o := newOnce(t)
	for range 2 {
		o.open(t)
		daemon := o.keeper(o.state)
		var asking sync.WaitGroup
		for i := range 50 {
			asking.Go(func() {
				keeper, place := daemon, o.place
				if i%5 == 1 {
					keeper = o.keeper(o.state)
				}
				if i%5 == 2 {
					place = o.again()
				}
				if _, err := keeper.SignIn(t.Context(), place, anna); err != nil {
					t.Error(err)
				}
			})
		}
		asking.Wait()
	}
	if n := o.microsoft.Reused(); n > 0 {
		t.Errorf("%d refresh tokens were sent twice", n)
	}
	o.wantSilence(t, nil)
}

// TestGivenUpWhileItIsExchanged: whoever asked has gone by the time the provider answers. What it has answered is kept all the
// same: the refresh token that was sent is of no use any more.
func TestGivenUpWhileItIsExchanged(t *testing.T) {
	t.Parallel()
	o := newOnce(t)
	ctx, giveUp := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("grant_type") == "refresh_token" {
			giveUp()
		}
		o.microsoft.ServeHTTP(w, r)
	}))
	defer server.Close()
	place := o.again()
	place.SignIn.Issuer = server.URL + "/tenant-1/v2.0"
	c, err := o.state.Consent(t.Context(), o.mailbox())
	c.Issuer = place.SignIn.Issuer
	if err := errors.Join(err, o.state.PutConsent(t.Context(), c)); err != nil {
		t.Fatal(err)
	}
	_, _ = o.keeper(o.state).SignIn(ctx, place, anna) // whether it is still told doesn't matter
	if _, err := o.keeper(o.state).SignIn(t.Context(), place, anna); err != nil {
		t.Errorf("the next one: %v", err)
	}
	if n := o.microsoft.Reused(); n > 0 {
		t.Errorf("%d refresh tokens were sent twice", n)
	}
}

// unwritable is a state that can't be written for some attempts.
type unwritable struct {
	*bolt.Store
	send, renew int    // attempts that fail
	failed      func() // called when a new refresh token could not be kept; nil for nothing
}

var errFull = errors.New("no space left on device")

func (u *unwritable) SendConsent(ctx context.Context, m store.Mailbox, refresh store.Secret, now time.Time) (bool, error) {
	if u.send--; u.send >= 0 {
		return false, errFull
	}
	return u.Store.SendConsent(ctx, m, refresh, now)
}

func (u *unwritable) RenewConsent(ctx context.Context, m store.Mailbox, was, now store.Secret) (bool, error) {
	if u.renew--; u.renew >= 0 {
		if u.failed != nil {
			u.failed()
		}
		return false, errFull
	}
	return u.Store.RenewConsent(ctx, m, was, now)
}

// TestStateThatTakesNothing: a refresh token is not sent as long as the state takes nothing, and one that has come is not lost
// because the state didn't take it at once.
func TestStateThatTakesNothing(t *testing.T) {
	t.Parallel()
	o := newOnce(t)
	if _, err := o.keeper(&unwritable{Store: o.state, send: 1}).SignIn(t.Context(), o.place, anna); !errors.Is(err, errFull) || o.microsoft.Issued() != 1 {
		t.Errorf("%v, %d tokens", err, o.microsoft.Issued())
	}
	if _, err := o.keeper(&unwritable{Store: o.state, renew: 1}).SignIn(t.Context(), o.place, anna); err != nil {
		t.Error(err)
	}
	if _, err := o.keeper(o.state).SignIn(t.Context(), o.place, anna); err != nil || o.microsoft.Reused() > 0 {
		t.Errorf("%v, %d sent twice", err, o.microsoft.Reused())
	}
}

// TestEndedWhileItIsExchanged: Postferry is killed between the provider's answer and its own note of it. That is told as what
// it is, not as if the owner had revoked anything; an answer that refuses something else is no such case.
func TestEndedWhileItIsExchanged(t *testing.T) {
	t.Parallel()
	o := newOnce(t)
	ctx, end := context.WithCancel(t.Context())
	if _, err := o.keeper(&unwritable{Store: o.state, renew: 1000, failed: end}).SignIn(ctx, o.place, anna); err != nil {
		t.Errorf("what the provider has answered: %v", err)
	}
	o.open(t)
	_, err := o.keeper(o.state).SignIn(t.Context(), o.place, anna)
	e, _ := errors.AsType[*Error](err)
	if e == nil || e.Kind != store.ConsentLost || e.Tenant || !e.Lasting {
		t.Errorf("%v", err)
	}
	o.wantSilence(t, err)

	o = newOnce(t)
	o.microsoft.Throttle(1, time.Second)
	if _, err := o.keeper(o.state).SignIn(t.Context(), o.place, anna); kindOf(err) != store.TokenUnavailable {
		t.Errorf("throttled: %v", err)
	}
	o.microsoft.Revoke(anna)
	if _, err := o.keeper(o.state).SignIn(t.Context(), o.place, anna); kindOf(err) != store.ConsentRevoked {
		t.Errorf("revoked: %v", err)
	}
}

// TestEndedWhileTheyAreExchanged: many people's refresh tokens are being exchanged when all their accounts are finished in the same
// instant. Nothing of what the provider hands out then is kept or used, and it is told that nobody does.
func TestEndedWhileTheyAreExchanged(t *testing.T) {
	t.Parallel()
	const many = 20
	o := newOnce(t)
	arrived, answer := make(chan struct{}, many), make(chan struct{})
	provider := &clouds.OpenID{Apps: []clouds.App{{ID: "client", Scopes: []string{clouds.ScopeOpenMail}, Redirects: []string{"http://127.0.0.1/back"}}}}
	for i := range many {
		provider.People = append(provider.People, clouds.Mailbox{Address: fmt.Sprintf("person%d@%s", i, domain)})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("grant_type") == "refresh_token" {
			arrived <- struct{}{}
			<-answer
		}
		provider.ServeHTTP(w, r)
	}))
	defer server.Close()
	place := o.again()
	place.SignIn.Issuer, place.SignIn.ClientID = server.URL, "client"
	var ids []store.AccountID
	var asking sync.WaitGroup
	keeper := o.keeper(o.state)
	for i := range many {
		login := fmt.Sprintf("person%d@%s", i, domain)
		c := store.Consent{Mailbox: store.Mailbox{Domain: domain, Side: store.OldSide, Login: login}, Issuer: server.URL, ClientID: "client", Refresh: store.Secret(agreeAt(t, server.URL, login))}
		put, _, err := o.state.PutAccounts(t.Context(), []store.Account{{Domain: domain, Login: login, Old: store.Credentials{Login: login}, New: store.Credentials{Login: login}, State: store.Active, Origin: store.Imported}})
		if err := errors.Join(err, o.state.PutConsent(t.Context(), c)); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, put[0].ID)
		asking.Go(func() {
			if _, err := keeper.SignIn(t.Context(), place, login); kindOf(err) != store.ConsentMissing {
				t.Errorf("%s: %v", login, err)
			}
		})
	}
	for range many {
		<-arrived
	}
	if _, finished, err := o.state.Finish(t.Context(), ids, store.Report{Domain: domain, Made: time.Now()}); err != nil || len(finished) != many {
		t.Errorf("%d finished, %v", len(finished), err)
	}
	close(answer)
	asking.Wait()
	kept, err := o.state.Consents(t.Context(), domain)
	if n := provider.Refreshes(); n != 0 || err != nil || len(kept) > 0 {
		t.Errorf("%d stay at the provider, %d are kept, %v", n, len(kept), err)
	}
	o.wantSilence(t, nil)
}

// agreeAt has somebody agree at a provider, and returns the refresh token.
func agreeAt(t *testing.T, provider, login string) string {
	t.Helper()
	c := oauth2.Config{ClientID: "client", Scopes: []string{clouds.ScopeOpenMail, "offline_access"}, RedirectURL: "http://127.0.0.1/back",
		Endpoint: oauth2.Endpoint{AuthURL: provider + "/authorize", TokenURL: provider + "/token"}}
	verifier := oauth2.GenerateVerifier()
	back, err := clouds.Answer(clouds.Browser(), c.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), login)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return got.RefreshToken
}

// replaced are consents of which the owner agrees anew while the refresh token of the first is being sent.
type replaced struct {
	*bolt.Store
	first sync.Once
	anew  func()
}

func (r *replaced) SendConsent(ctx context.Context, m store.Mailbox, refresh store.Secret, now time.Time) (bool, error) {
	known, err := r.Store.SendConsent(ctx, m, refresh, now)
	r.first.Do(r.anew)
	return known, err
}

// TestAgreedAnewMeanwhile: an owner agrees anew, which ends the agreement before, while that is being used. The one that has
// come in its place is taken, and nobody is told that the owner has revoked anything.
func TestAgreedAnewMeanwhile(t *testing.T) {
	t.Parallel()
	o := newOnce(t)
	_, err := o.keeper(&replaced{Store: o.state, anew: func() {
		o.microsoft.Revoke(anna)
		c := store.Consent{Mailbox: o.mailbox(), Issuer: o.place.SignIn.Issuer, ClientID: o.place.SignIn.ClientID, Refresh: store.Secret(refreshToken(t, o.world))}
		if err := o.state.PutConsent(t.Context(), c); err != nil {
			t.Error(err)
		}
	}}).SignIn(t.Context(), o.place, anna)
	if err != nil {
		t.Error(err)
	}
}
