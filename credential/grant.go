package credential

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"postferry/config"
	"postferry/store"
)

// grant asks for a token for a mailbox.
func (t *tenant) grant(ctx context.Context, login string) (token, error) {
	switch t.signIn.Method {
	case config.Microsoft:
		return t.application(ctx)
	case config.Google:
		return t.delegated(ctx, login)
	case config.Consent:
		return t.consented(ctx, login)
	case config.TokenCommand:
		return t.command(ctx, login)
	}
	return token{}, fmt.Errorf("no tokens with the method %q", t.signIn.Method)
}

// request is what a provider is asked.
type request struct {
	url, clientID string
	secret        store.Secret
	form          url.Values // grant_type and what belongs to it
	// assert makes a signed assertion as of a moment, under the name of its parameter; nil for none.
	assert func(now time.Time) (assertion string, err error)
	as     string
}

// ask asks a provider for a token. If it says that our clock is wrong, it is asked once more by its own.
func (t *tenant) ask(ctx context.Context, r request) (*oauth2.Token, error) {
	by := t.keeper.ahead(hostOf(r.url))
	got, err := t.askOnce(ctx, r)
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == store.ClockWrong {
		t.learnClock(e)
		if t.keeper.ahead(hostOf(r.url)) != by { // as we know now, or others have learnt meanwhile
			got, err = t.askOnce(ctx, r)
		}
	}
	return got, err
}

func (t *tenant) askOnce(ctx context.Context, r request) (*oauth2.Token, error) {
	host := hostOf(r.url)
	form := url.Values{}
	for name, values := range r.form {
		form[name] = values
	}
	if r.assert != nil {
		assertion, err := r.assert(time.Now().Add(t.keeper.ahead(host)))
		if err != nil {
			return nil, t.fault(store.ApplicationRefused, host, err).ofTenant()
		}
		form.Set(r.as, assertion)
	}
	c := clientcredentials.Config{ClientID: r.clientID, ClientSecret: r.secret.Reveal(), TokenURL: r.url, EndpointParams: form, AuthStyle: oauth2.AuthStyleInParams}
	got, err := c.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client()))
	if err != nil {
		return nil, t.refusedBy(host, err, r.secret, store.Secret(form.Get("refresh_token")), store.Secret(form.Get("assertion")), store.Secret(form.Get("client_assertion")))
	}
	if got.AccessToken == "" || strings.ContainsAny(got.AccessToken, "\x00\x01\r\n") {
		return nil, t.fault(store.TokenUnavailable, host, errors.New("it answered without a token that can be sent")).ofTenant()
	}
	return got, nil
}

// ofTenant makes it one of all mailboxes.
func (e *Error) ofTenant() *Error {
	e.Tenant = true
	return e
}

// tokenOf is what a provider handed out.
func (t *tenant) tokenOf(got *oauth2.Token) token {
	life := time.Duration(0)
	if !got.Expiry.IsZero() {
		life = time.Until(got.Expiry)
	}
	return newToken(store.Secret(got.AccessToken), life)
}

// ahead is how much a provider's clock is ahead of ours, as far as is known.
func (k *Keeper) ahead(host string) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.skew[host]
}

// clockMatters is the least difference between two clocks that is taken for one.
const clockMatters = 30 * time.Second

// learnClock notes how a provider's clock differs from ours, if it tells.
func (t *tenant) learnClock(e *Error) {
	refusal, ok := errors.AsType[*oauth2.RetrieveError](e.Err)
	if !ok || refusal.Response == nil {
		return
	}
	theirs, err := time.Parse(time.RFC1123, refusal.Response.Header.Get("Date"))
	if err != nil {
		return
	}
	k := t.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	ahead := time.Until(theirs)
	if diff := (ahead - k.skew[e.Host]).Abs(); diff < clockMatters {
		return
	}
	k.skew[e.Host] = ahead
	k.opt.Log.Warn().Str("provider", e.Host).Dur("ahead", ahead).Msg("the clock of this machine is wrong by what the provider says; assertions are dated by the provider's")
}

