package admin

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"postferry/admin/access"
	"postferry/config"
	"postferry/report"
	"postferry/store"
)

// AccountPatch changes logins and passwords; nil leaves one as it is. A login changes only
// together with its password, and an old password that comes without the new one is for
// copying only. Whoever looks after one domain gives another mailbox at the new server
// only together with the old password, and only where mayPair says so.
type AccountPatch struct {
	OldLogin    *string       `json:"old_login"`
	OldPassword *store.Secret `json:"old_password"`
	NewLogin    *string       `json:"new_login"`
	NewPassword *store.Secret `json:"new_password"`
	// AliasOf answers the question whether the login leads to the mailbox of another account
	// of the domain: that one's login, or "" if it doesn't.
	AliasOf *string `json:"alias_of"`
}

// Update corrects logins and passwords. A problem is forgotten, and an
// account that was begun is tried again at once.
func (a *Accounts) Update(ctx context.Context, who access.Actor, domain string, id store.AccountID, p AccountPatch) (*report.Account, error) {
	if err := a.adding.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer a.adding.Release(1)
	d, err := a.scopes.Domain(ctx, who, domain) // as it is now that it is this one's turn
	if err != nil {
		return nil, err
	}
	x, err := a.account(ctx, d, id)
	if err != nil {
		return nil, err
	}
	if x.State == store.Finished {
		return nil, access.Conflict("account_finished", "The account is finished: nothing signs in for it any more, and it takes no other login or password.")
	}
	change, mistakes := a.changeOf(who, d, &x, p)
	if len(mistakes) > 0 {
		return nil, access.Invalid(mistakes...)
	}
	if err := a.countGuess(who, d, &x, change); err != nil {
		return nil, err
	}
	changed, err := a.correct(ctx, id, change)
	if err != nil {
		return nil, err
	}
	detail := changed.String()
	if p.AliasOf != nil {
		if err := a.setAlias(ctx, d, id, *p.AliasOf); err != nil {
			return nil, err
		}
		detail = strings.TrimPrefix(detail+", alias_of", ", ")
	}
	if x, err = a.account(ctx, d, id); err != nil {
		return nil, err
	}
	if err := a.updated(ctx, d.Name, []store.Account{x}); err != nil {
		return nil, err
	}
	a.boards.Changed(d.Name)
	if err := a.audit.Note(ctx, who, "update_account", access.About{Domain: d.Name, Account: x.Login, Detail: detail}); err != nil {
		return nil, err
	}
	return a.show(ctx, d, id)
}

// setAlias lets an account share the mailbox and the ledger of another one of the domain, or
// stand for itself.
func (a *Accounts) setAlias(ctx context.Context, d *config.Domain, id store.AccountID, of string) error {
	if of == "" {
		return a.store.SetApart(ctx, id)
	}
	first, err := a.store.Account(ctx, of)
	if err == nil && first.Domain == d.Name && first.ID != id {
		err = a.store.SetAlias(ctx, id, first.ID)
	} else if err == nil {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid) {
		return access.Invalid(access.WrongField("alias_of", "no_such_account", "There is no other account of that login in the domain."))
	}
	return err
}

// correct gives an account other credentials, if there are any, and forgets its problem.
func (a *Accounts) correct(ctx context.Context, id store.AccountID, change store.CredentialChange) (changed store.CredentialFields, err error) {
	if change != (store.CredentialChange{}) {
		if changed, err = a.store.SetCredentials(ctx, id, change); err != nil {
			return 0, err
		}
	}
	return changed, a.store.ForgetProblems(ctx, []store.AccountID{id})
}

// changeOf reads what was given for an account.
func (a *Accounts) changeOf(who access.Actor, d *config.Domain, x *store.Account, p AccountPatch) (change store.CredentialChange, mistakes []access.Mistake) {
	foreign := func(of func(d *config.Domain, login string) bool) func(string) bool {
		return func(login string) bool { return !who.All() && of(d, login) }
	}
	var others []access.Mistake
	change.Old, mistakes = sidePatch{"old", p.OldLogin, p.OldPassword, x.Old.Login, foreign(foreignAddress)}.read(d)
	change.New, others = sidePatch{"new", p.NewLogin, p.NewPassword, x.New.Login, foreign(a.scopes.foreign)}.read(d)
	mistakes = append(mistakes, others...)
	switch oldLogin, newLogin := cmp.Or(change.Old.Login, x.Old.Login), cmp.Or(change.New.Login, x.New.Login); {
	case len(mistakes) > 0, change.Old.Login == "" && change.New.Login == "":
	case !who.All() && change.New.Login != "" && change.Old.Password == "":
		mistakes = append(mistakes, fieldMistake("new_login", errMailboxAlone()))
	case change.New.Login != "" && !a.scopes.mayPair(who, d, oldLogin, newLogin):
		mistakes = append(mistakes, fieldMistake("new_login", errPair()))
	case !a.scopes.mayPair(who, d, oldLogin, newLogin):
		mistakes = append(mistakes, fieldMistake("old_login", errPair()))
	}
	return change, mistakes
}

// errMailboxAlone refuses to let the old password on record copy mail to another mailbox:
// whoever looks after the domain may have that one's password, but not the old one.
func errMailboxAlone() error {
	return &config.Mistake{Code: "mailbox_alone", Text: "leads to another mailbox, to which the mail would be copied: give the password at the old server as well"}
}

// sidePatch is what was given for one side of an account.
type sidePatch struct {
	name     string // "old" or "new"
	login    *string
	password *store.Secret
	known    string // the login there is
	foreign  func(login string) bool
}

// read returns what changes. A login that is given as it is doesn't.
func (s sidePatch) read(d *config.Domain) (to store.Credentials, mistakes []access.Mistake) {
	if s.login != nil {
		if to.Login = strings.Trim(*s.login, " \t"); to.Login == s.known {
			to.Login = ""
		} else if err := s.checkLogin(d, to.Login); err != nil {
			mistakes = append(mistakes, fieldMistake(s.name+"_login", err))
		}
	}
	if s.password != nil {
		to.Password = *s.password
		if err := (config.AccountLine{Login: "x", Password: to.Password.Reveal()}).Check(); err != nil {
			mistakes = append(mistakes, fieldMistake(s.name+"_password", err))
		}
	}
	return to, mistakes
}

// checkLogin reports a login that the account can't be given.
func (s sidePatch) checkLogin(d *config.Domain, login string) error {
	err := config.AccountLine{Login: login, Password: "x"}.Check()
	switch {
	case err != nil:
		return err
	case s.foreign(login):
		return errOtherDomain(d)
	case s.password == nil:
		return &config.Mistake{Code: "login_alone", Text: "changes only together with its password"}
	}
	return nil
}

func fieldMistake(field string, err error) access.Mistake {
	m := viewMistake(0, err)
	m.Field = field
	return m
}
