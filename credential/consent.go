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
		if checked, err := config.ParseProviderURL(*place); err != nil || checked == "" || plain(*place) && !plain(issuer) {
			*place = "" // not to be sent anything secret; nor does anybody elsewhere name what is on this machine
		}
	}
	if places.Token == "" {
		return places, errors.New("it doesn't tell where tokens are given out, under https")
	}
	return places, nil
}

// plain tells whether an address is one without TLS: of a provider that is on this machine.
func plain(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "http"
}

// client asks the tenant's provider.
func (t *tenant) client() *http.Client {
	if t.server.PublicOnly {
		return t.keeper.opt.Outside
	}
	return t.keeper.opt.Client
}
