package admin

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/jobs"
	"postferry/config"
	"postferry/internal/asciifold"
	"postferry/report/reason"
	"postferry/store"
	"postferry/tenant"
)

// Tokens are those that the engine signs in with.
type Tokens interface {
	// Forget drops those of a mailbox: what they came of has changed.
	Forget(domain string, side store.Side, login string)
}

// noTokens are nobody's.
type noTokens struct{}

func (noTokens) Forget(string, store.Side, string) {}

// Consents are what the owners of mailboxes agree to at a provider: that Postferry opens theirs.
type Consents struct {
	scopes *Scopes
	store  consentStore
	ferry  accountFerry
	tokens Tokens
	visits *visits
	codes  *consentCodes
	asking *access.Places // of browsers being sent, for which a provider is asked
	public string         // where the page is reached, "" if that isn't said
	jobs   *jobs.Runner
	audit  *access.Audit
	log    zerolog.Logger
}

// ConsentView is somebody's mailbox, and whether its owner has agreed.
type ConsentView struct {
	Mailbox string     `json:"mailbox"`
	Granted *time.Time `json:"granted"` // null as long as nobody has
}

// ConsentQuery chooses mailboxes.
type ConsentQuery struct {
	Search        string
	Missing       bool // only of those who have not agreed
	Page, PerPage int
}

// ConsentList are the mailboxes of a domain at one of its servers, by their logins.
type ConsentList struct {
	Domain    string            `json:"domain"`
	Side      store.Side        `json:"side"`
	Host      string            `json:"host"`     // the mail server
	Provider  string            `json:"provider"` // host of the one at which people agree
	Agreed    int               `json:"agreed"`   // of all
	All       int               `json:"all"`
	Found     int               `json:"found"`
	Mailboxes []ConsentView     `json:"mailboxes"` // of the page
	Codes     []ConsentCodeView `json:"codes"`     // that wait to be entered, or ended lately
}

// ConsentPath is the path of the page to which browsers come back from a provider.
const ConsentPath = "/consent/back"

// ReturnAddress is the address to which browsers come back, which has to be registered at the provider. reached is how
// the page was reached, without a path.
func (a *Consents) ReturnAddress(reached string) string {
	return strings.TrimSuffix(cmp.Or(a.public, reached), "/") + ConsentPath
}

// place finds a domain's server at which people agree, for those who look after the domain.
func (a *Consents) place(ctx context.Context, who access.Actor, domain string, side store.Side) (*config.Domain, config.Server, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, config.Server{}, err
	}
	server, err := serverOf(d, side)
	if err == nil && (server.SignIn == nil || server.SignIn.Method != config.Consent) {
		err = access.Conflict(string(tenant.NotAsked), "People don't sign in for themselves at this server.")
	}
	return d, server, err
}

// Usual is the server at which the people of a domain agree: the old one, unless they do at the new one only.
func (a *Consents) Usual(domain string) store.Side {
	d, known := a.scopes.directory.DomainNamed(domain)
	agree := func(s config.Server) bool { return s.SignIn != nil && s.SignIn.Method == config.Consent }
	if known && !agree(d.Old) && agree(d.New) {
		return store.NewSide
	}
	return store.OldSide
}

// List tells who has agreed, and who has not.
func (a *Consents) List(ctx context.Context, who access.Actor, domain string, side store.Side, q ConsentQuery) (*ConsentList, error) {
	d, server, err := a.place(ctx, who, domain, side)
	if err != nil {
		return nil, err
	}
	all, err := a.all(ctx, d.Name, side, server.SignIn)
	if err != nil {
		return nil, err
	}
	list := &ConsentList{Domain: d.Name, Side: side, Host: server.Host, Provider: hostOf(server.SignIn.Issuer), All: len(all), Codes: a.codes.of(d.Name, side, time.Now())}
	search := asciifold.Lower(q.Search)
	found := all[:0:0]
	for _, v := range all {
		if v.Granted != nil {
			list.Agreed++
		}
		if (!q.Missing || v.Granted == nil) && strings.Contains(asciifold.Lower(v.Mailbox), search) {
			found = append(found, v)
		}
	}
	list.Found = len(found)
	list.Mailboxes = board.PageFrom(found, max(q.Page, 1), q.PerPage)
	return list, nil
}

