package syncer

import (
	"context"
	"fmt"
	"slices"

	"postferry/report"
	"postferry/store"
)

// DecideMailbox does with an account whose login leads to another mailbox than it did what a person says.
func (e *Engine) DecideMailbox(ctx context.Context, id store.AccountID, v report.MailboxVerdict) error {
	if v != report.MailboxAccept && v != report.MailboxAgain {
		return fmt.Errorf("syncer: no verdict: %q", v)
	}
	row, err := e.shared.store.AccountByID(ctx, id)
	if err != nil {
		return err
	}
	p := row.Problem
	if p == nil || !slices.Contains(report.MailboxVerdicts(p.Kind, p.Server), v) {
		return report.ErrSameMailbox
	}
	if err := e.registry.follow(ctx, id, func(a *account) error { return a.mail.DecideMailbox(p.Server, v) }); err != nil {
		return err
	}
	if row.State != store.Active {
		return nil
	}
	return e.Again(ctx, []store.AccountID{id})
}
