package notify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"postferry/config"
	"postferry/internal/publicnet"
	"postferry/internal/secret"
	"postferry/report"
)

// hookMark stands for a webhook among letters, which must not have its URL.
func hookMark(r *config.Recipient) string {
	if r.ID != "" {
		return "added " + r.ID
	}
	sum := sha256.Sum256([]byte(r.Webhook.Reveal()))
	return hex.EncodeToString(sum[:8])
}

// TryWebhook posts a test to a webhook, and says what became of it. Any goroutine may use it.
func (t *Teller) TryWebhook(ctx context.Context, r *config.Recipient) report.Posted {
	ctx, cancel := context.WithTimeout(ctx, tryBound)
	defer cancel()
	only := *r
	only.To = nil
	for _, l := range t.testLetters(&only) {
		if f := t.post(ctx, r, &l); f != nil {
			return report.Posted{Status: f.status, Inside: errors.Is(f.error, errInside), Err: f.error}
		}
	}
	return report.Posted{}
}

// tryBound bounds a test that somebody waits for.
const tryBound = 10 * time.Second

// post sends a letter to a webhook, signed.
func (t *Teller) post(ctx context.Context, r *config.Recipient, l *letter) *failure {
	host := config.WebhookHost(r.Webhook)
	request, err := t.request(ctx, r, l)
	if err != nil {
		return &failure{error: fmt.Errorf("the webhook at %s: %w", host, err), final: true}
	}
	client := newHookClient(len(r.Domains) > 0)
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) { // which has the URL
			err = of.Err
		}
		return &failure{error: fmt.Errorf("the webhook at %s: %w", host, err), final: errors.Is(err, errInside)}
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that it can end well; what it says is of no use
	if answer.StatusCode/100 == 2 {
		return nil
	}
	return &failure{error: fmt.Errorf("the webhook at %s answers %d", host, answer.StatusCode), status: answer.StatusCode, final: answer.StatusCode == http.StatusGone}
}

func (t *Teller) request(ctx context.Context, r *config.Recipient, l *letter) (*http.Request, error) {
	now := time.Now()
	signer, err := signerOf(r.WebhookSecret)
	if err != nil {
		return nil, err
	}
	signature, err := signer.Sign(l.ID, now, []byte(l.Text))
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Webhook.Reveal(), bytes.NewReader([]byte(l.Text)))
	if err != nil {
		return nil, errors.New("its URL can't be used")
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "Postferry", webhooks.HeaderWebhookID: l.ID,
		webhooks.HeaderWebhookTimestamp: strconv.FormatInt(now.Unix(), 10), webhooks.HeaderWebhookSignature: signature,
	} {
		request.Header.Set(name, value)
	}
	return request, nil
}

// signerOf signs with a secret: its octets, or, if it is written as Standard Webhooks do, what it
// stands for.
func signerOf(s secret.Text) (*webhooks.Webhook, error) {
	if strings.HasPrefix(s.Reveal(), "whsec_") {
		if signer, err := webhooks.NewWebhook(s.Reveal()); err == nil {
			return signer, nil
		}
		return nil, errors.New("webhook_secret begins with whsec_, but is no base64")
	}
	return webhooks.NewWebhookRaw([]byte(s.Reveal()))
}

// newHookClient posts to webhooks. It follows no redirection: what is sent is meant for one address.
// If outside, that must not be this machine's or a private network's.
func newHookClient(outside bool) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	proxy := http.ProxyFromEnvironment
	if outside {
		dialer.ControlContext, proxy = onlyOutside, nil
	}
	return &http.Client{
		Timeout:       attemptBound,
		Transport:     &http.Transport{Proxy: proxy, DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// errInside means that a webhook of some domains leads to where only whoever looks after everything may reach.
var errInside = errors.New("its address is this machine's or a private network's, or its port is not one of the web; that is only for recipients of all domains")

// onlyOutside is called before each attempt to connect to an address.
func onlyOutside(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !publicnet.AllowedWeb(to) {
		return fmt.Errorf("%w: %s", errInside, address)
	}
	return nil
}