// hostOf is the host of an address.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// assertionLife is how long an assertion is good for (Microsoft recommends five to ten minutes).
const assertionLife = 10 * time.Minute

// application is for an application of Microsoft 365 by itself (RFC 6749 section 4.4).
func (t *tenant) application(ctx context.Context) (token, error) {
	in := t.signIn
	cloud := cloudOf(t.server.Host)
	authority, scope := cloud.authority, cloud.scope
	if in.Issuer != "" {
		authority = in.Issuer
	}
	if in.Scope != "" {
		scope = in.Scope
	}
	r := request{
		url: authority + "/" + url.PathEscape(in.Tenant) + "/oauth2/v2.0/token", clientID: in.ClientID,
		form: url.Values{"grant_type": {"client_credentials"}, "scope": {scope}},
	}
	if in.HasCertificate() {
		r.form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		r.as, r.assert = "client_assertion", func(now time.Time) (string, error) {
			return certificateAssertion(in.Secret, in.ClientID, r.url, now)
		}
	} else {
		r.secret = in.Secret
	}
	got, err := t.ask(ctx, r)
	if err != nil {
		return token{}, err
	}
	return t.tokenOf(got), nil
}

// certificateAssertion is what an application proves with that it has its certificate's key (RFC 7523 section 2.2).
func certificateAssertion(secret store.Secret, clientID, audience string, now time.Time) (string, error) {
	pair, err := tls.X509KeyPair([]byte(secret.Reveal()), []byte(secret.Reveal()))
	if err != nil {
		return "", errors.New("the certificate of the application can't be read")
	}
	id := make([]byte, 16)
	fill(id)
	claims := jwt.MapClaims{
		"iss": clientID, "sub": clientID, "aud": audience, "jti": base64.RawURLEncoding.EncodeToString(id),
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(assertionLife).Unix(),
	}
	j := jwt.NewWithClaims(jwt.SigningMethodPS256, claims)
	sum := sha256.Sum256(pair.Certificate[0])
	j.Header["x5t#S256"] = base64.RawURLEncoding.EncodeToString(sum[:])
	return j.SignedString(pair.PrivateKey)
}

// googleTokens is where Google gives out tokens, where a key doesn't say.
const googleTokens = "https://oauth2.googleapis.com/token"

// googleScope is the scope of IMAP.
const googleScope = "https://mail.google.com/"

// serviceAccount is the key of a service account, as far as it is needed.
type serviceAccount struct {
	Email      string `json:"client_email"`
	KeyID      string `json:"private_key_id"`
	PrivateKey string `json:"private_key"`
	TokenURI   string `json:"token_uri"`
}

// delegated is for a service account that acts for a person of the domain.
func (t *tenant) delegated(ctx context.Context, login string) (token, error) {
	var key serviceAccount
	if err := json.Unmarshal([]byte(t.signIn.Secret.Reveal()), &key); err != nil {
		return token{}, t.fault(store.ApplicationRefused, "", errors.New("the key of the service account can't be read")).ofTenant()
	}
	if key.TokenURI == "" {
		key.TokenURI = googleTokens
	}
	scope := googleScope
	if t.signIn.Scope != "" {
		scope = t.signIn.Scope
	}
	got, err := t.ask(ctx, request{
		url: key.TokenURI, form: url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}}, as: "assertion",
		assert: func(now time.Time) (string, error) { return key.assertion(login, scope, now) },
	})
	if err != nil {
		return token{}, err
	}
	return t.tokenOf(got), nil
}

// assertion says for whom the service account acts (RFC 7523 section 2.1).
func (s *serviceAccount) assertion(subject, scope string, now time.Time) (string, error) {
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(s.PrivateKey))
	if err != nil {
		return "", errors.New("the key of the service account can't be read")
	}
	j := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": s.Email, "sub": subject, "scope": scope, "aud": s.TokenURI, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	if s.KeyID != "" {
		j.Header["kid"] = s.KeyID
	}
	return j.SignedString(key)
}
