package admin

import (
	"context"
	"errors"

	"postferry/admin/access"
	"postferry/report"
	"postferry/store"
)

// DecideMailbox does with an account whose login leads to another mailbox than it did what
// somebody says.
func (a *Accounts) DecideMailbox(ctx context.Context, who access.Actor, domain string, id store.AccountID, v report.MailboxVerdict) error {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return err
	}
	x, err := a.account(ctx, d, id)
	if err != nil {
		return err
	}
	if v != report.MailboxAccept && v != report.MailboxAgain {
		return access.Invalid(access.WrongField("verdict", "unknown_value", "Expected %q or %q.", report.MailboxAccept, report.MailboxAgain))
	}
	if x.Alias != 0 { // whose mailbox it is
		id = x.Alias
	}
	switch err := a.ferry.DecideMailbox(ctx, id, v); {
	case errors.Is(err, report.ErrSameMailbox):
		return access.Conflict("mailbox_not_in_question", "Nothing is known against this mailbox that can be answered so: look at the account again.")
	case err != nil:
		return err
	}
	a.boards.Changed(d.Name)
	return a.audit.Note(ctx, who, "mailbox_"+string(v), access.About{Domain: d.Name, Account: x.Login})
}
