package admin

import (
	"context"
	"time"

	"postferry/admin/access"
	"postferry/admin/runs"
	"postferry/admin/transfers"
	"postferry/lifecycle"
	"postferry/store"
)

// Store is what the use cases ask of the state. What each call promises is said at store.Store.
type Store interface {
	access.Store
	domainStore
	accountStore
	folderStore
	transfers.Store
	tenantStore
	consentStore
	runs.Store
	lifecycle.Store // for the Guide
}

// domainLister lists the domains that were set up here.
type domainLister interface {
	Domains(ctx context.Context) ([]store.Domain, error)
}

// domainStore keeps domains and their schedules.
type domainStore interface {
	domainLister
	DeleteDomain(ctx context.Context, name string) error
	PutDomain(ctx context.Context, d store.Domain) error
	PutSchedule(ctx context.Context, s store.Schedule) error
	PutVacantDomain(ctx context.Context, d store.Domain) error
	Schedules(ctx context.Context) ([]store.Schedule, error)
}

// accountStore keeps accounts with their logins and passwords.
type accountStore interface {
	AccountByID(ctx context.Context, id store.AccountID) (store.Account, error)
	Account(ctx context.Context, login string) (store.Account, error)
	ForgetProblems(ctx context.Context, ids []store.AccountID) error
	Overview(ctx context.Context, domain string) ([]store.Overview, error)
	PutAccounts(ctx context.Context, accounts []store.Account) (stored []store.Account, put []store.AccountPut, err error)
	RemoveAccounts(ctx context.Context, ids []store.AccountID) error
	SetAlias(ctx context.Context, id, of store.AccountID) error
	SetApart(ctx context.Context, id store.AccountID) error
	SetCredentials(ctx context.Context, id store.AccountID, c store.CredentialChange) (changed store.CredentialFields, err error)
}

// folderStore knows an account's folders and its history.
type folderStore interface {
	Folders(ctx context.Context, id store.AccountID) ([]store.Folder, error)
	Passes(ctx context.Context, id store.AccountID) ([]store.Pass, error)
}

// tenantStore keeps how to sign in at tenants.
type tenantStore interface {
	Consent(ctx context.Context, m store.Mailbox) (store.Consent, error)
	RenewConsent(ctx context.Context, m store.Mailbox, was, now store.Secret) (known bool, err error)
	HoldConsent(ctx context.Context, m store.Mailbox) (release func(), err error)
	SendConsent(ctx context.Context, m store.Mailbox, refresh store.Secret, now time.Time) (known bool, err error)
	ConsentMark() store.ConsentMark
	DeleteSignIn(ctx context.Context, domain string, side store.Side) error
	PutSignIn(ctx context.Context, s store.SignIn) error
	SignIns(ctx context.Context) ([]store.SignIn, error)
}

// consentStore keeps what people agree to, and knows whose mailboxes are which.
type consentStore interface {
	Accounts(ctx context.Context) ([]store.Account, error)
	Consent(ctx context.Context, m store.Mailbox) (store.Consent, error)
	Consents(ctx context.Context, domain string) ([]store.Consent, error)
	DeleteConsent(ctx context.Context, m store.Mailbox) error
	DeleteConsents(ctx context.Context, domain string, side store.Side) (deleted int, err error)
	ForgetProblems(ctx context.Context, ids []store.AccountID) error
	PutConsent(ctx context.Context, c store.Consent) error
	ConsentMark() store.ConsentMark
	RenewConsent(ctx context.Context, m store.Mailbox, was, now store.Secret) (known bool, err error)
	HoldConsent(ctx context.Context, m store.Mailbox) (release func(), err error)
	SendConsent(ctx context.Context, m store.Mailbox, refresh store.Secret, now time.Time) (known bool, err error)
}
