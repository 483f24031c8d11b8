package tenant

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"postferry/config"
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

// consentLife is how long the owner may take.
const consentLife = 15 * time.Minute

// What a person's token is asked for.
const (
	googleMail    = "https://mail.google.com/"
	microsoftMail = "https://outlook.office.com/IMAP.AccessAsUser.All"
	offline       = "offline_access" // OpenID Connect Core 1.0 section 11
)

// Consent has the owner of a mailbox agree, by a code that is entered at the provider (RFC 8628) or, where
// the provider doesn't let devices at mail, in a browser on this machine (RFC 8252 section 7.3, RFC 7636).
// The agreement is returned once it has opened the mailbox: somebody else's is not taken.
func (c *Connector) Consent(ctx context.Context, server config.Server, mailbox string, ask func(Prompt) error) (store.Consent, error) {
	in := server.SignIn
	if in == nil || in.Method != config.Consent {
		return store.Consent{}, errors.New("the people of this domain don't sign in for themselves; expected method = \"consent\"")
	}
	ctx, cancel := context.WithTimeout(ctx, consentLife)
	defer cancel()
	places, err := c.keeper().Places(ctx, server)
	if err != nil {
		return store.Consent{}, err
	}
	flow := &oauth2.Config{ClientID: in.ClientID, ClientSecret: in.Secret.Reveal(), Scopes: scopesOf(in),
		Endpoint: oauth2.Endpoint{AuthURL: places.Authorization, TokenURL: places.Token, DeviceAuthURL: places.Device, AuthStyle: oauth2.AuthStyleInParams}}
	var token *oauth2.Token
	if places.Device != "" && !slices.Contains(flow.Scopes, googleMail) {
		token, err = byDevice(ctx, flow, ask)
	} else {
		token, err = byBrowser(ctx, flow, mailbox, ask)
	}
	if err != nil {
		return store.Consent{}, consentFault(err)
	}
	if token.RefreshToken == "" {
		return store.Consent{}, errors.New("the provider gave no refresh token, so the agreement would end with the hour; see whether the application may ask for " + offline)
	}
	if _, err := look(ctx, server, link.SignIn{Login: mailbox, Secret: store.Secret(token.AccessToken), Token: true}, c); err != nil {
		return store.Consent{}, fmt.Errorf("whoever has signed in can't open the mailbox %s: %w", mailbox, err)
	}
	return store.Consent{Mailbox: store.Mailbox{Domain: in.Domain, Side: store.Side(in.Side), Login: mailbox},
		Issuer: in.Issuer, ClientID: in.ClientID, Refresh: store.Secret(token.RefreshToken), Granted: time.Now()}, nil
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

// byDevice waits for the code to be entered.
func byDevice(ctx context.Context, flow *oauth2.Config, ask func(Prompt) error) (*oauth2.Token, error) {
	d, err := flow.DeviceAuth(ctx)
	if err != nil {
		return nil, err
	}
	if err := ask(Prompt{URL: d.VerificationURI, Code: d.UserCode, Ends: d.Expiry}); err != nil {
		return nil, err
	}
	return flow.DeviceAccessToken(ctx, d)
}

// byBrowser waits for a browser to come back to this machine with a code.
func byBrowser(ctx context.Context, flow *oauth2.Config, mailbox string, ask func(Prompt) error) (*oauth2.Token, error) {
	back, err := waitAtLoopback()
	if err != nil {
		return nil, err
	}
	defer back.close()
	flow.RedirectURL = back.url
	verifier, state := oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	at := flow.AuthCodeURL(state, oauth2.AccessTypeOffline, oauth2.S256ChallengeOption(verifier),
		oauth2.SetAuthURLParam("prompt", "consent"), oauth2.SetAuthURLParam("login_hint", mailbox))
	if err := ask(Prompt{URL: at, Ends: time.Now().Add(consentLife)}); err != nil {
		return nil, err
	}
	answer, err := back.answer(ctx)
	switch {
	case err != nil:
		return nil, err
	case answer.Get("state") != state:
		return nil, errors.New("a browser came back that was not sent by us")
	case answer.Get("error") != "":
		return nil, fmt.Errorf("%w: %s", errDeclined, answer.Get("error"))
	}
	return flow.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
}

// errDeclined is somebody's no.
var errDeclined = errors.New("the owner of the mailbox, or the provider, said no")

// consentFault is what went wrong, without the provider's whole answer.
func consentFault(err error) error {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case !ok:
		return err
	case refused.ErrorCode == "access_denied", refused.ErrorCode == "authorization_declined":
		return errDeclined
	case refused.ErrorCode == "expired_token":
		return errors.New("nobody entered the code in time")
	}
	return fmt.Errorf("the provider refused: %s: %s", refused.ErrorCode, refused.ErrorDescription)
}

// loopback is where a browser is sent back to.
type loopback struct {
	url    string
	came   chan url.Values
	server *http.Server
	served chan error
}

// waitAtLoopback listens on a free port of this machine.
func waitAtLoopback() (*loopback, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &loopback{url: "http://" + listener.Addr().String(), came: make(chan url.Values, 1), served: make(chan error, 1)}
	l.server = &http.Server{Handler: http.HandlerFunc(l.take), ReadHeaderTimeout: 10 * time.Second}
	go func() { l.served <- l.server.Serve(listener) }()
	return l, nil
}

// take takes the first answer that is one; browsers ask for icons, too.
func (l *loopback) take(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("state") == "" {
		http.NotFound(w, r)
		return
	}
	select {
	case l.came <- q:
	default:
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "Postferry has got the answer. You may close this window.")
}

func (l *loopback) answer(ctx context.Context) (url.Values, error) {
	select {
	case q := <-l.came:
		return q, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// close ends it, once the browser has its answer.
func (l *loopback) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		l.server.Close()
	}
	<-l.served
}

// Revoke tells the provider that an agreement has ended (RFC 7009); false if it can't be told.
func (c *Connector) Revoke(ctx context.Context, server config.Server, agreed store.Consent) (told bool, err error) {
	places, err := c.keeper().Places(ctx, server)
	if err != nil || places.Revocation == "" {
		return false, err
	}
	form := url.Values{"token": {agreed.Refresh.Reveal()}, "token_type_hint": {"refresh_token"}, "client_id": {agreed.ClientID}}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, places.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK, nil
}
