package store

import (
	"context"
	"errors"

	"go.etcd.io/bbolt"
)

// SetAlias implements Store.
func (b *Bolt) SetAlias(ctx context.Context, id, of AccountID) error {
	return b.setAlias(ctx, id, of, false)
}

// ProveAlias implements Store.
func (b *Bolt) ProveAlias(ctx context.Context, id, of AccountID) error {
	return b.setAlias(ctx, id, of, true)
}

func (b *Bolt) setAlias(ctx context.Context, id, of AccountID, proved bool) error {
	return b.update(ctx, 1, func(tx *bbolt.Tx) error {
		if of == 0 {
			return changeAccount(tx, b.sealer, id, func(a *Account) { a.Alias, a.AliasProved = 0, false })
		}
		first, err := getAccount(tx, of, nil)
		if err != nil {
			return err
		}
		if first.Alias != 0 { // one step always leads to the account that has the ledger
			of, proved = first.Alias, proved && first.AliasProved
		}
		if of == id {
			return invalid("account %d can't be an alias of itself", id)
		}
		if err := b.leadAll(tx, map[AccountID]bool{id: true}, of, proved); err != nil {
			return err
		}
		var probe Probe
		if err := changeAccount(tx, b.sealer, id, func(a *Account) {
			probe, a.Probe = a.Probe, NoProbe
			a.Alias, a.AliasProved, a.Problem = of, proved, nil
		}); err != nil || probe == NoProbe {
			return err
		}
		return changeAccount(tx, b.sealer, of, func(a *Account) { a.Probe = probe })
	})
}

// SetProbe implements Store.
func (b *Bolt) SetProbe(ctx context.Context, id AccountID, p Probe) error {
	switch p {
	case NoProbe, ProbeSubscribed, ProbeUnsubscribed:
	default:
		return invalid("no probe: %q", p)
	}
	return b.changeAccount(ctx, id, func(a *Account) { a.Probe = p })
}

// SetApart implements Store.
func (b *Bolt) SetApart(ctx context.Context, id AccountID) error {
	return b.changeAccount(ctx, id, func(a *Account) { a.Alias, a.AliasProved, a.Apart = 0, false, true })
}

// leadAll lets what leads to some accounts lead to another; 0 for none. proved tells whether those are
// proved to lead there.
func (b *Bolt) leadAll(tx *bbolt.Tx, ids map[AccountID]bool, of AccountID, proved bool) error {
	var led []AccountID
	if err := eachAccount(tx, func(a *Account) error {
		if ids[a.Alias] {
			led = append(led, a.ID)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, other := range led {
		if err := changeAccount(tx, b.sealer, other, func(a *Account) { a.Alias, a.AliasProved = of, a.AliasProved && proved }); err != nil {
			return err
		}
	}
	return nil
}

// aliasState gives an alias the state of the account whose mailbox it leads to. One
// that has been removed since leaves it as it is.
func aliasState(tx *bbolt.Tx, o *Overview) error {
	first, err := getAccount(tx, o.Alias, nil)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	o.State, o.Problem = first.State, first.Problem
	o.Summary, err = readSummary(tx, first.ID)
	return err
}
