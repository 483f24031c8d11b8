package access

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"postferry/config"
	"postferry/internal/asciifold"
	"postferry/report"
	"postferry/store"
)

// AdminView is an administrator, as lists show them.
type AdminView struct {
	Name    string    `json:"name"`
	Domain  string    `json:"domain,omitempty"` // "" for all domains
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"`
}

// TokenView is a token, as lists show it: never its secret.
type TokenView struct {
	ID      uint64     `json:"id"`
	Name    string     `json:"name"`
	Domain  string     `json:"domain,omitempty"` // "" for all domains
	By      string     `json:"by"`
	Created time.Time  `json:"created"`
	Used    *time.Time `json:"used"`
}

// checkAdmin says what is wrong with a new administrator.
func checkAdmin(name string, password store.Secret) []Mistake {
	return append(checkName("name", name), checkPassword("password", password)...)
}

func checkName(field, name string) []Mistake {
	switch {
	case strings.TrimSpace(name) == "":
		return []Mistake{WrongField(field, "missing", "A name is missing.")}
	case len(name) > 255 || name != strings.TrimSpace(name) || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return []Mistake{WrongField(field, "name_malformed", "The name is too long, or has blanks around it or characters that can't be typed.")}
	}
	return nil
}

// scopeOf reads the domain somebody is to look after; "" is all. The domain
// need not be there yet.
func scopeOf(domain string) (string, []Mistake) {
	scope := asciifold.Lower(strings.TrimSpace(domain))
	if _, err := config.ParseDomainName(scope); scope != "" && err != nil {
		return "", []Mistake{WrongField("domain", "domain_malformed", "This is not the name of a domain.")}
	}
	return scope, nil
}

// Administrators says who may come in: administrators and tokens.
type Administrators struct {
	store  Keeper
	hasher *hasher
	limits *loginLimits
	lists  Uploads
	audit  *Audit
}

// Admins returns the administrators an actor may know of.
func (a *Administrators) Admins(ctx context.Context, who Actor) ([]AdminView, error) {
	if err := who.RequireAll(); err != nil {
		return nil, err
	}
	admins, err := a.store.Admins(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]AdminView, len(admins))
	for i, x := range admins {
		views[i] = AdminView{Name: x.Name, Domain: x.Scope, Created: x.Created, Changed: x.Changed}
	}
	return views, nil
}

// PutAdmin adds an administrator, or sets another one's password and domain.
func (a *Administrators) PutAdmin(ctx context.Context, who Actor, name, domain string, password store.Secret) (added bool, err error) {
	if err := who.RequireAll(); err != nil {
		return false, err
	}
	scope, mistakes := scopeOf(domain)
	if mistakes = append(mistakes, checkAdmin(name, password)...); len(mistakes) > 0 {
		return false, Invalid(mistakes...)
	}
	if scope != store.ScopeAll {
		if err := a.keepOne(ctx, name); err != nil {
			return false, err
		}
	}
	return a.setPassword(ctx, who, store.Admin{Name: name, Scope: scope}, password)
}

// setPassword stores an administrator with a new password, which ends the sessions.
func (a *Administrators) setPassword(ctx context.Context, who Actor, admin store.Admin, password store.Secret) (added bool, err error) {
	if admin.Hash, err = a.hasher.hash(ctx, password); err != nil {
		return false, err
	}
	admin.Created = time.Now()
	admin.Changed = admin.Created
	if added, err = a.store.PutAdmin(ctx, admin, false); err != nil {
		return false, err
	}
	return added, a.audit.Note(ctx, who, "put_admin", About{Domain: admin.Scope, Detail: admin.Name})
}

// ChangePassword sets the actor's own password. All sessions end, this one too.
func (a *Administrators) ChangePassword(ctx context.Context, who Actor, old, password store.Secret) error {
	if who.Admin == "" {
		return Forbidden()
	}
	key := "change " + asciifold.Lower(who.Admin) // not the one that strangers can use up
	if wait, ok := a.limits[1].Take(key); !ok {
		return Busy("too_many_logins", "Too many failed attempts. Wait a moment and try again.", wait.Round(time.Second)+time.Second)
	}
	admin, err := a.store.Admin(ctx, who.Admin)
	if err != nil {
		return err
	}
	ok, err := a.hasher.matches(ctx, admin.Hash, old)
	if err != nil {
		return err
	}
	if !ok {
		return Invalid(WrongField("old_password", "password_wrong", "This is not the password you have now."))
	}
	a.limits[1].giveBack(key)
	if mistakes := checkPassword("password", password); len(mistakes) > 0 {
		return Invalid(mistakes...)
	}
	_, err = a.setPassword(ctx, who, store.Admin{Name: admin.Name, Scope: admin.Scope}, password)
	return err
}

