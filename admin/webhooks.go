package admin

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"postferry/admin/access"
	"postferry/config"
	"postferry/internal/publicnet"
	"postferry/report"
	"postferry/store"
)

// WebhookView is a web server that is told how a domain's move goes on, without its URL, which may be a secret.
type WebhookView struct {
	ID       string `json:"id"` // "" of fixed ones
	Host     string `json:"host"`
	Language string `json:"language"`
	// Fixed ones are set in the configuration file; they can't be changed here.
	Fixed bool `json:"fixed"`
}

// shownID is how much of a webhook's ID tells it from others.
const shownID = 8

// Name is what people tell a webhook by: its host, and the beginning of its ID if it was added, as others may be there.
func (v WebhookView) Name() string {
	if v.ID == "" {
		return v.Host
	}
	return v.Host + " · " + v.ID[:min(shownID, len(v.ID))]
}

// WebhookInput is a web server that is to be told.
type WebhookInput struct {
	URL      string `json:"url"`      // https://...
	Language string `json:"language"` // "" for English
	// Secret is what messages are signed with; "" for one made by chance.
	Secret store.Secret `json:"secret"`
}

// NewWebhook is one that was added, with the secret that it is signed with: nobody is shown it again.
type NewWebhook struct {
	WebhookView
	Secret string `json:"secret"`
}

// Poster sends tests to webhooks.
type Poster interface {
	TryWebhook(ctx context.Context, to *config.Recipient) report.Posted
}

// Webhooks are the web servers that are told how moves go on. They are for who looks after everything.
type Webhooks struct {
	domains *Domains
	poster  Poster // nil where nothing is posted
}

// maxWebhooks is how many may be added to a domain.
const maxWebhooks = 20

// webhooks are those that are told about a domain, for who looks after everything; nil for others.
func (t toldBy) webhooks(who access.Actor, d *config.Domain) []WebhookView {
	if !who.All() {
		return nil
	}
	views := []WebhookView{}
	for _, r := range t.cfg.Notify.Recipients {
		if r.Wants(d.Name) && r.Webhook != "" {
			views = append(views, WebhookView{Host: config.WebhookHost(r.Webhook), Language: r.Language, Fixed: true})
		}
	}
	for _, r := range d.Recipients {
		if r.Webhook != "" {
			views = append(views, viewWebhook(&r))
		}
	}
	return views
}

// viewWebhook is one that was added.
func viewWebhook(r *config.Recipient) WebhookView {
	return WebhookView{ID: r.ID, Host: config.WebhookHost(r.Webhook), Language: r.Language}
}

