package admin

import (
	"context"

	"postferry/store"
)

// updated tells of new accounts and new credentials.
func (a *Accounts) updated(ctx context.Context, domain string, accounts []store.Account) error {
	if err := a.reopenParts(ctx, domain, accounts); err != nil {
		return err
	}
	ids := make([]store.AccountID, len(accounts))
	for i, x := range accounts {
		ids[i] = x.ID
	}
	return a.ferry.Updated(ctx, ids)
}

// reopenParts lets accounts that had failed go on in their runs.
func (a *Accounts) reopenParts(ctx context.Context, domain string, accounts []store.Account) error {
	ids := make([]store.AccountID, len(accounts))
	for i, x := range accounts {
		ids[i] = x.ID
	}
	return a.tracker.Corrected(ctx, domain, ids)
}

// Corrected hears of accounts that were given new logins or passwords elsewhere, before
// the engine does: those that had failed in their newest run belong to it again. It waits
// until Run is under way.
func (a *Accounts) Corrected(ctx context.Context, accounts []store.Account) error {
	domains := map[string][]store.Account{}
	for _, x := range accounts {
		domains[x.Domain] = append(domains[x.Domain], x)
	}
	for domain, accounts := range domains {
		if err := a.reopenParts(ctx, domain, accounts); err != nil {
			return err
		}
		a.boards.Changed(domain)
	}
	return nil
}
