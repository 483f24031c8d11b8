package credential

import (
	"fmt"
	"time"

	"postferry/store"
)

// Error is why there is nothing to sign in with, or what it means that a server refuses it.
type Error struct {
	Kind store.ProblemKind
	Side store.Side
	Host string // who says so: the provider, or the mail server
	// Tenant: it is about all mailboxes of the domain at that server, and is tried again by itself:
	// what a person mends at a provider is not told to us.
	Tenant bool
	// Lasting: a person has to mend it for this mailbox.
	Lasting bool
	Retry   time.Time // when trying again helps; zero if it isn't known
	Err     error
}

// Error is the voice for the log.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s", e.Host, e.Kind)
	}
	return fmt.Sprintf("%s: %s: %v", e.Host, e.Kind, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Describe implements problem.Describer.
func (e *Error) Describe(p *store.Problem) {
	p.Kind, p.Server, p.Host, p.Summary = e.Kind, e.Side, e.Host, e.Summary()
	p.Advice = store.RetryLater
	if e.Lasting && !e.Tenant {
		p.Advice = store.NeedsFix
		return
	}
	p.Retry = e.Retry
}

// Summary is the voice for the person at the screen.
func (e *Error) Summary() string {
	text, ok := summaries()[e.Kind]
	if !ok {
		text = "%s gave no way to sign in."
	}
	return fmt.Sprintf(text, e.Host)
}

// summaries are the sentences of the kinds of problems, with a place for who says so.
func summaries() map[store.ProblemKind]string {
	return map[store.ProblemKind]string{
		store.TokenUnavailable: "%s gives out no tokens at the moment. It is tried again by itself.",
		store.TenantUnknown:    "%s does not know the tenant. Correct it: its ID, or one of its domain names.",
		store.ApplicationRefused: "%s refuses the application: its ID, its secret or its certificate is not right, or has expired. " +
			"Make a new one there, and enter it.",
		store.PermissionMissing: "%s has not granted the application the permission to use IMAP. Microsoft: give it IMAP.AccessAsApp of " +
			"Office 365 Exchange Online, and have an administrator consent.",
		store.DelegationMissing: "%s says that the service account may not act for the people of this domain. Add its client ID, with the scope " +
			"https://mail.google.com/, in the Admin console under Security, API controls, Domain-wide delegation.",
		store.PrincipalMissing: "%s lets the application into no mailbox. Microsoft: see whether IMAP.AccessAsApp is granted, register the " +
			"application in Exchange Online (New-ServicePrincipal) and give it the mailboxes (Add-MailboxPermission).",
		store.MailboxRefused: "%s lets Postferry into other mailboxes, but not into this one. Microsoft: give the application this mailbox " +
			"(Add-MailboxPermission), and see whether IMAP is switched on for it (Set-CASMailbox).",
		store.MailboxUnknown: "%s has no such mailbox, or it is suspended. Correct the login, then run it again.",
		store.IMAPOff:        "IMAP is switched off for this mailbox at %s. Switch it on there, then run it again.",
		store.ConsentMissing: "The owner of this mailbox has not signed in at %s for Postferry yet. Have them do that once.",
		store.ConsentRevoked: "%s says that the agreement of this mailbox's owner is not valid any more. Have them sign in there once more.",
		store.ClockWrong:     "%s says that the clock of this machine is wrong. Set it right (NTP).",
		store.TokenRefused: "%s refuses the token that was just fetched for this mailbox. See whether IMAP is switched on for it there, and " +
			"whether the application may open it.",
		store.TokenCommandFailed: "The program that prints tokens for %s failed. See what it says in the log.",
		store.MasterRefused:      "%s refuses the master login. Correct its login or its password.",
	}
}
