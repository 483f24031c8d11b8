package tenant

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"postferry/store"
)

// byCode waits for the code to be entered.
func (c *Connector) byCode(ctx context.Context, p *provider, mailbox string, ask func(Prompt) error) (store.Consent, error) {
	ctx, cancel := context.WithTimeout(ctx, consentLife)
	defer cancel()
	d, err := p.deviceCode(ctx)
	if err != nil {
		return store.Consent{}, p.refusal(err)
	}
	if err := ask(Prompt{URL: d.VerificationURI, Code: d.UserCode, Ends: d.Expiry}); err != nil {
		return store.Consent{}, err
	}
	token, err := p.flow.DeviceAccessToken(p.asking(ctx), d)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && !time.Now().Before(d.Expiry):
		return store.Consent{}, &ConsentError{Reason: TooLate, Host: p.host, err: err}
	case err != nil:
		return store.Consent{}, p.refusal(err, store.Secret(d.DeviceCode))
	}
	return c.agreed(ctx, p, mailbox, p.asked, token)
}

// maxDeviceAnswer and maxShown bound what comes with a code, and what a person is shown of it. Octets.
const maxDeviceAnswer, maxShown = 64 << 10, 500

// deviceAnswer is a provider's answer with a code (RFC 8628 section 3.2).
type deviceAnswer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URL        string `json:"verification_uri"`
	OtherURL   string `json:"verification_url"` // what some call it
	ExpiresIn  int64  `json:"expires_in"`
	Interval   int64  `json:"interval"`
}

// deviceCode asks for a code. The library would ask without our context, and believe any answer.
func (p *provider) deviceCode(ctx context.Context) (*oauth2.DeviceAuthResponse, error) {
	form := url.Values{"client_id": {p.flow.ClientID}, "scope": {strings.Join(p.flow.Scopes, " ")}}
	if p.flow.ClientSecret != "" { // a client that has a secret shows it here as well (RFC 8628 section 3.1)
		form.Set("client_secret", p.flow.ClientSecret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.places.Device, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := p.keeper.Client(p.server).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDeviceAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, deviceRefusal(resp, body)
	}
	var answer deviceAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, errors.New("its answer with a code can't be read")
	}
	deadline, _ := ctx.Deadline()
	return answer.checked(deadline, here(p.in.Issuer) != "")
}

// deviceRefusal is the library's error for a refusal (RFC 6749 section 5.2).
func deviceRefusal(resp *http.Response, body []byte) error {
	var said struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(body, &said) // whatever it is instead, its status says enough
	return &oauth2.RetrieveError{Response: resp, ErrorCode: said.Code, ErrorDescription: said.Description}
}

// checked is the answer for the library, if a person can be shown it. Nobody waits for it longer than until the deadline.
// A provider on this machine needs no TLS.
func (a deviceAnswer) checked(deadline time.Time, local bool) (*oauth2.DeviceAuthResponse, error) {
	at, err := url.Parse(cmp.Or(a.URL, a.OtherURL))
	unshown := func(r rune) bool { return r < ' ' || r == 0x7f }
	switch {
	case err != nil, at.Scheme != "https" && !(local && at.Scheme == "http"), at.Host == "", len(at.String()) > maxShown:
		return nil, errors.New("it names no page on which its code can be entered")
	case a.DeviceCode == "", a.UserCode == "", len(a.UserCode) > maxShown, strings.ContainsFunc(a.UserCode, unshown):
		return nil, errors.New("it gives no code that can be shown")
	}
	ends := time.Now().Add(time.Duration(max(min(a.ExpiresIn, int64(consentLife/time.Second)), 0)) * time.Second)
	if a.ExpiresIn == 0 || ends.After(deadline) {
		ends = deadline
	}
	return &oauth2.DeviceAuthResponse{DeviceCode: a.DeviceCode, UserCode: a.UserCode, VerificationURI: at.String(), Expiry: ends, Interval: a.Interval}, nil
}
