package credential

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"postferry/config"
	"postferry/store"
)

// consented is for a person who has agreed: the refresh token is what a new access token comes of,
// and may be replaced with each.
func (t *tenant) consented(ctx context.Context, login string) (token, error) {
	in := t.signIn
	m := store.Mailbox{Domain: in.Domain, Side: t.side(), Login: login}
	missing := t.fault(store.ConsentMissing, hostOf(in.Issuer), nil)
	missing.Lasting = true
	if t.keeper.opt.Consents == nil {
		return token{}, missing
	}
	c, err := t.keeper.opt.Consents.Consent(ctx, m)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return token{}, missing
	case err != nil:
		return token{}, err
	case c.Issuer != in.Issuer || c.ClientID != in.ClientID: // it was given to somebody else
		return token{}, missing
	}
	got, err := t.refreshed(ctx, c)
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == store.ConsentRevoked {
		// A refresh token may be good for once only, and somebody else have used this one meanwhile, and kept the next.
		if now, err := t.keeper.opt.Consents.Consent(ctx, m); err == nil && now.Refresh != c.Refresh {
			return t.refreshed(ctx, now)
		}
	}
	return got, err
}

// refreshed is a token that comes of an agreement, whose next refresh token is kept.
func (t *tenant) refreshed(ctx context.Context, c store.Consent) (token, error) {
	in := t.signIn
	places, err := t.endpoints(ctx)
	if err != nil {
		return token{}, err
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.Refresh.Reveal()}}
	if in.Scope != "" {
		form.Set("scope", in.Scope)
	}
	got, err := t.ask(ctx, request{url: places.Token, clientID: in.ClientID, secret: in.Secret, form: form})
	if err != nil {
		return token{}, err
	}
	t.rotate(ctx, c.Mailbox, c.Refresh, store.Secret(got.RefreshToken))
	return t.tokenOf(got), nil
}

// rotate keeps the refresh token that came in place of the one used. It is kept even if nobody
// waits any more: the one before may be of no use from now on.
func (t *tenant) rotate(ctx context.Context, m store.Mailbox, was, now store.Secret) {
	if now == "" || now == was {
		return
	}
	if _, err := t.keeper.opt.Consents.RenewConsent(context.WithoutCancel(ctx), m, was, now); err != nil {
		t.keeper.opt.Log.Error().Err(err).Str("domain", m.Domain).Str("account", m.Login).Msg("a new refresh token can't be kept; its owner may have to sign in again")
	}
}

// endpoints are where an OpenID provider is asked for what.
type endpoints struct {
	Issuer        string `json:"issuer"`
	Token         string `json:"token_endpoint"`
	Authorization string `json:"authorization_endpoint"`
	Device        string `json:"device_authorization_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
}

// maxDiscovery bounds what a provider tells of itself. Octets.
const maxDiscovery = 256 << 10

// endpoints finds where the issuer is asked (OpenID Connect Discovery 1.0 section 4).
func (t *tenant) endpoints(ctx context.Context) (endpoints, error) {
	issuer := t.signIn.Issuer
	k := t.keeper
	k.mu.Lock()
	found, known := k.places[issuer]
	k.mu.Unlock()
	if known {
		return found, nil
	}
	found, err := t.discover(ctx, issuer)
	if err != nil {
		if ctx.Err() != nil {
			return endpoints{}, ctx.Err()
		}
		return endpoints{}, t.fault(store.TokenUnavailable, hostOf(issuer), err).ofTenant()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.places[issuer] = found
	return found, nil
}

func (t *tenant) discover(ctx context.Context, issuer string) (places endpoints, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return places, err
	}
	resp, err := t.client().Do(req)
	if err != nil {
		return places, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return places, fmt.Errorf("it tells nothing of itself: HTTP %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxDiscovery))
	if err != nil {
		return places, err
	}
	if err := json.Unmarshal(data, &places); err != nil {
		return places, errors.New("what it tells of itself can't be read")
	}
	for _, place := range []*string{&places.Token, &places.Authorization, &places.Device, &places.Revocation} {
		if checked, err := config.ParseProviderURL(*place); err != nil || checked == "" {
			*place = "" // not to be sent anything secret
		}
	}
	if places.Token == "" {
		return places, errors.New("it doesn't tell where tokens are given out, under https")
	}
	return places, nil
}

// client asks the tenant's provider.
func (t *tenant) client() *http.Client {
	if t.server.PublicOnly {
		return t.keeper.opt.Outside
	}
	return t.keeper.opt.Client
}
