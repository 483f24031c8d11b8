package admin

import (
	"context"
	"strings"

	"postferry/admin/access"
	"postferry/config"
	"postferry/store"
)

// mayPair reports whether an actor may have mail copied between two mailboxes of a domain. Where Postferry signs in by itself, no
// password shows whose a mailbox is: its login has to be one of the domain. Where it reads the old mailbox without its password, or
// copies new mail back, a mailbox of another name could be somebody else's: there only those who look after everything pair them.
func (a *Scopes) mayPair(who access.Actor, d *config.Domain, oldLogin, newLogin string) bool {
	switch {
	case who.All():
		return true
	case d.Old.SignIn != nil && !a.belongs(d, oldLogin), d.New.SignIn != nil && !a.belongs(d, newLogin):
		return false
	}
	return d.Old.SignIn == nil && !d.WayBack || nameOf(oldLogin) == nameOf(newLogin)
}

// nameOf is a login without its domain, as look-ups compare it.
func nameOf(login string) string {
	if at := strings.LastIndexByte(login, '@'); at >= 0 {
		login = login[:at]
	}
	return config.FoldLogin(login)
}

// Pair is an account whose mailboxes have different names.
type Pair struct {
	ID       store.AccountID
	Old, New string // logins
}

// UnlikePairs are accounts of a domain whose mailboxes have different names, some of them and how many there are, for who looks after
// everything: with a way back new mail of the one comes into the other.
func (a *Domains) UnlikePairs(ctx context.Context, who access.Actor, name string) (some []Pair, total int, err error) {
	d, err := a.scopes.Domain(ctx, who, name)
	if err != nil || !who.All() {
		return nil, 0, err
	}
	b, err := a.boards.Of(ctx, d.Name)
	if err != nil {
		return nil, 0, err
	}
	for i := range b.Rows {
		row := &b.Rows[i]
		if row.State == store.Finished || nameOf(row.Old.Login) == nameOf(row.New.Login) {
			continue
		}
		if total++; len(some) < maxPairsShown {
			some = append(some, Pair{row.ID, row.Old.Login, row.New.Login})
		}
	}
	return some, total, nil
}

// maxPairsShown is how many pairs are shown.
const maxPairsShown = 20

// pairCheck is lineCheck, and refuses mailboxes that aren't the actor's to pair. A pair that is there may be given again, with
// other passwords.
func (a *Accounts) pairCheck(ctx context.Context, who access.Actor, d *config.Domain) func(config.AccountLine) error {
	check := a.scopes.lineCheck(who, d)
	return func(l config.AccountLine) error {
		if err := check(l); err != nil {
			return err
		}
		return a.checkPair(ctx, who, d, l)
	}
}

func (a *Accounts) checkPair(ctx context.Context, who access.Actor, d *config.Domain, l config.AccountLine) error {
	newLogin, _ := l.New()
	if a.scopes.mayPair(who, d, l.Login, newLogin) {
		return nil
	}
	for _, login := range []string{l.Login, newLogin} { // an account is known by one of them
		x, err := a.store.Account(ctx, login)
		if err == nil && x.Domain == d.Name && samePair(x, l.Login, newLogin) {
			return nil
		}
	}
	return errPair()
}

func samePair(x store.Account, oldLogin, newLogin string) bool {
	return config.FoldLogin(x.Old.Login) == config.FoldLogin(oldLogin) && config.FoldLogin(x.New.Login) == config.FoldLogin(newLogin)
}

// checkPairs looks at all pairs once more. What may be paired can have changed since a list was read.
func (a *Accounts) checkPairs(ctx context.Context, who access.Actor, d *config.Domain, lines []config.AccountLine) error {
	var mistakes []access.Mistake
	for _, l := range lines {
		if err := a.checkPair(ctx, who, d, l); err != nil && len(mistakes) < maxMailboxMistakes {
			mistakes = append(mistakes, viewMistake(l.Line, err))
		}
	}
	if len(mistakes) > 0 {
		return access.Invalid(mistakes...)
	}
	return nil
}

func errPair() error {
	return &config.Mistake{Code: "pair_fixed", Text: "leads from one mailbox to another that may be somebody else's: where Postferry signs in at a server without the account's password, or copies new mail back, only an administrator of all domains can say that"}
}
