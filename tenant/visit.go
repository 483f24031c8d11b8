package tenant

import (
	"cmp"
	"context"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"postferry/config"
	"postferry/store"
)

// VisitLife is how long a browser may take that was sent to a provider.
const VisitLife = 10 * time.Minute

// Visit is a browser that was sent to a provider, and is to come back with an answer (RFC 6749 section 4.1).
// It is good for one answer.
type Visit struct {
	URL   string // where the browser is sent
	State string // what it brings back; nobody can guess it
	Ends  time.Time

	mailbox  string
	redirect string
	verifier string // of RFC 7636; only we know it
	asked    store.ConsentMark
}

// Send makes the address to which the browser of a mailbox's owner is sent. It comes back to redirect, which must be
// registered at the provider, letter by letter.
func (c *Connector) Send(ctx context.Context, server config.Server, mailbox, redirect string) (*Visit, error) {
	p, err := c.provider(ctx, server)
	if err != nil {
		return nil, err
	}
	return p.send(mailbox, redirect)
}

func (p *provider) send(mailbox, redirect string) (*Visit, error) {
	if !p.lets(byBrowser) {
		return nil, &ConsentError{Reason: NoBrowser, Host: p.host}
	}
	v := &Visit{State: oauth2.GenerateVerifier(), Ends: time.Now().Add(VisitLife), mailbox: mailbox, redirect: redirect, verifier: oauth2.GenerateVerifier(), asked: p.asked}
	flow := p.flow
	flow.RedirectURL = redirect
	v.URL = flow.AuthCodeURL(v.State, oauth2.AccessTypeOffline, oauth2.S256ChallengeOption(v.verifier),
		oauth2.SetAuthURLParam("prompt", "consent"), oauth2.SetAuthURLParam("login_hint", mailbox))
	return v, nil
}

// Redeem makes an agreement of what a browser has come back with. That opens the mailbox, or is not taken.
func (c *Connector) Redeem(ctx context.Context, server config.Server, v *Visit, answer url.Values) (store.Consent, error) {
	p, err := c.provider(ctx, server)
	if err != nil {
		return store.Consent{}, err
	}
	return c.redeem(ctx, p, v, answer)
}

func (c *Connector) redeem(ctx context.Context, p *provider, v *Visit, answer url.Values) (store.Consent, error) {
	refused := answer.Get("error")
	switch {
	case answer.Get("state") != v.State, answer.Get("state") == "", !p.wrote(answer.Get("iss")):
		return store.Consent{}, &ConsentError{Reason: NotSent, Host: p.host}
	case time.Now().After(v.Ends):
		return store.Consent{}, &ConsentError{Reason: TooLate, Host: p.host}
	case refused == "access_denied":
		return store.Consent{}, &ConsentError{Reason: Declined, Host: p.host}
	case refused != "" || answer.Get("code") == "":
		return store.Consent{}, &ConsentError{Reason: ProviderRefused, Host: p.host, Cause: words(cmp.Or(refused, "no code"), answer.Get("error_description"))}
	}
	flow := p.flow
	flow.RedirectURL = v.redirect
	token, err := flow.Exchange(p.asking(ctx), answer.Get("code"), oauth2.VerifierOption(v.verifier))
	if err != nil {
		return store.Consent{}, p.refusal(err, store.Secret(answer.Get("code")), store.Secret(v.verifier))
	}
	return c.agreed(ctx, p, v.mailbox, v.asked, token)
}

// wrote tells whether an answer can be this provider's, by whom it says it is of (RFC 9207 section 2.4). Microsoft's
// provider for several tenants has a name with a gap.
func (p *provider) wrote(issuer string) bool {
	name := cmp.Or(p.places.Issuer, p.in.Issuer)
	return issuer == "" || issuer == name || strings.Contains(name, "{tenantid}")
}
