package syncer

import (
	"context"
	"fmt"

	"postferry/report"
	"postferry/store"
)

// DecideFolder does with a missing folder of an account what a person says. A folder that
// went from the old server before it was all copied can only be said to be deleted.
func (e *Engine) DecideFolder(ctx context.Context, id store.AccountID, folder store.FolderID, v report.FolderVerdict) error {
	if v != report.FolderDeleted && v != report.FolderRecreate {
		return fmt.Errorf("syncer: no verdict: %q", v)
	}
	if err := e.registry.follow(ctx, id, func(a *account) error { return a.mail.Decide(folder, v, a.row.Problem) }); err != nil {
		return err
	}
	row, err := e.shared.store.AccountByID(ctx, id)
	if err != nil || row.State != store.Active {
		return err
	}
	return e.Again(ctx, []store.AccountID{id})
}