// DeleteAdmin removes an administrator, but never the last one of everything.
func (a *Administrators) DeleteAdmin(ctx context.Context, who Actor, name string) error {
	if err := who.RequireAll(); err != nil {
		return err
	}
	if err := a.keepOne(ctx, name); err != nil {
		return err
	}
	if err := a.store.DeleteAdmin(ctx, name); errors.Is(err, store.ErrNotFound) {
		return NotFound("administrator")
	} else if err != nil {
		return err
	}
	return a.audit.Note(ctx, who, "delete_admin", About{Detail: name})
}

// keepOne refuses to take the last administrator of everything away.
func (a *Administrators) keepOne(ctx context.Context, name string) error {
	admins, err := a.store.Admins(ctx)
	if err != nil {
		return err
	}
	others, known := 0, false
	for _, x := range admins {
		switch {
		case x.Scope != store.ScopeAll:
		case asciifold.Lower(x.Name) == asciifold.Lower(name):
			known = true
		default:
			others++
		}
	}
	if known && others == 0 {
		return Conflict("last_admin", "This is the only administrator of all domains. Make another one first.")
	}
	return nil
}

// Tokens returns the tokens an actor may know of: those of its scope.
func (a *Administrators) Tokens(ctx context.Context, who Actor) ([]TokenView, error) {
	tokens, err := a.store.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	views := []TokenView{}
	for _, t := range tokens {
		if who.All() || t.Scope == who.Scope {
			views = append(views, viewToken(t))
		}
	}
	return views, nil
}

func viewToken(t store.Token) TokenView {
	return TokenView{ID: t.ID, Name: t.Name, Domain: t.Scope, By: t.By, Created: t.Created, Used: report.TimeOrNil(t.Used)}
}

// CreateToken makes a token within the actor's scope. The secret is returned
// this once and never again.
func (a *Administrators) CreateToken(ctx context.Context, who Actor, name, domain string) (TokenView, store.Secret, error) {
	scope, mistakes := scopeOf(domain)
	if mistakes = append(mistakes, checkName("name", name)...); len(mistakes) > 0 {
		return TokenView{}, "", Invalid(mistakes...)
	}
	if !who.May(scope) {
		return TokenView{}, "", Forbidden()
	}
	secret := newToken()
	t, err := a.store.AddToken(ctx, store.Token{Digest: store.DigestOf(secret), Name: name, Scope: scope, By: who.Name, Created: time.Now(), Parent: who.token})
	switch {
	case errors.Is(err, store.ErrInvalid):
		return TokenView{}, "", Conflict("too_many_tokens", "There are too many tokens. Revoke those that nobody uses.")
	case errors.Is(err, store.ErrNotFound): // the token that asks was revoked meanwhile
		return TokenView{}, "", Unauthorized()
	case err != nil:
		return TokenView{}, "", err
	}
	return viewToken(t), secret, a.audit.Note(ctx, who, "create_token", About{Domain: scope, Detail: name})
}

// RevokeToken makes a token of the actor's scope void, and those that it has made:
// whoever had it must not stay in by one of these.
func (a *Administrators) RevokeToken(ctx context.Context, who Actor, id uint64) error {
	tokens, err := a.store.Tokens(ctx)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.ID != id || !who.All() && t.Scope != who.Scope {
			continue
		}
		gone, err := a.store.DeleteToken(ctx, id)
		if errors.Is(err, store.ErrNotFound) { // somebody else was faster
			return NotFound("token")
		}
		if err != nil {
			return err
		}
		return a.noteRevoked(ctx, who, gone)
	}
	return NotFound("token")
}

// noteRevoked forgets what tokens have left in memory and notes that they are void,
// each in the log of its own domain.
func (a *Administrators) noteRevoked(ctx context.Context, who Actor, gone []store.Token) error {
	var errs []error
	for _, t := range gone {
		a.lists.DropOwner(t.Digest)
		errs = append(errs, a.audit.Note(ctx, who, "revoke_token", About{Domain: t.Scope, Detail: t.Name}))
	}
	return errors.Join(errs...)
}
