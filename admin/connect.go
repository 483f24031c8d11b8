package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"postferry/admin/access"
	"postferry/config"
	"postferry/discover"
	"postferry/store"
	"postferry/tenant"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"
)

// connectTimeout bounds a question to a tenant: an answer of ours may take two minutes.
const connectTimeout = 90 * time.Second

// maxConnecting bounds the tenants that are tried or listed at a time.
const maxConnecting = 4

// SignInView is how Postferry signs in at one of a domain's servers, without anything secret.
type SignInView struct {
	Domain    string              `json:"domain"`
	Side      store.Side          `json:"side"`
	Host      string              `json:"host"`
	Provider  string              `json:"provider,omitempty"` // id of the one that the server belongs to; "" if it is not known
	Method    config.SignInMethod `json:"method"`
	Tenant    string              `json:"tenant,omitempty"`
	ClientID  string              `json:"client_id,omitempty"`
	Issuer    string              `json:"issuer,omitempty"` // where tokens are given out; "" for the usual place
	Scope     string              `json:"scope,omitempty"`
	Login     string              `json:"login,omitempty"` // the master's, or an administrator of the Workspace
	Separator string              `json:"separator,omitempty"`
	Secret    bool                `json:"has_secret"`
	Fixed     bool                `json:"fixed"` // it is set in the configuration file
	Values    []tenant.Value      `json:"values"`
}

// SignInInput is how to sign in, as a person gives it.
type SignInInput struct {
	Method    config.SignInMethod `json:"method"`
	Tenant    string              `json:"tenant"`
	ClientID  string              `json:"client_id"`
	Issuer    string              `json:"issuer"`
	Scope     string              `json:"scope"`
	Login     string              `json:"login"`
	Separator string              `json:"separator"`
	Secret    store.Secret        `json:"secret"` // "" for the one there
}

// Tenants are those of Microsoft 365 and Google Workspace: how to sign in there, and which mailboxes they have.
type Tenants struct {
	scopes     *Scopes
	directory  *config.Directory
	accounts   *Accounts
	consents   *Consents
	store      tenantStore
	ferry      domainFerry
	rosters    *rosters
	connecting *access.Places      // of tenants being tried and listed
	signing    *semaphore.Weighted // held by whoever keeps or forgets how to sign in, until that is known
	audit      *access.Audit
	log        zerolog.Logger
}

// serverOf is one of a domain's servers.
func serverOf(d *config.Domain, side store.Side) (config.Server, error) {
	switch side {
	case store.OldSide:
		return d.Old, nil
	case store.NewSide:
		return d.New, nil
	}
	return config.Server{}, access.NotFound("server")
}

// mayConnect finds a domain's server for those who may say how to sign in there: whoever does is
// believed about every mailbox.
func (a *Tenants) mayConnect(ctx context.Context, who access.Actor, name string, side store.Side) (*config.Domain, config.Server, error) {
	d, err := a.scopes.Domain(ctx, who, name)
	if err != nil {
		return nil, config.Server{}, err
	}
	if err := who.RequireAll(); err != nil {
		return nil, config.Server{}, err
	}
	server, err := serverOf(d, side)
	return d, server, err
}

// ShowSignIn says how Postferry signs in at one of a domain's servers.
func (a *Tenants) ShowSignIn(ctx context.Context, who access.Actor, domain string, side store.Side) (*SignInView, error) {
	d, server, err := a.mayConnect(ctx, who, domain, side)
	if err != nil {
		return nil, err
	}
	v := &SignInView{Domain: d.Name, Side: side, Host: server.Host, Provider: discover.Provider(server.Host), Method: config.Passwords, Fixed: !d.Stored,
		Values: append([]tenant.Value{}, tenant.Values(server.SignIn)...)}
	if in := server.SignIn; in != nil {
		v.Method, v.Tenant, v.ClientID, v.Issuer, v.Login, v.Secret = in.Method, in.Tenant, in.ClientID, in.Issuer, in.Login, in.Secret != ""
		v.Separator, v.Scope = in.Separator, in.Scope
	}
	return v, nil
}

// PutSignIn says how Postferry is to sign in at one of a domain's servers. What people have agreed to with somebody
// else there is forgotten.
func (a *Tenants) PutSignIn(ctx context.Context, who access.Actor, domain string, side store.Side, in SignInInput) error {
	d, server, err := a.mayConnect(ctx, who, domain, side)
	switch {
	case err != nil:
		return err
	case !d.Stored:
		return errDomainFixed()
	}
	was := server.SignIn
	s, mistakes := a.readSignIn(who, d.Name, side, was, in)
	if len(mistakes) > 0 {
		return access.Invalid(mistakes...)
	}
	if was != nil && was.Method == config.Consent && (in.Method != config.Consent || was.Issuer != s.Issuer || was.ClientID != s.ClientID) {
		if _, err := a.consents.forgetAll(ctx, d, side); err != nil {
			return err
		}
	}
	if err := a.keepSignIn(ctx, s); err != nil {
		return err
	}
	return a.signInChanged(ctx, who, d.Name, "put_sign_in"+suffixOf(side), string(s.Method))
}

