package tenant

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"postferry/config"
	"postferry/credential"
	"postferry/store"
	"postferry/upstream/link"
)

// Prompt is what the owner of a mailbox is asked to do: open an address, and enter the code there if
// there is one.
type Prompt struct {
	URL  string    `json:"url"`
	Code string    `json:"code,omitempty"`
	Ends time.Time `json:"ends"`
}

// consentLife is how long the owner may take with a code.
const consentLife = 15 * time.Minute

// givingBack bounds how long a provider may take to hear that an agreement is not used.
const givingBack = 10 * time.Second

// What a person's token is asked for.
const (
	googleMail    = "https://mail.google.com/"
	microsoftMail = "https://outlook.office.com/IMAP.AccessAsUser.All"
	offline       = "offline_access" // OpenID Connect Core 1.0 section 11
)

// Consent has the owner of a mailbox agree, by a code that is entered at the provider or, where the provider
// doesn't let devices at mail, in a browser on this machine (RFC 8252 section 7.3).
// The agreement is returned once it has opened the mailbox: somebody else's is not taken.
func (c *Connector) Consent(ctx context.Context, server config.Server, mailbox string, ask func(Prompt) error) (store.Consent, error) {
	p, err := c.provider(ctx, server)
	switch {
	case err != nil:
		return store.Consent{}, err
	case p.lets(byCode):
		return c.byCode(ctx, p, mailbox, ask)
	}
	ctx, cancel := context.WithTimeout(ctx, consentLife)
	defer cancel()
	back, err := waitAtLoopback()
	if err != nil {
		return store.Consent{}, err
	}
	defer back.close()
	v, err := p.send(mailbox, back.url)
	if err != nil {
		return store.Consent{}, err
	}
	if err := ask(Prompt{URL: v.URL, Ends: v.Ends}); err != nil {
		return store.Consent{}, err
	}
	answer, err := back.answer(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return store.Consent{}, &ConsentError{Reason: TooLate, Host: p.host, err: err}
	case err != nil:
		return store.Consent{}, err
	}
	return c.redeem(ctx, p, v, answer)
}

// ConsentByCode has the owner of a mailbox agree by a code that is entered at the provider (RFC 8628), on any device.
func (c *Connector) ConsentByCode(ctx context.Context, server config.Server, mailbox string, ask func(Prompt) error) (store.Consent, error) {
	p, err := c.provider(ctx, server)
	switch {
	case err != nil:
		return store.Consent{}, err
	case !p.lets(byCode):
		return store.Consent{}, &ConsentError{Reason: NoCode, Host: p.host}
	}
	return c.byCode(ctx, p, mailbox, ask)
}

// The ways in which somebody agrees.
const (
	byCode    = "code"
	byBrowser = "browser"
)

// provider is one at which people agree, for a server.
type provider struct {
	server config.Server
	in     *config.SignIn
	host   string
	places credential.Places
	flow   oauth2.Config
	keeper *credential.Keeper
	asked  store.ConsentMark // before anybody was asked
}

// provider finds where the people of a domain agree.
func (c *Connector) provider(ctx context.Context, server config.Server) (*provider, error) {
	in, asked := server.SignIn, store.ConsentMark(0)
	if c.Consents != nil {
		asked = c.Consents.ConsentMark()
	}
	if in == nil || in.Method != config.Consent {
		return nil, &ConsentError{Reason: NotAsked, Host: server.Host}
	}
	keeper := c.keeper()
	places, err := keeper.Places(ctx, server)
	if err != nil {
		return nil, err
	}
	return &provider{server: server, in: in, host: hostOf(in.Issuer), places: places, keeper: keeper, asked: asked,
		flow: oauth2.Config{ClientID: in.ClientID, ClientSecret: in.Secret.Reveal(), Scopes: scopesOf(in),
			Endpoint: oauth2.Endpoint{AuthURL: places.Authorization, TokenURL: places.Token, DeviceAuthURL: places.Device, AuthStyle: oauth2.AuthStyleInParams}}}, nil
}

// lets tells whether people can agree in a way. Google gives devices no access to mail.
func (p *provider) lets(way string) bool {
	if way == byCode {
		return p.places.Device != "" && !slices.Contains(p.flow.Scopes, googleMail)
	}
	return p.places.Authorization != ""
}

// asking is a context for questions to the provider.
func (p *provider) asking(ctx context.Context) context.Context {
	client := *p.keeper.Client(p.server)
	client.Transport = patient{client.Transport}
	return context.WithValue(ctx, oauth2.HTTPClient, &client)
}

// agreed is what came of an agreement, once that has opened the mailbox.
func (c *Connector) agreed(ctx context.Context, p *provider, mailbox string, asked store.ConsentMark, token *oauth2.Token) (store.Consent, error) {
	if token.RefreshToken == "" {
		return store.Consent{}, &ConsentError{Reason: NotLasting, Host: p.host}
	}
	agreed := store.Consent{Mailbox: store.Mailbox{Domain: p.in.Domain, Side: store.Side(p.in.Side), Login: mailbox},
		Issuer: p.in.Issuer, ClientID: p.in.ClientID, Refresh: store.Secret(token.RefreshToken), Granted: time.Now(), Asked: asked}
	if _, err := look(ctx, p.server, link.SignIn{Login: mailbox, Secret: store.Secret(token.AccessToken), Token: true}, c); err != nil {
		c.giveBack(ctx, p.server, agreed)
		return store.Consent{}, &ConsentError{Reason: NotOpened, Host: p.server.Host, Mailbox: mailbox, Cause: err.Error(), err: err}
	}
	return agreed, nil
}

// GiveBack has the provider forget an agreement that can't be kept, and says so.
func (c *Connector) GiveBack(ctx context.Context, server config.Server, agreed store.Consent) error {
	c.giveBack(ctx, server, agreed)
	return &ConsentError{Reason: Ended, Host: server.Host, Mailbox: agreed.Login, err: store.ErrEnded}
}

// giveBack has the provider forget an agreement that is of no use, also if that is because nobody waits any more.
func (c *Connector) giveBack(ctx context.Context, server config.Server, agreed store.Consent) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), givingBack)
	defer cancel()
	if _, err := c.Revoke(ctx, server, agreed); err != nil {
		c.Log.Warn().Err(err).Str("provider", hostOf(agreed.Issuer)).Str("account", agreed.Login).Msg("the provider can't be told that an agreement is not used")
	}
}

// scopesOf is what the provider is asked for.
func scopesOf(in *config.SignIn) []string {
	switch host := hostOf(in.Issuer); {
	case in.Scope != "":
		return strings.Fields(in.Scope)
	case strings.HasSuffix(host, "google.com"):
		return []string{googleMail}
	case strings.HasPrefix(host, "login.microsoftonline."):
		return []string{microsoftMail, offline}
	}
	return []string{"openid", offline}
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
