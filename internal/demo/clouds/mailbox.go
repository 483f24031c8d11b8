package clouds

import (
	"slices"
	"strings"
)

// App is an application that is registered with a service.
type App struct {
	ID     string // client id
	Name   string
	Secret string // "" for a public client
	// Certificates are those whose keys may sign assertions, DER encoded.
	Certificates [][]byte
	// Roles are the permissions that an administrator has given the application itself.
	Roles []string
	// Scopes are those that people may consent to.
	Scopes []string
	// Redirects are where browsers may be sent back to.
	Redirects []string
}

// Kind is what a mailbox is for.
type Kind string

// The kinds, as Microsoft's userPurpose has them; Google knows users only.
const (
	User      Kind = "user"
	Shared    Kind = "shared"
	Room      Kind = "room"
	Equipment Kind = "equipment"
)

// Mailbox is somebody in a tenant.
type Mailbox struct {
	Address string // the sign-in name, which is the main address too
	Name    string
	Aliases []string
	Kind    Kind // "" for User
	// Guest is somebody of another tenant; NoMailbox somebody without mail here.
	Guest, NoMailbox bool
	// Suspended: may not sign in.
	Suspended bool
	// Unlicensed: pays for no mail.
	Unlicensed bool
	// Admin may read the directory (Google).
	Admin bool
	// IMAPOff: IMAP is switched off for the mailbox.
	IMAPOff bool
	// Closed: applications have no permission for the mailbox (Microsoft: Add-MailboxPermission).
	Closed bool
}

func (m Mailbox) kind() Kind {
	if m.Kind == "" {
		return User
	}
	return m.Kind
}

// personOf finds somebody by the address or an alias.
func personOf(people []Mailbox, address string) (Mailbox, bool) {
	i := slices.IndexFunc(people, func(m Mailbox) bool {
		return strings.EqualFold(m.Address, address) ||
			slices.ContainsFunc(m.Aliases, func(a string) bool { return strings.EqualFold(a, address) })
	})
	if i < 0 {
		return Mailbox{}, false
	}
	return people[i], true
}

// signIns are those who can sign in to a consent page.
func signIns(people []Mailbox) (addresses []string) {
	for _, m := range people {
		if m.kind() == User && !m.Suspended {
			addresses = append(addresses, m.Address)
		}
	}
	return addresses
}

// appOf finds an application.
func appOf(apps []App, id string) (App, bool) {
	i := slices.IndexFunc(apps, func(a App) bool { return strings.EqualFold(a.ID, id) })
	if i < 0 || id == "" {
		return App{}, false
	}
	return apps[i], true
}

// IMAPRefusal is how a service's IMAP server refuses a token.
type IMAPRefusal struct {
	// Challenge is the JSON that comes before the tagged response (RFC 7628 section 3.2.2); "" for none.
	Challenge string
	// Text is what follows NO or BAD; Bad says which.
	Text string
	Bad  bool
}

func (r *IMAPRefusal) Error() string { return r.Text }
