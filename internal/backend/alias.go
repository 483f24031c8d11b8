package backend

import (
	"context"
	"errors"
	"fmt"

	"postferry/internal/control"
	"postferry/store"
)

// DecideAlias implements control.Backend.
func (l *Local) DecideAlias(ctx context.Context, d control.AliasDecision) error {
	logins := []string{d.Login}
	if d.Of != "" {
		logins = append(logins, d.Of)
	}
	accounts, err := accountsOf(ctx, l.Store, logins)
	if err != nil {
		return err
	}
	if len(accounts) < len(logins) {
		return control.UsageError(fmt.Errorf("%q and %q are one account", d.Login, d.Of))
	}
	if err := l.setAlias(ctx, accounts); err != nil {
		return err
	}
	if err := l.Store.ForgetProblems(ctx, []store.AccountID{accounts[0].ID}); err != nil {
		return err
	}
	if err := l.noter().AnsweredAlias(ctx, accounts[0]); err != nil {
		return err
	}
	if l.Corrected != nil {
		if err := l.Corrected(ctx, accounts[:1]); err != nil {
			return err
		}
	}
	if l.Engine == nil {
		return nil
	}
	return l.Engine.Updated(ctx, []store.AccountID{accounts[0].ID})
}

// setAlias makes the first of two accounts an alias of the second, or lets the only one stand for itself.
func (l *Local) setAlias(ctx context.Context, accounts []store.Account) error {
	if len(accounts) == 1 {
		return l.Store.SetApart(ctx, accounts[0].ID)
	}
	a, of := accounts[0], accounts[1]
	if a.Domain != of.Domain {
		return control.UsageError(fmt.Errorf("%q and %q are accounts of two domains; their mail is kept apart", a.Login, of.Login))
	}
	err := l.Store.SetAlias(ctx, a.ID, of.ID)
	if errors.Is(err, store.ErrInvalid) {
		return control.UsageError(fmt.Errorf("%q is an alias of %q; say first that that one stands for itself", of.Login, a.Login))
	}
	return err
}
