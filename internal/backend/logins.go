package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postferry/internal/control"
	"postferry/store"
)

// idsOf are those of logins; none if there are none.
func idsOf(ctx context.Context, st store.Store, logins []string) ([]store.AccountID, error) {
	if len(logins) == 0 {
		return nil, nil
	}
	accounts, err := accountsOf(ctx, st, logins)
	if err != nil {
		return nil, err
	}
	ids := make([]store.AccountID, len(accounts))
	for i, a := range accounts {
		ids[i] = a.ID
	}
	return ids, nil
}

// overviewsOf are those of the accounts of logins, or of all.
func overviewsOf(ctx context.Context, st store.Store, logins []string) ([]store.Overview, error) {
	all, err := st.Overview(ctx, "")
	if err != nil || len(logins) == 0 {
		return all, err
	}
	accounts, err := accountsOf(ctx, st, logins)
	if err != nil {
		return nil, err
	}
	some := make([]store.Overview, 0, len(accounts))
	for _, a := range accounts {
		at, there := slices.BinarySearchFunc(all, a.ID, func(o store.Overview, id store.AccountID) int { return cmp.Compare(o.ID, id) })
		if there {
			some = append(some, all[at])
		}
	}
	return some, nil
}

// accountsOf returns the accounts of logins in that order, each once; all if
// there are none. Unknown ones are named together in one error.
func accountsOf(ctx context.Context, st store.Store, logins []string) ([]store.Account, error) {
	if len(logins) == 0 {
		return st.Accounts(ctx)
	}
	var found []store.Account
	var unknown unknownLogins
	seen := make(map[store.AccountID]bool)
	for _, login := range logins {
		a, err := st.Account(ctx, login)
		switch {
		case errors.Is(err, store.ErrNotFound):
			unknown = append(unknown, login)
		case err != nil:
			return nil, err
		case !seen[a.ID]:
			seen[a.ID] = true
			found = append(found, a)
		}
	}
	if len(unknown) > 0 {
		return nil, control.UsageError(unknown)
	}
	return found, nil
}

// unknownLogins is the error for logins that are no account's.
type unknownLogins []string

func (u unknownLogins) Error() string {
	const most = 20
	names := u[:min(len(u), most)]
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	text := "no such account: " + strings.Join(quoted, ", ")
	if len(u) > most {
		text += fmt.Sprintf(" and %d more", len(u)-most)
	}
	return text + " (postferry status lists the accounts there are)"
}
