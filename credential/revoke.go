package credential

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"postferry/config"
	"postferry/store"
)

// givingBack bounds how long a provider may take to hear of a refresh token that nobody keeps.
const givingBack = 10 * time.Second

// Revoke tells the provider of a server that an agreement has ended (RFC 7009); false if it can't be told. The server's
// people must agree each for themselves.
func (k *Keeper) Revoke(ctx context.Context, server config.Server, agreed store.Consent) (told bool, err error) {
	return k.tenant(server).revoke(ctx, agreed)
}

func (t *tenant) revoke(ctx context.Context, agreed store.Consent) (told bool, err error) {
	in := t.signIn
	places, err := t.endpoints(ctx)
	if err != nil || places.Revocation == "" || agreed.Issuer != in.Issuer { // the token is for nobody else to see
		return false, err
	}
	form := url.Values{"token": {agreed.Refresh.Reveal()}, "token_type_hint": {"refresh_token"}, "client_id": {agreed.ClientID}}
	if in.Secret != "" && agreed.ClientID == in.ClientID {
		form.Set("client_secret", in.Secret.Reveal())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, places.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := t.client().Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK, nil
}

// ended tells whether what a refresh token belongs to has come to its end while it was exchanged. Then the provider is told
// of what has come in its place, which nobody else knows.
func (t *tenant) ended(ctx context.Context, c store.Consent, now store.Secret) bool {
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), givingBack)
	defer cancel()
	if _, err := t.keeper.opt.Consents.Consent(bound, c.Mailbox); !errors.Is(err, store.ErrNotFound) {
		return false
	}
	if now == "" || now == c.Refresh { // whoever has ended it tells of it
		return true
	}
	c.Refresh = now
	if _, err := t.revoke(bound, c); err != nil {
		t.keeper.opt.Log.Warn().Err(err).Str("domain", c.Domain).Str("account", c.Login).Msg("the provider can't be told that an agreement has ended")
	}
	return true
}