// keepSignIn keeps how Postferry signs in at a server, and makes it known.
func (a *Tenants) keepSignIn(ctx context.Context, s store.SignIn) error {
	if err := a.signing.Acquire(ctx, 1); err != nil {
		return err
	}
	defer a.signing.Release(1)
	if err := a.store.PutSignIn(ctx, s); err != nil {
		return err
	}
	a.directory.PutSignIn(s.Domain, string(s.Side), SignInOf(s))
	return a.unlearnEnded(context.WithoutCancel(ctx), s.Domain, s.Side)
}

// SignInOf is a stored way to sign in as the configuration knows it.
func SignInOf(s store.SignIn) *config.SignIn {
	return &config.SignIn{Method: config.SignInMethod(s.Method), Domain: s.Domain, Side: string(s.Side), Login: s.Login,
		Separator: s.Separator, Tenant: s.Tenant, ClientID: s.ClientID, Issuer: s.Issuer, Scope: s.Scope, Secret: s.Secret}
}

// forgetSignIn forgets how Postferry signs in at a server, if it was kept.
func (a *Tenants) forgetSignIn(ctx context.Context, domain string, side store.Side) error {
	if err := a.signing.Acquire(ctx, 1); err != nil {
		return err
	}
	defer a.signing.Release(1)
	if err := a.store.DeleteSignIn(ctx, domain, side); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	a.directory.PutSignIn(domain, string(side), nil)
	return nil
}

// unlearnEnded makes it unknown how Postferry signs in at a server if the store doesn't have it: it may have ended between being kept
// and becoming known.
func (a *Tenants) unlearnEnded(ctx context.Context, domain string, side store.Side) error {
	kept, err := a.store.SignIns(ctx)
	if err == nil && !slices.ContainsFunc(kept, func(s store.SignIn) bool { return s.Domain == domain && s.Side == side }) {
		a.directory.PutSignIn(domain, string(side), nil)
	}
	return err
}

// suffixOf tells the actions at the two servers apart in the audit log.
func suffixOf(side store.Side) string {
	if side == store.NewSide {
		return "_new"
	}
	return ""
}

// readSignIn reads how to sign in, in place of what was (nil for nothing).
func (a *Tenants) readSignIn(who access.Actor, domain string, side store.Side, was *config.SignIn, in SignInInput) (store.SignIn, []access.Mistake) {
	s := store.SignIn{Domain: domain, Side: side, Method: store.SignInMethod(in.Method), Login: strings.TrimSpace(in.Login), Separator: in.Separator, Tenant: strings.TrimSpace(in.Tenant),
		ClientID: strings.TrimSpace(in.ClientID), Scope: strings.Join(strings.Fields(in.Scope), " "), Secret: in.Secret, SetBy: who.Name, Created: time.Now()}
	if in.Method != config.Master { // a password may begin with a blank, nothing that is copied from a provider does
		s.Secret = store.Secret(strings.TrimSpace(in.Secret.Reveal()))
	}
	same := was != nil && was.Method == in.Method
	if in.Method == config.Consent { // a secret is its client's
		same = same && was.ClientID == s.ClientID
	}
	if s.Secret == "" && same {
		s.Secret = was.Secret
	}
	field := "authority"
	if in.Method == config.Consent {
		field = "issuer"
	}
	var err error
	if s.Issuer, err = config.ParseProviderURL(strings.TrimSpace(in.Issuer)); err != nil {
		return s, []access.Mistake{access.WrongField(field, "authority_malformed", "This is not an address that begins with https://.")}
	}
	return s, checkSignIn(s)
}

// signInChanged tells everybody whom it concerns.
func (a *Tenants) signInChanged(ctx context.Context, who access.Actor, domain, action, detail string) error {
	a.rosters.drop(domain)
	if err := a.ferry.DomainChanged(ctx, domain); err != nil {
		return err
	}
	return a.audit.Note(ctx, who, action, access.About{Domain: domain, Detail: detail})
}

// maxSignInText bounds each text of a way to sign in but the secret. Octets.
const maxSignInText = 500

