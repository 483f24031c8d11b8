package bolt

import (
	"context"
	"errors"

	"go.etcd.io/bbolt"

	"postferry/store"
)

// SetAlias implements store.Store.
func (b accounts) SetAlias(ctx context.Context, id, of store.AccountID) error {
	return b.setAlias(ctx, id, of, false)
}

// ProveAlias implements store.Store.
func (b accounts) ProveAlias(ctx context.Context, id, of store.AccountID) error {
	return b.setAlias(ctx, id, of, true)
}

func (b accounts) setAlias(ctx context.Context, id, of store.AccountID, proved bool) error {
	return b.data.update(ctx, 1, func(tx *bbolt.Tx) error {
		if of == 0 {
			return changeAccount(tx, b.data.sealer, id, func(a *store.Account) { a.Alias, a.AliasProved = 0, false })
		}
		first, err := getAccount(tx, of, nil)
		if err != nil {
			return err
		}
		if first.Alias != 0 { // one step always leads to the account that has the ledger
			of, proved = first.Alias, proved && first.AliasProved
		}
		if of == id {
			return store.Invalid("account %d can't be an alias of itself", id)
		}
		if err := b.leadAll(tx, map[store.AccountID]bool{id: true}, of, proved); err != nil {
			return err
		}
		var probe store.Probe
		if err := changeAccount(tx, b.data.sealer, id, func(a *store.Account) {
			probe, a.Probe = a.Probe, store.NoProbe
			a.Alias, a.AliasProved, a.Problem = of, proved, nil
		}); err != nil || probe == store.NoProbe {
			return err
		}
		return changeAccount(tx, b.data.sealer, of, func(a *store.Account) { a.Probe = probe })
	})
}

// SetProbe implements store.Store.
func (b accounts) SetProbe(ctx context.Context, id store.AccountID, p store.Probe) error {
	switch p {
	case store.NoProbe, store.ProbeSubscribed, store.ProbeUnsubscribed:
	default:
		return store.Invalid("no probe: %q", p)
	}
	return b.changeAccount(ctx, id, func(a *store.Account) { a.Probe = p })
}

// SetApart implements store.Store.
func (b accounts) SetApart(ctx context.Context, id store.AccountID) error {
	return b.changeAccount(ctx, id, func(a *store.Account) { a.Alias, a.AliasProved, a.Apart = 0, false, true })
}

// leadAll lets what leads to some accounts lead to another; 0 for none. proved tells whether those are
// proved to lead there.
func (b accounts) leadAll(tx *bbolt.Tx, ids map[store.AccountID]bool, of store.AccountID, proved bool) error {
	var led []store.AccountID
	if err := eachAccount(tx, func(a *store.Account) error {
		if ids[a.Alias] {
			led = append(led, a.ID)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, other := range led {
		if err := changeAccount(tx, b.data.sealer, other, func(a *store.Account) { a.Alias, a.AliasProved = of, a.AliasProved && proved }); err != nil {
			return err
		}
	}
	return nil
}

// aliasState gives an alias the state of the account whose mailbox it leads to. One
// that has been removed since leaves it as it is.
func aliasState(tx *bbolt.Tx, o *store.Overview) error {
	first, err := getAccount(tx, o.Alias, nil)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	o.State, o.Problem = first.State, first.Problem
	o.Summary, err = readSummary(tx, first.ID)
	return err
}
