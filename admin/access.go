package admin

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"postferry/config"
	"postferry/store"
)

// adminView is an administrator, as lists show them.
type adminView struct {
	Name    string    `json:"name"`
	Domain  string    `json:"domain,omitempty"` // "" for all domains
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"`
}

// tokenView is a token, as lists show it: never its secret.
type tokenView struct {
	ID      uint64     `json:"id"`
	Name    string     `json:"name"`
	Domain  string     `json:"domain,omitempty"` // "" for all domains
	By      string     `json:"by"`
	Created time.Time  `json:"created"`
	Used    *time.Time `json:"used"`
}

// checkAdmin says what is wrong with a new administrator.
func checkAdmin(name string, password store.Secret) []mistake {
	return append(checkName("name", name), checkPassword("password", password)...)
}

func checkName(field, name string) []mistake {
	switch {
	case strings.TrimSpace(name) == "":
		return []mistake{wrongField(field, "missing", "A name is missing.")}
	case len(name) > 255 || name != strings.TrimSpace(name) || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return []mistake{wrongField(field, "name_malformed", "The name is too long, or has blanks around it or characters that can't be typed.")}
	}
	return nil
}

// scopeOf reads the domain somebody is to look after; "" is all. The domain
// need not be there yet.
func scopeOf(domain string) (string, []mistake) {
	scope := foldName(strings.TrimSpace(domain))
	if _, err := config.ParseDomainName(scope); scope != "" && err != nil {
		return "", []mistake{wrongField("domain", "domain_malformed", "This is not the name of a domain.")}
	}
	return scope, nil
}

// listAdmins returns the administrators an actor may know of.
func (a *app) listAdmins(ctx context.Context, who actor) ([]adminView, error) {
	if err := who.requireAll(); err != nil {
		return nil, err
	}
	admins, err := a.store.Admins(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]adminView, len(admins))
	for i, x := range admins {
		views[i] = adminView{Name: x.Name, Domain: x.Scope, Created: x.Created, Changed: x.Changed}
	}
	return views, nil
}

// putAdmin adds an administrator, or sets another one's password and domain.
func (a *app) putAdmin(ctx context.Context, who actor, name, domain string, password store.Secret) (added bool, err error) {
	if err := who.requireAll(); err != nil {
		return false, err
	}
	scope, mistakes := scopeOf(domain)
	if mistakes = append(mistakes, checkAdmin(name, password)...); len(mistakes) > 0 {
		return false, errInvalid(mistakes...)
	}
	if scope != store.ScopeAll {
		if err := a.keepOne(ctx, name); err != nil {
			return false, err
		}
	}
	return a.setPassword(ctx, who, store.Admin{Name: name, Scope: scope}, password)
}

// setPassword stores an administrator with a new password, which ends the sessions.
func (a *app) setPassword(ctx context.Context, who actor, admin store.Admin, password store.Secret) (added bool, err error) {
	if admin.Hash, err = a.hasher.hash(ctx, password); err != nil {
		return false, err
	}
	admin.Created = a.now()
	admin.Changed = admin.Created
	if added, err = a.store.PutAdmin(ctx, admin, false); err != nil {
		return false, err
	}
	return added, a.note(ctx, who, "put_admin", auditOf{domain: admin.Scope, detail: admin.Name})
}

// changePassword sets the actor's own password. All sessions end, this one too.
func (a *app) changePassword(ctx context.Context, who actor, old, password store.Secret) error {
	if who.admin == "" {
		return errForbidden()
	}
	key := "change " + foldName(who.admin) // not the one that strangers can use up
	if wait, ok := a.limits[1].take(key); !ok {
		return errBusy("too_many_logins", "Too many failed attempts. Wait a moment and try again.", wait.Round(time.Second)+time.Second)
	}
	admin, err := a.store.Admin(ctx, who.admin)
	if err != nil {
		return err
	}
	ok, err := a.hasher.matches(ctx, admin.Hash, old)
	if err != nil {
		return err
	}
	if !ok {
		return errInvalid(wrongField("old_password", "password_wrong", "This is not the password you have now."))
	}
	a.limits[1].giveBack(key)
	if mistakes := checkPassword("password", password); len(mistakes) > 0 {
		return errInvalid(mistakes...)
	}
	_, err = a.setPassword(ctx, who, store.Admin{Name: admin.Name, Scope: admin.Scope}, password)
	return err
}

