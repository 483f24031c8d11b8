package admin

import (
	"context"
	"errors"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/runs"
	"postferry/admin/selection"
	"postferry/config"
	"postferry/internal/asciifold"
	"postferry/report"
	"postferry/store"

	"golang.org/x/sync/semaphore"
)

// Accounts are those of the domains, with their logins and passwords.
type Accounts struct {
	scopes   *Scopes
	consents *Consents
	chooser  *selection.Chooser
	store    accountStore
	ferry    accountFerry
	boards   *board.Boards
	tracker  *runs.Tracker
	guesses  *guesses
	adding   *semaphore.Weighted
	audit    *access.Audit
}

// accountFerry is told of new accounts and other credentials, and of what somebody says of mailboxes.
type accountFerry interface {
	Updated(ctx context.Context, ids []store.AccountID) error
	DecideMailbox(ctx context.Context, id store.AccountID, v report.MailboxVerdict) error
}

// List returns a page of a domain's accounts.
func (a *Accounts) List(ctx context.Context, who access.Actor, domain string, q board.AccountQuery) (*board.AccountPage, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	if _, ok := board.AccountOrders()[q.Sort]; !ok && q.Sort != "" {
		return nil, access.Invalid(access.WrongField("sort", "unknown_value", "This is no way to sort accounts."))
	}
	if err := selection.CheckKnown(q.State, q.Caused); err != nil {
		return nil, err
	}
	b, err := a.boards.Of(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	return b.Page(q), nil
}

// account finds an account of a domain. An account of another domain is not
// found, like one that does not exist.
func (a *Accounts) account(ctx context.Context, d *config.Domain, id store.AccountID) (store.Account, error) {
	x, err := a.store.AccountByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && x.Domain != d.Name {
		return store.Account{}, access.NotFound("account")
	}
	return x, err
}

// known are the logins of all accounts of a domain, folded.
func (a *Accounts) known(ctx context.Context, domain string) (map[string]store.AccountID, error) {
	rows, err := a.store.Overview(ctx, domain)
	if err != nil {
		return nil, err
	}
	known := make(map[string]store.AccountID, len(rows))
	for i := range rows {
		known[asciifold.Lower(rows[i].Login)] = rows[i].ID
	}
	return known, nil
}

// show shows an account as it stands now.
func (a *Accounts) show(ctx context.Context, d *config.Domain, id store.AccountID) (*report.Account, error) {
	b, err := a.boards.Of(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	i, ok := b.At(id)
	if !ok {
		return nil, access.NotFound("account")
	}
	v := b.View(i)
	return &v, nil
}

// Remove removes accounts that were never begun. If any of the chosen
// ones was, none is removed.
func (a *Accounts) Remove(ctx context.Context, who access.Actor, domain string, sel selection.Selection) (int, error) {
	d, ids, err := a.chooser.Choose(ctx, who, domain, sel, selection.AnyState)
	if err != nil {
		return 0, err
	}
	tell, err := a.consents.parting(ctx, *d)
	if err != nil {
		return 0, err
	}
	defer tell(context.WithoutCancel(ctx)) // last: providers may take their time, and hear only of what is gone by then
	err = a.store.RemoveAccounts(ctx, ids)
	if errors.Is(err, store.ErrInvalid) {
		return 0, access.Conflict("begun_already", "Only accounts that were never begun can be removed. Stop the others instead.")
	}
	if err != nil {
		return 0, err
	}
	a.boards.Changed(d.Name)
	return len(ids), a.audit.Note(ctx, who, "remove_accounts", access.About{Domain: d.Name, Count: len(ids)})
}
