package admin

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"postferry/admin/access"
	"postferry/config"
	"postferry/store"
)

// AccountInput is an account as a person or a program gives it.
type AccountInput struct {
	Login       string       `json:"login"` // at the old server; see accountLogin
	Password    store.Secret `json:"password"`
	NewLogin    string       `json:"new_login"`    // "" for the same
	NewPassword store.Secret `json:"new_password"` // "" for the same
}

// Added says what came of adding accounts.
type Added struct {
	Added   int `json:"added"`
	Updated int `json:"updated"`
	// Finished accounts were there, and take no other login or password any more.
	Finished int               `json:"finished"`
	IDs      []store.AccountID `json:"-"`
}

// Add adds accounts to a domain, or updates the logins and passwords
// of those that are known. All or none. New ones wait until a person begins.
func (a *Accounts) Add(ctx context.Context, who access.Actor, domain string, in []AccountInput) (*Added, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	if len(in) == 0 {
		return nil, access.Invalid(access.WrongField("accounts", "missing", "No accounts were given."))
	}
	lines, mistakes := a.check(ctx, who, d, in)
	if len(mistakes) > 0 {
		return nil, access.Invalid(mistakes...)
	}
	return a.put(ctx, who, d, lines)
}

// check makes lines of what was given, with all mistakes.
func (a *Accounts) check(ctx context.Context, who access.Actor, d *config.Domain, in []AccountInput) (lines []config.AccountLine, mistakes []access.Mistake) {
	check, newLogins := a.pairCheck(ctx, who, d), config.NewLogins{}
	for i, x := range in {
		line := config.AccountLine{Line: i + 1, Login: strings.Trim(x.Login, " \t"), Password: x.Password.Reveal(),
			NewLogin: strings.Trim(x.NewLogin, " \t"), NewPassword: x.NewPassword.Reveal()}
		err := d.CheckLine(line)
		if err == nil {
			err = check(line)
		}
		if err == nil {
			err = newLogins.Check(line)
		}
		if err != nil {
			mistakes = append(mistakes, viewMistake(i+1, err))
			continue
		}
		lines = append(lines, line)
	}
	return lines, mistakes
}

func viewMistake(line int, err error) access.Mistake {
	m := access.Mistake{Line: line, Code: "line_wrong", Text: err.Error()}
	var known *config.Mistake
	if errors.As(err, &known) {
		m.Code, m.Args = known.Code, known.Args
	}
	return m
}

// Add adds the accounts of a list that waits: all of it, which must have
// no mistakes, or only the good lines.
func (a *Lists) Add(ctx context.Context, who access.Actor, domain, list string, onlyGood bool) (*Added, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	lines, err := a.decide(who, d.Name, list, onlyGood)
	if err != nil {
		return nil, err
	}
	result, err := a.accounts.put(ctx, who, d, lines)
	if err == nil {
		a.lists.drop(list)
	}
	return result, err
}

// put stores accounts of a domain: new ones, and other credentials of those that
// are known.
func (a *Accounts) put(ctx context.Context, who access.Actor, d *config.Domain, lines []config.AccountLine) (*Added, error) {
	if err := a.adding.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer a.adding.Release(1)
	var err error
	if d, err = a.scopes.Domain(ctx, who, d.Name); err != nil { // as it is now
		return nil, err
	}
	if err := a.checkPairs(ctx, who, d, lines); err != nil {
		return nil, err
	}
	accounts, err := a.accountsOf(ctx, d, lines)
	if err != nil {
		return nil, err
	}
	if err := a.countGuesses(ctx, who, d, accounts); err != nil {
		return nil, err
	}
	stored, put, err := a.store.PutAccounts(ctx, accounts)
	if err != nil {
		return nil, err
	}
	result, known := resultOf(stored, put)
	if err := a.store.ForgetProblems(ctx, known); err != nil {
		return nil, err
	}
	if err := a.updated(ctx, d.Name, stored); err != nil {
		return nil, err
	}
	a.boards.Changed(d.Name)
	return result, notePut(ctx, a.audit, who, d.Name, stored, put)
}

// resultOf counts what was done, and says which accounts were known.
func resultOf(stored []store.Account, put []store.AccountPut) (result *Added, known []store.AccountID) {
	result = &Added{IDs: make([]store.AccountID, len(stored))}
	for i, x := range stored {
		if result.IDs[i] = x.ID; !put[i].Added {
			known = append(known, x.ID)
		}
	}
	for i := range stored {
		if !put[i].Added && stored[i].State == store.Finished {
			result.Finished++
		}
	}
	result.Added, result.Updated = len(stored)-len(known), len(known)-result.Finished
	return result, known
}

// notePut writes to the audit log how many accounts were added, and of how many which
// credentials are others now.
func notePut(ctx context.Context, a *access.Audit, who access.Actor, domain string, stored []store.Account, put []store.AccountPut) error {
	newer, changed := access.About{Domain: domain}, access.About{Domain: domain}
	var fields store.CredentialFields
	for i, p := range put {
		of := &changed
		if p.Added {
			of = &newer
		}
		of.Count++
		of.Account = stored[i].Login
		fields |= p.Changed
	}
	if changed.Detail = fields.String(); fields != 0 && changed.Count > 1 {
		changed.Detail = strconv.Itoa(changed.Count) + AuditFields + changed.Detail
	}
	var errs [2]error
	if newer.Count > 0 {
		errs[0] = a.Note(ctx, who, "add_accounts", newer.Nameless())
	}
	if changed.Count > 0 {
		errs[1] = a.Note(ctx, who, "update_accounts", changed.Nameless())
	}
	return errors.Join(errs[:]...)
}

// AuditFields stands between a number of accounts and what of them was changed.
const AuditFields = ": "

// accountsOf makes accounts of lines.
func (a *Accounts) accountsOf(ctx context.Context, d *config.Domain, lines []config.AccountLine) ([]store.Account, error) {
	known, err := a.known(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	accounts, now := make([]store.Account, len(lines)), time.Now()
	for i, l := range lines {
		newLogin, newPassword := l.New()
		accounts[i] = store.Account{Domain: d.Name, Login: a.scopes.accountLogin(d, l, known), Origin: store.Imported, State: store.Waiting, Created: now,
			Old:      store.Credentials{Login: l.Login, Password: store.Secret(l.Password)},
			New:      store.Credentials{Login: newLogin, Password: store.Secret(newPassword)},
			OldOpens: l.Password != ""} // then a line has both passwords
	}
	return accounts, nil
}
