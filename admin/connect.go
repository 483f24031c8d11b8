package admin

import (
	"context"
	"errors"
	"strings"
	"time"

	"postferry/config"
	"postferry/discover"
	"postferry/store"
	"postferry/tenant"

	"github.com/rs/zerolog"
)

// connectTimeout bounds a question to a tenant: an answer of ours may take two minutes.
const connectTimeout = 90 * time.Second

// maxConnecting bounds the tenants that are tried or listed at a time.
const maxConnecting = 4

// SignInView is how Postferry signs in at the old server of a domain, without anything secret.
type SignInView struct {
	Domain   string
	Host     string
	Provider string // id of the one that the server belongs to; "" if it is not known
	Method   config.SignInMethod
	Tenant   string
	ClientID string
	Issuer   string // where tokens are given out; "" for the usual place
	Login    string // an administrator of the Workspace
	Secret   bool   // there is one
	Fixed    bool   // it is set in the configuration file
	Values   []tenant.Value
}

// SignInInput is how to sign in, as a person gives it.
type SignInInput struct {
	Method   config.SignInMethod
	Tenant   string
	ClientID string
	Issuer   string
	Login    string
	Secret   store.Secret // "" for the one there
}

// Tenants are those of Microsoft 365 and Google Workspace: how to sign in there, and which mailboxes they have.
type Tenants struct {
	scopes     *Scopes
	directory  *config.Directory
	accounts   *Accounts
	store      tenantStore
	ferry      domainFerry
	rosters    *rosters
	connecting *Places // of tenants being tried and listed
	audit      *Audit
	log        zerolog.Logger
	now        func() time.Time
}

// mayConnect finds a domain for those who may say how to sign in there: whoever does is
// believed about every mailbox.
func (a *Tenants) mayConnect(ctx context.Context, who Actor, name string) (*config.Domain, error) {
	d, err := a.scopes.Domain(ctx, who, name)
	if err != nil {
		return nil, err
	}
	return d, who.RequireAll()
}

