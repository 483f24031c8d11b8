package syncer

import (
	"context"

	"postferry/store"
)

// Finished tells that accounts were finished: what goes on with them ends, as when they are
// stopped, and the account lets go of what it knows.
func (e *Engine) Finished(ctx context.Context, ids []store.AccountID) error {
	if err := e.loop.do(ctx, func() {
		for _, id := range ids {
			e.schedule.Drop(id)
		}
	}); err != nil {
		return err
	}
	if err := e.registry.tell(ctx, ids, func(a *account, row store.Account) { a.halted(row) }); err != nil {
		return err
	}
	e.late.Leave(ctx, ids)
	_, err := e.registry.leaveAll(ctx, ids)
	return err
}

// LetGo ends the work on accounts, and returns when nothing of it is under way any more.
func (e *Engine) LetGo(ctx context.Context, ids []store.AccountID) error {
	e.late.Leave(ctx, ids)
	at, err := e.registry.leaveAll(ctx, ids)
	if err != nil {
		return err
	}
	for _, a := range at {
		select {
		case <-a.jobs.Gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
