package credential

import (
	"fmt"
	"time"

	"postferry/report/reason"
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
func (e *Error) Summary() reason.Reason {
	code, ok := summaries[e.Kind]
	if !ok {
		code = reason.TroubleNoSignIn
	}
	return reason.Of(code, e.Host)
}

// summaries are the sentences of the kinds of problems.
var summaries = map[store.ProblemKind]reason.Code{
	store.TokenUnavailable:   reason.TroubleTokenUnavailable,
	store.TenantUnknown:      reason.TroubleTenant,
	store.ApplicationRefused: reason.TroubleApplication,
	store.PermissionMissing:  reason.TroublePermission,
	store.DelegationMissing:  reason.TroubleDelegation,
	store.PrincipalMissing:   reason.TroublePrincipal,
	store.MailboxRefused:     reason.TroubleMailbox,
	store.MailboxUnknown:     reason.TroubleMailboxUnknown,
	store.IMAPOff:            reason.TroubleIMAPOff,
	store.ConsentMissing:     reason.TroubleConsent,
	store.ConsentRevoked:     reason.TroubleConsentRevoked,
	store.ConsentLost:        reason.TroubleConsentLost,
	store.ClockWrong:         reason.TroubleClock,
	store.TokenRefused:       reason.TroubleTokenRefused,
	store.TokenCommandFailed: reason.TroubleTokenCommand,
	store.MasterRefused:      reason.TroubleMaster,
}
