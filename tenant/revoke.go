package tenant

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"postferry/config"
	"postferry/store"
)

// Revoke tells the provider that an agreement has ended (RFC 7009); false if it can't be told.
func (c *Connector) Revoke(ctx context.Context, server config.Server, agreed store.Consent) (told bool, err error) {
	p, err := c.provider(ctx, server)
	if err != nil {
		return false, err
	}
	return c.revoke(ctx, p, agreed)
}

func (c *Connector) revoke(ctx context.Context, p *provider, agreed store.Consent) (told bool, err error) {
	if p.places.Revocation == "" || agreed.Issuer != p.in.Issuer { // the token is for nobody else to see
		return false, nil
	}
	form := url.Values{"token": {agreed.Refresh.Reveal()}, "token_type_hint": {"refresh_token"}, "client_id": {agreed.ClientID}}
	if p.in.Secret != "" && agreed.ClientID == p.in.ClientID {
		form.Set("client_secret", p.in.Secret.Reveal())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.places.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.keeper.Client(p.server).Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK, nil
}