// List returns the webhooks of a domain.
func (a *Webhooks) List(ctx context.Context, who access.Actor, domain string) ([]WebhookView, error) {
	d, err := a.of(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	return a.domains.told.webhooks(who, d), nil
}

// of is a domain, for who may see its webhooks.
func (a *Webhooks) of(ctx context.Context, who access.Actor, domain string) (*config.Domain, error) {
	d, err := a.domains.scopes.Domain(ctx, who, domain)
	if err == nil && !who.All() {
		return nil, errRecipientsFixed()
	}
	return d, err
}

// Add adds a webhook to a domain.
func (a *Webhooks) Add(ctx context.Context, who access.Actor, domain string, in WebhookInput) (*NewWebhook, error) {
	made, mistakes := a.read(in)
	if _, err := a.of(ctx, who, domain); err != nil {
		return nil, err
	}
	if len(mistakes) > 0 {
		return nil, access.Invalid(mistakes...)
	}
	v := &NewWebhook{WebhookView{ID: made.ID, Host: config.WebhookHost(made.URL), Language: made.Language}, made.Key.Reveal()}
	return v, a.change(ctx, who, domain, "add_webhook", v.Name(), func(d *store.Domain) error {
		if len(d.Webhooks) >= maxWebhooks {
			refused := access.Conflict("too_many_webhooks", "The domain has as many webhooks as can be kept: %d.", maxWebhooks)
			refused.Args = access.Args("most", maxWebhooks)
			return refused
		}
		d.Webhooks = append(slices.Clone(d.Webhooks), made)
		return nil
	})
}

// read makes a webhook of what was given.
func (a *Webhooks) read(in WebhookInput) (made store.Webhook, mistakes []access.Mistake) {
	made = store.Webhook{ID: strings.ToLower(rand.Text()), Key: in.Secret, Language: in.Language}
	to, err := config.ParseWebhook(strings.TrimSpace(in.URL))
	switch {
	case err != nil || to == "" || len(to) > 2000:
		mistakes = append(mistakes, access.WrongField("url", "webhook_malformed", "This is not the URL of a webhook: it begins with https:// and has no login in it."))
	case inside(to):
		mistakes = append(mistakes, errWebhookInside("url"))
	}
	made.URL = to
	if made.Key == "" {
		made.Key = newKey()
	} else if config.CheckWebhookSecret(made.Key) != nil {
		mistakes = append(mistakes, access.WrongField("secret", "webhook_secret_weak", "A secret to sign with has 16 characters at least; after whsec_ it is base64."))
	}
	if made.Language == "" {
		made.Language = "en"
	}
	return made, append(mistakes, a.domains.told.checkLanguage("language", made.Language)...)
}

// newKey is a secret to sign with, as Standard Webhooks write it.
func newKey() store.Secret {
	key := make([]byte, 32)
	rand.Read(key) // never fails (crypto/rand)
	return store.Secret("whsec_" + base64.StdEncoding.EncodeToString(key))
}

// inside tells whether a webhook is written to be at an address of this machine or a private network, at a port that is not one of
// the web, or has no TLS. Where a name leads is seen whenever something is posted.
func inside(to store.Secret) bool {
	u, err := url.Parse(to.Reveal())
	if err != nil || u.Scheme != "https" || strings.EqualFold(u.Hostname(), "localhost") {
		return true
	}
	port, err := strconv.ParseUint(cmp.Or(u.Port(), "443"), 10, 16)
	if err != nil || !publicnet.WebPort(int(port)) {
		return true
	}
	address, err := netip.ParseAddr(u.Hostname())
	return err == nil && !publicnet.AllowedWeb(netip.AddrPortFrom(address, uint16(port)))
}

func errWebhookInside(field string) access.Mistake {
	return access.WrongField(field, "webhook_inside", "The webhook is at this machine or in a private network, or its port is not one of the web. Only the configuration may name such a one.")
}

// Remove takes a webhook from a domain.
func (a *Webhooks) Remove(ctx context.Context, who access.Actor, domain, id string) error {
	r, err := a.added(ctx, who, domain, id)
	if err != nil {
		return err
	}
	return a.change(ctx, who, domain, "delete_webhook", viewWebhook(r).Name(), func(d *store.Domain) error {
		d.Webhooks = slices.DeleteFunc(slices.Clone(d.Webhooks), func(w store.Webhook) bool { return w.ID == id })
		return nil
	})
}

// added finds a webhook that was added to a domain.
func (a *Webhooks) added(ctx context.Context, who access.Actor, domain, id string) (*config.Recipient, error) {
	d, err := a.of(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(d.Recipients, func(r config.Recipient) bool { return r.Webhook != "" && r.ID == id })
	if at < 0 {
		return nil, access.NotFound("webhook")
	}
	return &d.Recipients[at], nil
}

// Test sends a test to a webhook, and returns nil if it was taken.
func (a *Webhooks) Test(ctx context.Context, who access.Actor, domain, id string) error {
	r, err := a.added(ctx, who, domain, id)
	if err != nil {
		return err
	}
	if a.poster == nil {
		return access.NotFound("webhook")
	}
	host := config.WebhookHost(r.Webhook)
	posted := a.poster.TryWebhook(ctx, r)
	var refused *access.Refusal
	switch {
	case posted.Err == nil:
		return nil
	case posted.Inside:
		refused = access.Conflict("webhook_inside", "%s", errWebhookInside("").Text)
	case posted.Status != 0:
		refused = access.Conflict("webhook_refuses", "%s answers with status %d; 2xx is expected.", host, posted.Status)
		refused.Args = access.Args("host", host, "status", posted.Status)
	default:
		cause := posted.Err
		if inner := errors.Unwrap(cause); inner != nil { // without the host, which the sentence has
			cause = inner
		}
		refused = access.Conflict("webhook_silent", "%s gives no answer: %v", host, cause)
		refused.Args = access.Args("host", host, "cause", cause.Error())
	}
	refused.Cause = posted.Err
	return refused
}

// change changes a domain that was set up here, one at a time.
func (a *Webhooks) change(ctx context.Context, who access.Actor, domain, what, name string, fn func(*store.Domain) error) error {
	if err := a.domains.adding.Acquire(ctx, 1); err != nil {
		return err
	}
	defer a.domains.adding.Release(1)
	known, err := a.domains.scopes.Domain(ctx, who, domain)
	if err != nil {
		return err
	}
	stored, err := storedDomain(ctx, a.domains.store, known.Name)
	if err != nil {
		return err
	}
	if stored == nil {
		return errDomainFixed()
	}
	if err := fn(stored); err != nil {
		return err
	}
	if err := a.domains.keep(ctx, *stored, false); err != nil {
		return err
	}
	return a.domains.audit.Note(ctx, who, what, access.About{Domain: known.Name, Detail: name})
}
