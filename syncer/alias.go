package syncer

import (
	"context"
	"slices"

	"postferry/store"
)

// leaders knows which accounts do the work of aliases.
type leaders struct{ store engineStore }

// leading is the account that does the work of one: itself, or the one whose mailbox it leads to.
func (l *leaders) leading(ctx context.Context, id store.AccountID) store.AccountID {
	row, err := l.store.AccountByID(ctx, id)
	if err != nil || row.Alias == 0 {
		return id
	}
	if _, err := l.store.AccountByID(ctx, row.Alias); err != nil {
		return id // it has been removed
	}
	return row.Alias
}

// withLeading are accounts and those that do the work of the aliases among them.
func (l *leaders) withLeading(ctx context.Context, ids []store.AccountID) []store.AccountID {
	all, there := slices.Clone(ids), make(map[store.AccountID]bool, len(ids))
	for _, id := range ids {
		there[id] = true
	}
	for _, id := range ids {
		if of := l.leading(ctx, id); !there[of] {
			there[of] = true
			all = append(all, of)
		}
	}
	return all
}

// moved are accounts whose state has changed, and those of them that somebody asked for.
type moved struct{ all, asked []store.AccountID }

// moveStates is the store's, also for the accounts that aliases lead to. An alias counts as
// changed if either has.
func (l *leaders) moveStates(ctx context.Context, ids []store.AccountID, from []store.State, to store.State) (m moved, err error) {
	if m.all, err = l.store.MoveStates(ctx, l.withLeading(ctx, ids), from, to); err != nil {
		return moved{}, err
	}
	changed := make(map[store.AccountID]bool, len(m.all))
	for _, id := range m.all {
		changed[id] = true
	}
	for _, id := range ids {
		if changed[id] || changed[l.leading(ctx, id)] {
			m.asked = append(m.asked, id)
		}
	}
	return m, nil
}
