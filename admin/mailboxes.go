package admin

import (
	"slices"
	"strings"
	"time"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/directory"
)

// MailboxInput says which mailboxes of a tenant are meant, and what their new logins are, as a program gives it.
type MailboxInput struct {
	Search     string   `json:"search"`
	Kinds      []string `json:"kinds"` // none for user and shared
	Suspended  bool     `json:"suspended"`
	AllDomains bool     `json:"all_domains"` // also those of the tenant's other domains
	To         string   `json:"to"`          // domain of the new logins; "" for that of the addresses
	LocalPart  bool     `json:"local_part"`  // the new login is what is before the @
}

// Query is the same as the use cases take it.
func (in MailboxInput) Query(domain string) (MailboxQuery, error) {
	q := MailboxQuery{Filter: directory.Filter{Domain: domain, Search: strings.TrimSpace(in.Search), Suspended: in.Suspended},
		Rule: directory.Rule{Domain: strings.ToLower(strings.TrimSpace(in.To)), LocalPart: in.LocalPart}}
	if in.AllDomains {
		q.Filter.Domain = ""
	}
	known := []directory.Kind{directory.User, directory.Shared, directory.Room, directory.Equipment, directory.Other}
	for _, kind := range in.Kinds {
		if !slices.Contains(known, directory.Kind(kind)) {
			return q, access.Invalid(access.WrongField("kinds", "unknown_value", "There is no such kind of mailboxes."))
		}
		q.Filter.Kinds = append(q.Filter.Kinds, directory.Kind(kind))
	}
	if in.To != "" && in.LocalPart {
		return q, access.Invalid(access.WrongField("to", "unknown_value", "Either a domain or the local part."))
	}
	return q, nil
}

// EnrolInput are mailboxes that are to become accounts, as a program gives it.
type EnrolInput struct {
	MailboxInput
	All        bool               `json:"all"`       // all that are found and are no accounts yet
	Addresses  []string           `json:"addresses"` // these of them
	Exceptions []MailboxException `json:"exceptions"`
}

// Pick is the same as the use cases take it.
func (in EnrolInput) Pick(domain string) (MailboxPick, error) {
	q, err := in.Query(domain)
	if err != nil {
		return MailboxPick{}, err
	}
	if in.All == (len(in.Addresses) > 0) {
		return MailboxPick{}, access.Invalid(access.WrongField("addresses", "missing", "Either all, or the addresses of some."))
	}
	return MailboxPick{MailboxQuery: q, Addresses: in.Addresses, Each: in.Exceptions}, nil
}

// MailboxView is a mailbox of a tenant.
type MailboxView struct {
	directory.Mailbox
	NewLogin string `json:"new_login"`
	Known    bool   `json:"known"` // it is an account already
}

// MailboxPage is a page of them, by their addresses.
type MailboxPage struct {
	Fetched time.Time `json:"fetched"`
	Listed  int       `json:"listed"` // by the tenant altogether
	Found   int       `json:"found"`
	Left    int       `json:"left"` // of those found, that are no accounts yet
	// NeedPasswords: the new server wants a password for each, which the list doesn't have.
	NeedPasswords bool          `json:"need_passwords"`
	Mailboxes     []MailboxView `json:"mailboxes"`
	// Clashes are mailboxes that would have one login at the new server.
	Clashes []directory.Clash `json:"clashes"`
}

// maxClashes are as many as are told.
const maxClashes = 100

// Page is a page of a list.
func (l *MailboxList) Page(page, perPage int) *MailboxPage {
	v := &MailboxPage{Fetched: l.Fetched, Listed: l.Listed, Found: len(l.Moves), Left: len(l.Moves) - len(l.Known), NeedPasswords: l.NeedPasswords,
		Mailboxes: []MailboxView{}, Clashes: []directory.Clash{}}
	for _, m := range board.PageFrom(l.Moves, max(page, 1), perPage) {
		v.Mailboxes = append(v.Mailboxes, MailboxView{Mailbox: m.Mailbox, NewLogin: m.New, Known: l.Known[strings.ToLower(m.Address)]})
	}
	v.Clashes = append(v.Clashes, l.Clashes[:min(len(l.Clashes), maxClashes)]...)
	return v
}
