package web

import (
	"strings"

	"postferry/admin"
)

// recipientsForm is somebody who is to be told how a domain's move goes on.
type recipientsForm struct{ To, Language string }

// Mailed are those who are told by e-mail.
func (form settingsForm) Mailed() (all []admin.RecipientView) {
	for _, r := range form.Domain.Recipients {
		if len(r.To) > 0 {
			all = append(all, r)
		}
	}
	return all
}

// formRecipients adds somebody who is told how a domain's move goes on, or removes somebody.
func (s *serverPages) formRecipients(v *visit) error {
	d, err := s.domains.Show(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	to, adds := strings.TrimSpace(v.r.PostFormValue("to")), v.r.PostFormValue("do") == "add"
	all := []admin.RecipientInput{}
	for _, r := range d.Recipients {
		if !r.Fixed && (adds || r.To[0] != to) {
			all = append(all, admin.RecipientInput{To: r.To[0], Language: r.Language})
		}
	}
	language := v.r.PostFormValue("language")
	if adds {
		all = append(all, admin.RecipientInput{To: to, Language: language})
	}
	if _, _, err := s.domains.Put(v.r.Context(), v.who, d.Name, admin.DomainInput{Recipients: &all}); err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		form := settingsOf(v, d)
		form.Told = recipientsForm{to, language}
		return s.showSettings(v, d, form, n)
	}
	return v.seeOther(doneAt(domainPath(d.Name, "settings"), map[bool]string{true: "recipient_added", false: "recipient_removed"}[adds], 0) + "#told")
}
