package backend

import (
	"context"
	"errors"
	"fmt"

	"postferry/internal/control"
	"postferry/report"
)

// DecideMailbox implements control.Backend.
func (l *Local) DecideMailbox(ctx context.Context, d control.MailboxDecision) error {
	accounts, err := accountsOf(ctx, l.Store, []string{d.Login})
	if err != nil {
		return err
	}
	id := accounts[0].ID
	if of := accounts[0].Alias; of != 0 {
		id = of
	}
	err = l.Engine.DecideMailbox(ctx, id, d.Verdict)
	if errors.Is(err, report.ErrSameMailbox) {
		return control.UsageError(fmt.Errorf("nothing is known against the mailboxes of %q: there is nothing to decide (postferry status %s)", d.Login, d.Login))
	}
	if err != nil {
		return err
	}
	return l.noter().DecidedMailbox(ctx, accounts[0], string(d.Verdict))
}
