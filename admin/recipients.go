package admin

import (
	"fmt"
	"slices"
	"strings"

	"postferry/admin/access"
	"postferry/config"
	"postferry/internal/asciifold"
	"postferry/store"
)

// RecipientView is somebody who is told how a domain's move goes on.
type RecipientView struct {
	To       []string `json:"to"`      // mail addresses
	Webhook  bool     `json:"webhook"` // messages are posted to a web server, whose address may be a secret
	Language string   `json:"language"`
	// Fixed ones are set in the configuration file; they can't be changed here.
	Fixed bool `json:"fixed"`
}

// RecipientInput is somebody who is to be told, by e-mail.
type RecipientInput struct {
	To       string `json:"to"`       // mail address
	Language string `json:"language"` // "" for English
}

// toldBy knows who is told about domains.
type toldBy struct {
	cfg       *config.Config
	languages func() ([]string, error) // those that there are texts in; nil for English alone
}

// view are those who are told about a domain, for who looks after everything; nil for others.
func (t toldBy) view(who access.Actor, d *config.Domain) []RecipientView {
	if !who.All() {
		return nil
	}
	views := []RecipientView{}
	for _, r := range t.cfg.Notify.Recipients {
		if r.Wants(d.Name) {
			views = append(views, RecipientView{append([]string{}, r.To...), r.Webhook != "", r.Language, true})
		}
	}
	for _, r := range d.Recipients {
		if r.Webhook == "" {
			views = append(views, RecipientView{slices.Clone(r.To), false, r.Language, false})
		}
	}
	return views
}

// maxRecipients is how many may be added to a domain.
const maxRecipients = 20

// read makes recipients of what was given; those that are there already stay as they are.
func (t toldBy) read(was []store.Recipient, in []RecipientInput) (all []store.Recipient, mistakes []access.Mistake) {
	if len(in) > maxRecipients {
		m := access.WrongField("recipients", "too_many_recipients", "There are more than can be kept: %d at most.", maxRecipients)
		m.Args = access.Args("most", maxRecipients)
		return was, []access.Mistake{m}
	}
	for _, given := range in {
		r := store.Recipient{To: strings.TrimSpace(given.To), Language: given.Language}
		if r.Language == "" {
			r.Language = "en"
		}
		same := func(x store.Recipient) bool { return asciifold.Lower(x.To) == asciifold.Lower(r.To) }
		switch {
		case slices.ContainsFunc(all, same):
			continue
		case !slices.Contains(was, r):
			mistakes = append(mistakes, t.check(r)...)
		}
		all = append(all, r)
	}
	return all, mistakes
}

// check says what is wrong with somebody who is to be told.
func (t toldBy) check(r store.Recipient) []access.Mistake {
	to, err := config.ParseMailbox(r.To)
	switch {
	case err != nil || to == "" || len(to) > 254: // RFC 5321 section 4.5.3.1.3
		return []access.Mistake{access.WrongField("recipients", "address_malformed", "This is not a mail address.")}
	case t.cfg.Notify.SMTP.Host == "":
		return []access.Mistake{access.WrongField("recipients", "no_smtp", "The configuration has no server that takes e-mail ([notify] smtp), so nobody could be told.")}
	}
	return t.checkLanguage("recipients", r.Language)
}

// checkLanguage says what is wrong with a language in which somebody is to be told.
func (t toldBy) checkLanguage(field, language string) []access.Mistake {
	if language == "en" {
		return nil
	}
	known, err := []string{"en"}, error(nil)
	if t.languages != nil {
		known, err = t.languages()
	}
	if err != nil || !slices.Contains(known, language) {
		m := access.WrongField(field, "unknown_language", "There are no texts in this language; expected one of %s.", strings.Join(known, ", "))
		m.Args = access.Args("known", strings.Join(known, ", "))
		return []access.Mistake{m}
	}
	return nil
}

// errRecipientsFixed refuses those who look after one domain.
func errRecipientsFixed() error {
	return &access.Refusal{Kind: access.KindForbidden, Code: "recipients_fixed", Detail: "Who is told how moves go on is your provider's choice."}
}

// recipientsText is how the audit log has those who are told.
func recipientsText(all []store.Recipient) string {
	var texts []string
	for _, r := range all {
		texts = append(texts, fmt.Sprintf("%s (%s)", r.To, r.Language))
	}
	return strings.Join(texts, " ")
}