// ShowSignIn says how Postferry signs in at a domain's old server.
func (a *Tenants) ShowSignIn(ctx context.Context, who Actor, domain string) (*SignInView, error) {
	d, err := a.mayConnect(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	v := &SignInView{Domain: d.Name, Host: d.Old.Host, Provider: discover.Provider(d.Old.Host), Method: config.Passwords, Fixed: !d.Stored, Values: tenant.Values(d.Old.SignIn)}
	if in := d.Old.SignIn; in != nil {
		v.Method, v.Tenant, v.ClientID, v.Issuer, v.Login, v.Secret = in.Method, in.Tenant, in.ClientID, in.Issuer, in.Login, in.Secret != ""
	}
	return v, nil
}

// PutSignIn says how Postferry is to sign in at a domain's old server.
func (a *Tenants) PutSignIn(ctx context.Context, who Actor, domain string, in SignInInput) error {
	d, err := a.mayConnect(ctx, who, domain)
	switch {
	case err != nil:
		return err
	case !d.Stored:
		return Conflict("domain_fixed", "This domain is set in the configuration file. Change it there.")
	}
	s := store.SignIn{Domain: d.Name, Side: store.OldSide, Method: store.SignInMethod(in.Method), Login: strings.TrimSpace(in.Login), Tenant: strings.TrimSpace(in.Tenant),
		ClientID: strings.TrimSpace(in.ClientID), Secret: store.Secret(strings.TrimSpace(in.Secret.Reveal())), SetBy: who.Name, Created: a.now()}
	if was := d.Old.SignIn; s.Secret == "" && was != nil && was.Method == in.Method {
		s.Secret = was.Secret
	}
	if s.Issuer, err = config.ParseProviderURL(strings.TrimSpace(in.Issuer)); err != nil {
		return Invalid(WrongField("authority", "authority_malformed", "This is not an address that begins with https://."))
	}
	if mistakes := checkSignIn(s); len(mistakes) > 0 {
		return Invalid(mistakes...)
	}
	if err := a.store.PutSignIn(ctx, s); err != nil {
		return err
	}
	a.directory.PutSignIn(d.Name, string(s.Side), &config.SignIn{Method: in.Method, Domain: d.Name, Side: string(s.Side), Login: s.Login, Tenant: s.Tenant,
		ClientID: s.ClientID, Issuer: s.Issuer, Secret: s.Secret})
	return a.signInChanged(ctx, who, d.Name, "put_sign_in", string(s.Method))
}

// signInChanged tells everybody whom it concerns.
func (a *Tenants) signInChanged(ctx context.Context, who Actor, domain, action, detail string) error {
	a.rosters.drop(domain)
	if err := a.ferry.DomainChanged(ctx, domain); err != nil {
		return err
	}
	return a.audit.note(ctx, who, action, auditOf{domain: domain, detail: detail})
}

// checkSignIn says what is wrong with a way to sign in.
func checkSignIn(s store.SignIn) (mistakes []Mistake) {
	missing := func(field, value string) {
		if value == "" {
			mistakes = append(mistakes, WrongField(field, "missing", "This is missing."))
		}
	}
	secret := s.Secret.Reveal()
	switch s.Method {
	case store.SignInMicrosoft:
		missing("tenant", s.Tenant)
		missing("client_id", s.ClientID)
		missing("secret", secret)
		if strings.Contains(secret, "-----BEGIN ") && config.CheckCertificate([]byte(secret)) != nil {
			mistakes = append(mistakes, WrongField("secret", "certificate_malformed", "This is no certificate with its private key in PEM form."))
		}
	case store.SignInGoogle:
		missing("key", secret)
		missing("admin", s.Login)
		if secret != "" && config.CheckServiceAccount([]byte(secret)) != nil {
			mistakes = append(mistakes, WrongField("key", "key_malformed", "This is not the key of a service account: the JSON file is expected that Google gave out for it."))
		}
	default:
		mistakes = append(mistakes, WrongField("method", "unknown_value", "There is no such way to sign in."))
	}
	for _, text := range []string{s.Tenant, s.ClientID, s.Login} {
		if len(text) > 255 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			mistakes = append(mistakes, WrongField("client_id", "unknown_value", "This can't be it."))
		}
	}
	return mistakes
}

// ForgetSignIn has Postferry sign in with the accounts' own passwords again.
func (a *Tenants) ForgetSignIn(ctx context.Context, who Actor, domain string) error {
	d, err := a.mayConnect(ctx, who, domain)
	switch {
	case err != nil:
		return err
	case !d.Stored:
		return Conflict("domain_fixed", "This domain is set in the configuration file. Change it there.")
	}
	if err := a.store.DeleteSignIn(ctx, d.Name, store.OldSide); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	a.directory.PutSignIn(d.Name, string(store.OldSide), nil)
	return a.signInChanged(ctx, who, d.Name, "forget_sign_in", "")
}

// connectable is a domain that is signed in to in another way than with passwords, and the place for
// one question to its tenant, which has to be left.
func (a *Tenants) connectable(ctx context.Context, who Actor, domain string) (*config.Domain, func(), error) {
	d, err := a.mayConnect(ctx, who, domain)
	if err != nil {
		return nil, nil, err
	}
	if d.Old.SignIn == nil {
		return nil, nil, Conflict("not_connected", "Say first how Postferry signs in at the old server.")
	}
	if !a.connecting.Take(who.Scope, 1) {
		return nil, nil, Busy("too_many_connecting", "Other tenants are being asked right now. Try again in a moment.", 5*time.Second)
	}
	return d, func() { a.connecting.Leave(who.Scope, 1) }, nil
}

// TestSignIn tries how Postferry signs in, step by step.
func (a *Tenants) TestSignIn(ctx context.Context, who Actor, domain, mailbox string) ([]tenant.Step, error) {
	d, leave, err := a.connectable(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	defer leave()
	steps := a.connector().Test(ctx, d.Old, strings.TrimSpace(mailbox))
	return steps, ctx.Err()
}

func (a *Tenants) connector() *tenant.Connector {
	return &tenant.Connector{Consents: a.store, Log: a.log, Timeout: connectTimeout}
}
