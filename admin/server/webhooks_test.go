package server

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/config"
	"postferry/report"
	"postferry/store"
)

// fakePoster reaches webhooks of which the host says what they do.
type fakePoster struct{}

func (fakePoster) TryWebhook(_ context.Context, to *config.Recipient) report.Posted {
	switch config.WebhookHost(to.Webhook) {
	case "refuses.example":
		return report.Posted{Status: 403, Err: errors.New("the webhook answers 403")}
	case "inside.example":
		return report.Posted{Inside: true, Err: errors.New("it is inside")}
	case "silent.example":
		return report.Posted{Err: fmt.Errorf("the webhook: %w", errors.New("connection refused"))}
	}
	return report.Posted{}
}

// addWebhook gives a domain a webhook.
func (p *page) addWebhook(domain string, w store.Webhook) {
	p.t.Helper()
	all, err := p.store.Domains(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, d := range all {
		if d.Name == domain {
			d.Webhooks = append(d.Webhooks, w)
			p.keepDomain(d)
		}
	}
}

// TestWebhooks: web servers that are told how a move goes on are added, tried and removed on the page and by the API. The secret is
// shown once, the URL never; both are for those who look after everything.
func TestWebhooks(t *testing.T) {
	p := startPage(t, func(opt *Options) {
		opt.Config.Notify.Recipients = []config.Recipient{{Webhook: "https://fixed.example/hush", WebhookSecret: "hush-hush-hush-hush", Language: "en"}}
	})
	root, own, c := p.admin("root", ""), p.admin("berta", "a.example"), p.program("")
	c.want(200, "PUT", aDomain, map[string]any{"old": "imaps://old.a.example", "new": "imaps://new.example"}, nil)
	const path, secretForm = "/d/a.example/webhooks", `whsec_[A-Za-z0-9+/=]{44}`
	_, _, text := root.form("/d/a.example/settings", "skip", "", "connections", "")
	shows(t, "before", 200, 200, text, "fixed.example", "set in the configuration file")

	status, _, text := root.form(path, "do", "add", "url", " https://takes.example/hook?key=hush1 ", "language", "de")
	shows(t, "added", status, 200, text, "takes.example · ", "(de)", "once only", "Send a test to takes.example · ", "fixed.example (en)")
	secret := regexp.MustCompile(secretForm).FindString(html.UnescapeString(text))
	if d, _ := p.directory.DomainNamed("a.example"); len(d.Recipients) != 1 || d.Recipients[0].Webhook != "https://takes.example/hook?key=hush1" || d.Recipients[0].WebhookSecret.Reveal() != secret || secret == "" ||
		fmt.Sprint(d.Recipients[0].Domains) != "[a.example]" {
		t.Errorf("%+v", d.Recipients)
	}
	for url, wrong := range map[string]string{"": "is no URL", "http://x.example/": "is no URL", "https://a:b@x.example/": "is no URL", "ftp://x.example/": "is no URL",
		"http://127.0.0.1/": "private network", "https://127.0.0.1/": "private network", "https://[::1]/": "private network", "https://10.1.2.3:8443/x": "private network", "https://localhost/": "private network",
		"https://100.64.0.1/": "private network", "https://[64:ff9b::7f00:1]/": "private network", "https://x.example:25/": "not one of the web", "https://[2606:4700::1]:22/": "not one of the web"} {
		status, _, text := root.form(path, "do", "add", "url", url, "language", "en")
		shows(t, url, status, 422, text, wrong, `aria-invalid="true"`, "takes.example")
	}
	status, _, text = root.form(path, "do", "add", "url", "https://x.example/", "language", "tlh")
	shows(t, "a language without texts", status, 422, text, "expected one of en, de, ru")
	status, _, text = own.form(path, "do", "add", "url", "https://x.example/", "language", "en")
	shows(t, "by the domain's administrator", status, http.StatusForbidden, text, "your provider&#39;s choice")
	if theirs := own.do("GET", "/d/a.example/settings", nil); strings.Contains(theirs.text, "takes.example") || strings.Contains(theirs.text, "/webhooks") {
		t.Error("it shows the domain's administrator who is told")
	}

	var made admin.NewWebhook
	hooks := aDomain + "/webhooks"
	for host, want := range map[string]string{"takes.example": "", "refuses.example": "webhook_refuses", "inside.example": "webhook_inside", "silent.example": "webhook_silent"} {
		c.want(201, "POST", hooks, map[string]any{"url": "https://" + host + "/?key=hush2", "secret": "0123456789abcdef"}, &made)
		if made.Secret != "0123456789abcdef" || made.Host != host || made.Language != "en" {
			t.Errorf("%+v", made)
		}
		status, _, text := root.form(path, "do", "test", "id", made.ID)
		if want == "" {
			shows(t, host, status, 200, text, "the webhook took it")
			c.want(204, "POST", hooks+"/"+made.ID+"/test", nil, nil)
		} else {
			shows(t, host, status, 422, text, map[string]string{"refuses.example": "refuses.example answers with status 403", "inside.example": "private network", "silent.example": "silent.example gives no answer: connection refused"}[host])
			if got := c.want(409, "POST", hooks+"/"+made.ID+"/test", nil, nil); !strings.Contains(got.text, want) {
				t.Error(got.text)
			}
		}
		c.want(204, "DELETE", hooks+"/"+made.ID, nil, nil)
		c.want(404, "DELETE", hooks+"/"+made.ID, nil, nil)
		c.want(404, "POST", hooks+"/"+made.ID+"/test", nil, nil)
	}
	p.wantWebhooksToldApart(c, root)
	for _, bad := range []string{"short", "whsec_not base64 at all"} {
		if got := c.want(422, "POST", hooks, map[string]any{"url": "https://x.example/", "secret": bad}, nil); !strings.Contains(got.text, "webhook_secret_weak") {
			t.Error(got.text)
		}
	}
	p.wantOneWebhook(c, root, secret)
}

// wantWebhooksToldApart wants that two webhooks at one host don't look alike, in the list or in the log of who did what.
func (p *page) wantWebhooksToldApart(c, root *caller) {
	const hooks = aDomain + "/webhooks"
	for range 2 {
		var made admin.NewWebhook
		c.want(201, "POST", hooks, map[string]any{"url": "https://twice.example/hush"}, &made)
		defer c.want(204, "DELETE", hooks+"/"+made.ID, nil, nil)
	}
	for path, form := range map[string]string{"/d/a.example/settings": `<li class="step"><span class="break">(twice\.example · [^ ]+)`, "/audit": `twice\.example · [a-z0-9]+`} {
		named := regexp.MustCompile(form).FindAllString(root.do("GET", path, nil).text, -1)
		if slices.Sort(named); len(slices.Compact(named)) != 2 {
			p.t.Errorf("%s names %q", path, named)
		}
	}
}

// wantOneWebhook wants that the first one, with its secret, is left of all, that nothing shows either, and that it goes when it is removed.
func (p *page) wantOneWebhook(c, root *caller, secret string) {
	t := p.t
	var all struct{ Webhooks []admin.WebhookView }
	if got := c.want(200, "GET", aDomain+"/webhooks", nil, &all); len(all.Webhooks) != 2 || !all.Webhooks[0].Fixed || all.Webhooks[1].Host != "takes.example" || strings.Contains(got.text, "hush") {
		t.Fatalf("%s", got.text)
	}
	var d admin.DomainView
	if got := c.want(200, "PUT", aDomain, map[string]any{"enrol": true, "recipients": []any{}}, &d); len(d.Webhooks) != 2 || len(d.Recipients) != 1 || strings.Contains(got.text, "hush") {
		t.Errorf("what the API changes otherwise: %s", got.text)
	}
	kept, err := p.store.Domains(t.Context())
	if err != nil || len(kept[0].Webhooks) != 1 || kept[0].Webhooks[0].Key.Reveal() != secret {
		t.Errorf("%+v, %v", kept, err)
	}
	entries, err := p.app.Audit.List(t.Context(), access.CommandLine(), "a.example", 0, 30)
	if told := fmt.Sprint(entries); err != nil || !strings.Contains(told, "add_webhook") || !strings.Contains(told, "delete_webhook") || strings.Contains(told, "hush") {
		t.Errorf("%+v, %v", entries, err)
	}
	status, _, text := root.form("/d/a.example/webhooks", "do", "remove", "id", all.Webhooks[1].ID)
	shows(t, "removed", status, 200, text, "Removed.", "fixed.example")
	for what, text := range map[string]string{"the page": text, "the log": p.log.String()} {
		if strings.Contains(text, "hush") || strings.Contains(text, secret) || strings.Contains(text, ">takes.example") {
			t.Errorf("%s has what was removed, or a secret: %s", what, text)
		}
	}
	for range 20 {
		c.want(201, "POST", aDomain+"/webhooks", map[string]any{"url": "https://x.example/"}, nil)
	}
	if got := c.want(409, "POST", aDomain+"/webhooks", map[string]any{"url": "https://x.example/"}, nil); !strings.Contains(got.text, "too_many_webhooks") {
		t.Error(got.text)
	}
}