// all are the mailboxes of all accounts, and those whose owners have agreed without an account.
func (a *Consents) all(ctx context.Context, domain string, side store.Side, in *config.SignIn) ([]ConsentView, error) {
	accounts, err := a.store.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	consents, err := a.store.Consents(ctx, domain)
	if err != nil {
		return nil, err
	}
	byLogin := map[string]ConsentView{}
	for i := range accounts {
		if x := &accounts[i]; x.Domain == domain {
			login := x.Old.Login
			if side == store.NewSide {
				login = x.New.Login
			}
			byLogin[asciifold.Lower(login)] = ConsentView{Mailbox: login}
		}
	}
	for _, c := range consents {
		if c.Side == side && c.Issuer == in.Issuer && c.ClientID == in.ClientID {
			byLogin[asciifold.Lower(c.Login)] = ConsentView{Mailbox: c.Login, Granted: &c.Granted}
		}
	}
	all := make([]ConsentView, 0, len(byLogin))
	for _, v := range byLogin {
		all = append(all, v)
	}
	slices.SortFunc(all, func(x, y ConsentView) int {
		return cmp.Or(strings.Compare(asciifold.Lower(x.Mailbox), asciifold.Lower(y.Mailbox)), strings.Compare(x.Mailbox, y.Mailbox))
	})
	return all, nil
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// checkMailbox refuses what is no mailbox of the domain, for those who look after that alone.
func (a *Consents) checkMailbox(who access.Actor, d *config.Domain, mailbox string) (string, error) {
	mailbox = strings.TrimSpace(mailbox)
	m := store.Mailbox{Domain: d.Name, Side: store.OldSide, Login: mailbox}
	switch {
	case mailbox == "":
		return "", access.Invalid(access.WrongField("mailbox", "missing", "This is missing."))
	case store.CheckMailbox(&m) != nil, strings.ContainsFunc(mailbox, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "", access.Invalid(access.WrongField("mailbox", "unknown_value", "This can't be it."))
	case !who.All() && foreignAddress(d, mailbox):
		return "", access.Invalid(access.Mistake{Field: "mailbox", Code: "other_domain", Args: access.Args("expected", "...@"+d.Name), Text: "This is a login of another domain."})
	}
	return mailbox, nil
}

func (a *Consents) connector() *tenant.Connector {
	return &tenant.Connector{Consents: a.store, Log: a.log, Timeout: connectTimeout}
}

// keep keeps an agreement, and has what waited for it go on.
// Whoever asked may have gone by now: the provider gives it out once.
func (a *Consents) keep(ctx context.Context, who access.Actor, server config.Server, c store.Consent) error {
	ctx = context.WithoutCancel(ctx)
	err := a.store.PutConsent(ctx, c)
	if errors.Is(err, store.ErrEnded) {
		return a.refusal(a.connector().GiveBack(ctx, server, c))
	}
	if err != nil {
		return err
	}
	a.tokens.Forget(c.Domain, c.Side, c.Login)
	all, err := a.store.Accounts(ctx)
	if err != nil {
		return err
	}
	var ids []store.AccountID
	for i := range all {
		if c.Of(&all[i]) {
			ids = append(ids, all[i].ID)
		}
	}
	err = a.store.ForgetProblems(ctx, ids)
	if err == nil && len(ids) > 0 {
		err = a.ferry.Updated(ctx, ids)
	}
	if err != nil {
		return err
	}
	return a.audit.Note(ctx, who, "consent", access.About{Domain: c.Domain, Account: c.Login, Detail: string(c.Side)})
}

// refusal says why there is no agreement.
func (a *Consents) refusal(err error) error {
	code := tenant.Code(err)
	var said interface{ Summary() reason.Reason }
	detail := ""
	switch e, ours := errors.AsType[*tenant.ConsentError](err); {
	case ours:
		a.log.Warn().Str("reason", code).Str("cause", e.Cause).Msg("the owner of a mailbox could not agree")
		r := access.Conflict(code, "%s", e.Error())
		r.Args = access.Args("host", e.Host, "mailbox", e.Mailbox, "cause", strings.TrimSuffix(e.Cause, "."))
		return r
	case code == "":
		return err
	case errors.As(err, &said):
		detail = said.Summary().String()
	}
	a.log.Warn().Err(err).Msg("the provider can't be asked")
	r := access.Conflict("provider_not_asked", "The provider can't be asked: %s", detail)
	r.Args = access.Args("detail", detail)
	return r
}

// Forget forgets what the owner of a mailbox has agreed to, and tells the provider.
func (a *Consents) Forget(ctx context.Context, who access.Actor, domain string, side store.Side, mailbox string) (*Forgotten, error) {
	d, server, err := a.place(ctx, who, domain, side)
	if err != nil {
		return nil, err
	}
	m := store.Mailbox{Domain: d.Name, Side: side, Login: strings.TrimSpace(mailbox)}
	if store.CheckMailbox(&m) != nil {
		return nil, access.NotFound("consent")
	}
	told, err := a.forget(ctx, server, m)
	if errors.Is(err, store.ErrNotFound) {
		return nil, access.NotFound("consent")
	}
	if err != nil {
		return nil, err
	}
	gone := &Forgotten{Consents: 1}
	if told {
		gone.Revoked = 1
	}
	return gone, a.audit.Note(ctx, who, "forget_consent", access.About{Domain: d.Name, Account: m.Login, Detail: string(side)})
}

// revokeBound is how long a provider may take to hear of an end.
const revokeBound = 10 * time.Second

// forget forgets an agreement, whether the provider can be told of it or not.
func (a *Consents) forget(ctx context.Context, server config.Server, m store.Mailbox) (told bool, err error) {
	release, err := a.store.HoldConsent(ctx, m) // what is being exchanged is known to nobody yet
	if err != nil {
		return false, err
	}
	defer release()
	agreed, err := a.store.Consent(ctx, m)
	if err != nil {
		return false, err
	}
	told = a.revoke(ctx, server, agreed)
	if err := a.store.DeleteConsent(ctx, m); err != nil {
		return told, err
	}
	a.tokens.Forget(m.Domain, m.Side, m.Login)
	return told, nil
}

// revoke tells the provider that an agreement has ended; false if it can't be told.
func (a *Consents) revoke(ctx context.Context, server config.Server, agreed store.Consent) (told bool) {
	ctx, cancel := context.WithTimeout(ctx, revokeBound)
	defer cancel()
	told, err := a.connector().Revoke(ctx, server, agreed)
	if err != nil {
		a.log.Warn().Err(err).Str("account", agreed.Login).Msg("the provider can't be told that an agreement has ended")
	}
	return told
}

// forgetAll forgets what people agreed to at one of a domain's servers.
func (a *Consents) forgetAll(ctx context.Context, d *config.Domain, side store.Side) (*Forgotten, error) {
	gone := &Forgotten{}
	only := config.Domain{Name: d.Name, Old: d.Old}
	if side == store.NewSide {
		only.Old, only.New = config.Server{}, d.New
	}
	tell, err := a.connector().Parting(ctx, a.store, only)
	if err != nil {
		return nil, err
	}
	a.codes.drop(d.Name, side)
	if gone.Consents, err = a.store.DeleteConsents(ctx, d.Name, side); err != nil {
		return nil, err
	}
	gone.Revoked = tell(ctx)
	a.tokens.Forget(d.Name, side, "")
	return gone, nil
}

// parting readies what tells providers of agreements of a domain that end.
func (a *Consents) parting(ctx context.Context, d config.Domain) (tell func(context.Context) (told int), err error) {
	return a.connector().Parting(ctx, a.store, d)
}
