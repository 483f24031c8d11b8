package web

import (
	"strings"

	"postferry/admin"
)

// webhookForm is a web server that is to be told how a domain's move goes on, or one that was just added, with its secret.
type webhookForm struct{ URL, Language, Name, Secret string }

// formWebhooks adds a web server that is told how a domain's move goes on, removes one, or sends a test to it.
func (s *serverPages) formWebhooks(v *visit) error {
	d, err := s.domains.Show(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	f := v.r.PostFormValue
	given := webhookForm{URL: strings.TrimSpace(f("url")), Language: f("language")}
	done := ""
	switch f("do") {
	case "remove":
		done, err = "webhook_removed", s.hooks.Remove(v.r.Context(), v.who, d.Name, f("id"))
	case "test":
		done, err = "webhook_tested", s.hooks.Test(v.r.Context(), v.who, d.Name, f("id"))
	default:
		var made *admin.NewWebhook
		if made, err = s.hooks.Add(v.r.Context(), v.who, d.Name, admin.WebhookInput{URL: given.URL, Language: given.Language}); err == nil {
			return s.showWebhook(v, made)
		}
	}
	if err == nil {
		return v.seeOther(doneAt(domainPath(d.Name, "settings"), done, 0) + "#webhooks")
	}
	n, err := v.noticeOr(err)
	if err != nil {
		return err
	}
	form := settingsOf(v, d)
	form.Hook = given
	return s.showSettings(v, d, form, n)
}

// showWebhook shows the secret of a webhook that was just added: it is not shown again.
func (s *serverPages) showWebhook(v *visit, made *admin.NewWebhook) error {
	d, err := s.domains.Show(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	form := settingsOf(v, d)
	form.Hook = webhookForm{Name: made.Name(), Secret: made.Secret}
	return s.showSettings(v, d, form, nil)
}
