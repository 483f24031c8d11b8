package store

import (
	"context"
	"time"

	"postferry/internal/asciifold"
)

// SignInMethod is how Postferry signs in at a server for the accounts of a domain.
type SignInMethod string

// The methods that an administrator can choose while Postferry runs. A program that prints
// tokens is not among them: whoever may choose one may run it.
const (
	SignInMaster    SignInMethod = "master"    // one login opens all mailboxes
	SignInMicrosoft SignInMethod = "microsoft" // an application of Microsoft 365
	SignInGoogle    SignInMethod = "google"    // a service account with domain-wide delegation
	SignInConsent   SignInMethod = "consent"   // each person agrees at an OpenID provider
)

// SignIn is how Postferry signs in at one of the servers of a stored domain, if not with each
// account's own password. Those of the configuration file are not in the store.
type SignIn struct {
	Domain string // in lower case
	Side   Side
	Method SignInMethod
	// The others are what config.SignIn has under these names.
	Login     string
	Separator string
	Tenant    string
	ClientID  string
	Issuer    string
	Scope     string
	Secret    Secret
	SetBy     string // who has set it up, for the page
	Created   time.Time
}

// Mailbox is somebody's mail at one of a domain's servers.
type Mailbox struct {
	Domain string // in lower case
	Side   Side
	Login  string // at that server; look-ups ignore the case of ASCII letters
}

// Of tells whether it is an account's mailbox.
func (m Mailbox) Of(a *Account) bool {
	login := a.Old.Login
	if m.Side == NewSide {
		login = a.New.Login
	}
	return a.Domain == m.Domain && asciifold.Lower(login) == asciifold.Lower(m.Login)
}

// Consent is what the owner of a mailbox has agreed to: that Postferry may open it.
type Consent struct {
	Mailbox
	// Issuer and ClientID are whom it was agreed with: a refresh token is of no use elsewhere.
	Issuer, ClientID string
	Refresh          Secret
	Granted          time.Time
	// Sent is when the refresh token was sent to the provider, if what came of that is not known: a token that is good
	// for once may be used up, and what it was exchanged for lost. The zero time if it is as it was given out.
	Sent time.Time
	// Asked is the moment before its owner was asked; it is not kept.
	Asked ConsentMark
}

// ConsentMark is a moment in the life of a state that is open, in which the owner of a mailbox is asked to agree to something:
// whatever ends after it has ended for them. Zero is when the state was opened.
type ConsentMark uint64

// SignIns keeps how Postferry signs in.
type SignIns interface {
	// SignIns returns the ways to sign in of all stored domains, with their secrets.
	SignIns(ctx context.Context) ([]SignIn, error)
	// PutSignIn adds or replaces one. ErrNotFound if the domain is not stored.
	PutSignIn(ctx context.Context, s SignIn) error
	// DeleteSignIn removes one, and the consents at that server; ErrNotFound if there is none.
	DeleteSignIn(ctx context.Context, domain string, side Side) error

	// Consent returns what a mailbox's owner has agreed to; ErrNotFound if there is nothing.
	Consent(ctx context.Context, m Mailbox) (Consent, error)
	// Consents returns those of a domain, or all if domain is "", without their secrets.
	Consents(ctx context.Context, domain string) ([]Consent, error)
	// ConsentMark is the moment for an owner who is asked now.
	ConsentMark() ConsentMark
	// PutConsent adds or replaces one. ErrEnded if what the owner agrees to has ended since they were asked: consents were
	// forgotten or removed with what they belong to, whether there was one of the mailbox or not, or its accounts are finished.
	PutConsent(ctx context.Context, c Consent) error
	// HoldConsent waits until nobody else uses a mailbox's refresh token, which may be good for once only, and keeps
	// others waiting until release is called. It changes nothing, and there need not be a consent.
	HoldConsent(ctx context.Context, m Mailbox) (release func(), err error)
	// SendConsent notes that its refresh token is about to be sent; known is false if it has another one by now, or is gone.
	SendConsent(ctx context.Context, m Mailbox, refresh Secret, now time.Time) (known bool, err error)
	// RenewConsent gives a consent another refresh token in place of was, or notes that was is still good; it counts as
	// not sent. known is false if it has another one by now, or is gone.
	RenewConsent(ctx context.Context, m Mailbox, was, now Secret) (known bool, err error)
	// DeleteConsent forgets one; ErrNotFound if there is none.
	DeleteConsent(ctx context.Context, m Mailbox) error
	// DeleteConsents forgets all of a domain's at a server.
	DeleteConsents(ctx context.Context, domain string, side Side) (deleted int, err error)
}

// CheckSignIn refuses a way to sign in that is malformed.
func CheckSignIn(s *SignIn) error {
	if err := checkPlace(s.Domain, s.Side); err != nil {
		return err
	}
	switch s.Method {
	case SignInMaster, SignInMicrosoft, SignInGoogle, SignInConsent:
		return nil
	}
	return Invalid("domain %q: the way to sign in %q is none of %q, %q, %q, %q", s.Domain, s.Method,
		SignInMaster, SignInMicrosoft, SignInGoogle, SignInConsent)
}

// CheckConsent refuses a consent that is malformed.
func CheckConsent(c *Consent) error {
	if c.Refresh == "" || c.Issuer == "" || c.ClientID == "" {
		return Invalid("a consent without a refresh token, or without whom it was agreed with")
	}
	return CheckMailbox(&c.Mailbox)
}

// CheckMailbox refuses a mailbox that is malformed.
func CheckMailbox(m *Mailbox) error {
	if m.Login == "" || len(m.Login) > maxLogin {
		return Invalid("a login of %d octets: 1 to %d are allowed", len(m.Login), maxLogin)
	}
	return checkPlace(m.Domain, m.Side)
}

func checkPlace(domain string, side Side) error {
	switch {
	case domain == "" || len(domain) > maxLogin || domain != string(FoldLogin(domain)):
		return Invalid("domain %q: expected its name in lower case", domain)
	case side != OldSide && side != NewSide:
		return Invalid("domain %q: side %q is neither %q nor %q", domain, side, OldSide, NewSide)
	}
	return nil
}
