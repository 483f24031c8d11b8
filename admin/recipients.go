package admin

import (
	"postferry/admin/access"
	"postferry/config"
)

// RecipientView is somebody who is told how a domain's move goes on.
type RecipientView struct {
	To       []string `json:"to"`      // mail addresses
	Webhook  bool     `json:"webhook"` // messages are posted to a web server, whose address may be a secret
	Language string   `json:"language"`
}

// viewRecipients are those who are told about a domain, for who looks after everything; nil for others.
func viewRecipients(who access.Actor, all []config.Recipient, domain string) []RecipientView {
	if !who.All() {
		return nil
	}
	views := []RecipientView{}
	for i := range all {
		if r := &all[i]; r.Wants(domain) {
			views = append(views, RecipientView{append([]string{}, r.To...), r.Webhook != "", r.Language})
		}
	}
	return views
}