// checkSignIn says what is wrong with a way to sign in.
func checkSignIn(s store.SignIn) (mistakes []access.Mistake) {
	missing := func(field, value string) {
		if value == "" {
			mistakes = append(mistakes, access.WrongField(field, "missing", "This is missing."))
		}
	}
	secret := s.Secret.Reveal()
	switch s.Method {
	case store.SignInMicrosoft:
		missing("tenant", s.Tenant)
		missing("client_id", s.ClientID)
		missing("secret", secret)
		if strings.Contains(secret, "-----BEGIN ") && config.CheckCertificate([]byte(secret)) != nil {
			mistakes = append(mistakes, access.WrongField("secret", "certificate_malformed", "This is no certificate with its private key in PEM form."))
		}
	case store.SignInGoogle:
		missing("key", secret)
		missing("admin", s.Login)
		if secret != "" && config.CheckServiceAccount([]byte(secret)) != nil {
			mistakes = append(mistakes, access.WrongField("key", "key_malformed", "This is not the key of a service account: the JSON file is expected that Google gave out for it."))
		}
	case store.SignInConsent:
		missing("issuer", s.Issuer)
		missing("client_id", s.ClientID)
	case store.SignInMaster:
		missing("master_login", s.Login)
		missing("master_password", secret)
		if _, err := config.ParseSeparator(s.Separator); err != nil {
			mistakes = append(mistakes, access.WrongField("separator", "separator_malformed", "This should be one character, such as *, or nothing."))
		}
	default:
		mistakes = append(mistakes, access.WrongField("method", "unknown_value", "There is no such way to sign in."))
	}
	login := "admin"
	if s.Method == store.SignInMaster {
		login = "master_login"
	}
	for _, x := range [][2]string{{"tenant", s.Tenant}, {"client_id", s.ClientID}, {login, s.Login}, {"scope", s.Scope}} {
		if len(x[1]) > maxSignInText || strings.ContainsFunc(x[1], func(r rune) bool { return r < ' ' || r == 0x7f }) {
			mistakes = append(mistakes, access.WrongField(x[0], "unknown_value", "This can't be it."))
		}
	}
	return mistakes
}

// Forgotten is what came of forgetting how to sign in, or what people agreed to.
type Forgotten struct {
	Consents int `json:"consents"` // that were forgotten
	Revoked  int `json:"revoked"`  // of them, those that the provider has been told of
}

// ForgetSignIn has Postferry sign in at a server with the accounts' own passwords again. What people agreed to there
// is forgotten, too, and their provider is told.
func (a *Tenants) ForgetSignIn(ctx context.Context, who access.Actor, domain string, side store.Side) (*Forgotten, error) {
	d, _, err := a.mayConnect(ctx, who, domain, side)
	switch {
	case err != nil:
		return nil, err
	case !d.Stored:
		return nil, errDomainFixed()
	}
	gone, err := a.consents.forgetAll(ctx, d, side)
	if err != nil {
		return nil, err
	}
	if err := a.forgetSignIn(ctx, d.Name, side); err != nil {
		return nil, err
	}
	return gone, a.signInChanged(ctx, who, d.Name, "forget_sign_in"+suffixOf(side), "")
}

// connectable is a domain's server that is signed in to in another way than with passwords, and the place for
// one question to its tenant, which has to be left.
func (a *Tenants) connectable(ctx context.Context, who access.Actor, domain string, side store.Side) (*config.Domain, config.Server, func(), error) {
	d, server, err := a.mayConnect(ctx, who, domain, side)
	if err != nil {
		return nil, server, nil, err
	}
	if server.SignIn == nil {
		return nil, server, nil, access.Conflict("not_connected", "Say first how Postferry signs in at this server.")
	}
	if !a.connecting.Take(who.Scope, 1) {
		return nil, server, nil, errTooManyConnecting()
	}
	return d, server, func() { a.connecting.Leave(who.Scope, 1) }, nil
}

// errTooManyConnecting is for whom there is no place to ask a tenant.
func errTooManyConnecting() error {
	return access.Busy("too_many_connecting", "Other tenants are being asked right now. Try again in a moment.", 5*time.Second)
}

// TestSignIn tries how Postferry signs in, step by step.
func (a *Tenants) TestSignIn(ctx context.Context, who access.Actor, domain string, side store.Side, mailbox string) ([]tenant.Step, error) {
	_, server, leave, err := a.connectable(ctx, who, domain, side)
	if err != nil {
		return nil, err
	}
	defer leave()
	steps := a.connector().Test(ctx, server, strings.TrimSpace(mailbox))
	return steps, ctx.Err()
}

func (a *Tenants) connector() *tenant.Connector {
	return &tenant.Connector{Consents: a.store, Log: a.log, Timeout: connectTimeout}
}
