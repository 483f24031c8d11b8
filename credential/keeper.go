package credential

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
)

// Consents is what the Keeper needs of the store.
type Consents interface {
	Consent(ctx context.Context, m store.Mailbox) (store.Consent, error)
	HoldConsent(ctx context.Context, m store.Mailbox) (release func(), err error)
	SendConsent(ctx context.Context, m store.Mailbox, refresh store.Secret, now time.Time) (known bool, err error)
	RenewConsent(ctx context.Context, m store.Mailbox, was, now store.Secret) (known bool, err error)
}

// Options are what a Keeper works with.
type Options struct {
	Consents Consents // nil for none
	Log      zerolog.Logger
	// Client asks providers; nil for one that asks each within a bound. Outside is the one for servers whose
	// chooser must not reach this machine and its networks (config.Server.PublicOnly).
	Client, Outside *http.Client
}

// Keeper knows what to sign in with. It is safe for concurrent use.
type Keeper struct {
	opt Options

	mu      sync.Mutex
	tenants map[tenantKey]*tenant
	skew    map[string]time.Duration // how much a provider's clock is ahead of ours, by host
	places  map[string]endpoints     // of OpenID issuers
}

type tenantKey struct{ domain, side string }

// New makes a Keeper that knows nothing yet.
func New(opt Options) *Keeper {
	if opt.Client == nil {
		opt.Client = newClient(false)
	}
	if opt.Outside == nil {
		opt.Outside = newClient(true)
	}
	return &Keeper{opt: opt, tenants: map[tenantKey]*tenant{}, skew: map[string]time.Duration{}, places: map[string]endpoints{}}
}

// tenant is what is known of all mailboxes of a domain at one of its servers.
type tenant struct {
	keeper *Keeper
	signIn *config.SignIn
	server config.Server

	mu      sync.Mutex
	sources map[string]*source // by login where each mailbox has its own, else under ""
	let     bool               // the server has let somebody in
	struck  map[string]int     // how often in a row the server has refused a token that was just fetched, by login
	problem *Error             // of all mailboxes, as the log was told
}

// tenant finds what is known; nothing is, after the way to sign in has changed, or the server: tokens are for one, and who has
// chosen it says where providers may be.
func (k *Keeper) tenant(server config.Server) *tenant {
	key := tenantKey{server.SignIn.Domain, server.SignIn.Side}
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tenants[key]
	if t == nil || t.signIn != server.SignIn || t.server.Host != server.Host || t.server.PublicOnly != server.PublicOnly {
		t = &tenant{keeper: k, signIn: server.SignIn, server: server, sources: map[string]*source{}, struck: map[string]int{}}
		k.tenants[key] = t
	}
	return t
}

// SignIn is what to sign in with for a mailbox at a server, which must have a way to sign in.
func (k *Keeper) SignIn(ctx context.Context, server config.Server, login string) (link.SignIn, error) {
	in := server.SignIn
	if in.Method == config.Master {
		if in.Separator != "" {
			return link.SignIn{Login: login + in.Separator + in.Login, Secret: in.Secret}, nil
		}
		return link.SignIn{Login: in.Login, Secret: in.Secret, As: login}, nil
	}
	got, err := k.tenant(server).source(login).token(ctx)
	if err != nil {
		return link.SignIn{}, err
	}
	return link.SignIn{Login: login, Secret: got.secret, Token: true}, nil
}

// Forget drops the tokens of a mailbox, or of all of a domain at a server if login is "": what they
// came of has changed. A token of all of them is not one of a mailbox.
func (k *Keeper) Forget(domain string, side store.Side, login string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := tenantKey{domain, string(side)}
	t := k.tenants[key]
	switch {
	case t == nil:
	case login == "":
		delete(k.tenants, key)
	case t.signIn.PerMailbox():
		t.source(login).forget()
	}
}

// Problem is what is wrong with all mailboxes of a domain at a server, nil if nothing is known to be.
func (k *Keeper) Problem(domain string, side store.Side) *Error {
	k.mu.Lock()
	t := k.tenants[tenantKey{domain, string(side)}]
	k.mu.Unlock()
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.problem
}

// source finds where a mailbox's token comes from.
func (t *tenant) source(login string) *source {
	subject := ""
	if t.signIn.PerMailbox() {
		subject = config.FoldLogin(login)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sources[subject]
	if s == nil {
		s = &source{fetch: func(ctx context.Context) (token, error) { return t.fetch(ctx, login) }}
		t.sources[subject] = s
	}
	return s
}

// fetch asks for a token, and tells what is wrong with all mailboxes.
func (t *tenant) fetch(ctx context.Context, login string) (token, error) {
	got, err := t.grant(ctx, login)
	if err != nil && ctx.Err() == nil {
		t.tell(err)
	}
	return got, err
}

// side is the server's.
func (t *tenant) side() store.Side { return store.Side(t.signIn.Side) }

// fault is an error of ours about the tenant's provider or server.
func (t *tenant) fault(kind store.ProblemKind, host string, err error) *Error {
	return &Error{Kind: kind, Side: t.side(), Host: cmp.Or(host, t.server.Host), Err: err}
}

// tell logs what is wrong with all mailboxes, once; and that it is over, once.
func (t *tenant) tell(err error) {
	e, ok := errors.AsType[*Error](err)
	if err != nil && (!ok || !e.Tenant) {
		return
	}
	t.mu.Lock()
	was := t.problem
	t.problem = e
	t.mu.Unlock()
	log := t.keeper.opt.Log.With().Str("domain", t.signIn.Domain).Str("server", t.signIn.Side).Logger()
	switch {
	case e != nil && (was == nil || was.Kind != e.Kind):
		log.Warn().Err(e).Str("kind", string(e.Kind)).Msg("signing in: " + e.Summary().String())
	case e == nil && was != nil:
		log.Info().Msg("signing in works again")
	}
}