// deleteAdmin removes an administrator, but never the last one of everything.
func (a *app) deleteAdmin(ctx context.Context, who actor, name string) error {
	if err := who.requireAll(); err != nil {
		return err
	}
	if err := a.keepOne(ctx, name); err != nil {
		return err
	}
	if err := a.store.DeleteAdmin(ctx, name); errors.Is(err, store.ErrNotFound) {
		return errNotFound("administrator")
	} else if err != nil {
		return err
	}
	return a.note(ctx, who, "delete_admin", auditOf{detail: name})
}

// keepOne refuses to take the last administrator of everything away.
func (a *app) keepOne(ctx context.Context, name string) error {
	admins, err := a.store.Admins(ctx)
	if err != nil {
		return err
	}
	others, known := 0, false
	for _, x := range admins {
		switch {
		case x.Scope != store.ScopeAll:
		case foldName(x.Name) == foldName(name):
			known = true
		default:
			others++
		}
	}
	if known && others == 0 {
		return errConflict("last_admin", "This is the only administrator of all domains. Make another one first.")
	}
	return nil
}

// listTokens returns the tokens an actor may know of: those of its scope.
func (a *app) listTokens(ctx context.Context, who actor) ([]tokenView, error) {
	tokens, err := a.store.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	views := []tokenView{}
	for _, t := range tokens {
		if who.all() || t.Scope == who.scope {
			views = append(views, viewToken(t))
		}
	}
	return views, nil
}

func viewToken(t store.Token) tokenView {
	return tokenView{ID: t.ID, Name: t.Name, Domain: t.Scope, By: t.By, Created: t.Created, Used: timeOrNil(t.Used)}
}

// createToken makes a token within the actor's scope. The secret is returned
// this once and never again.
func (a *app) createToken(ctx context.Context, who actor, name, domain string) (tokenView, store.Secret, error) {
	scope, mistakes := scopeOf(domain)
	if mistakes = append(mistakes, checkName("name", name)...); len(mistakes) > 0 {
		return tokenView{}, "", errInvalid(mistakes...)
	}
	if !who.may(scope) {
		return tokenView{}, "", errForbidden()
	}
	secret := newToken()
	t, err := a.store.AddToken(ctx, store.Token{Digest: store.DigestOf(secret), Name: name, Scope: scope, By: who.who, Created: a.now(), Parent: who.token})
	switch {
	case errors.Is(err, store.ErrInvalid):
		return tokenView{}, "", errConflict("too_many_tokens", "There are too many tokens. Revoke those that nobody uses.")
	case errors.Is(err, store.ErrNotFound): // the token that asks was revoked meanwhile
		return tokenView{}, "", errUnauthorized()
	case err != nil:
		return tokenView{}, "", err
	}
	return viewToken(t), secret, a.note(ctx, who, "create_token", auditOf{domain: scope, detail: name})
}

// revokeToken makes a token of the actor's scope void, and those that it has made:
// whoever had it must not stay in by one of these.
func (a *app) revokeToken(ctx context.Context, who actor, id uint64) error {
	tokens, err := a.store.Tokens(ctx)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.ID != id || !who.all() && t.Scope != who.scope {
			continue
		}
		gone, err := a.store.DeleteToken(ctx, id)
		if errors.Is(err, store.ErrNotFound) { // somebody else was faster
			return errNotFound("token")
		}
		if err != nil {
			return err
		}
		return a.noteRevoked(ctx, who, gone)
	}
	return errNotFound("token")
}

// noteRevoked forgets what tokens have left in memory and notes that they are void,
// each in the log of its own domain.
func (a *app) noteRevoked(ctx context.Context, who actor, gone []store.Token) error {
	var errs []error
	for _, t := range gone {
		a.lists.dropOwner(t.Digest)
		errs = append(errs, a.note(ctx, who, "revoke_token", auditOf{domain: t.Scope, detail: t.Name}))
	}
	return errors.Join(errs...)
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
