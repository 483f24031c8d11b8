package admin

import (
	"context"
	"errors"

	"postferry/store"
)

// MailboxVerdict is what somebody says of a mailbox that isn't the one it was.
type MailboxVerdict string

// The verdicts.
const (
	MailboxAccept MailboxVerdict = "accept" // the login is right, the mailbox is to be as it is
	MailboxAgain  MailboxVerdict = "again"  // the login is right, the new server lost the mail: all is copied again
)

// ErrMailboxKnown means that there is nothing to decide about an account's mailboxes.
var ErrMailboxKnown = errors.New("nothing is known against the mailboxes")

// MailboxVerdicts are the answers there are to a problem; none if it asks nothing.
func MailboxVerdicts(kind store.ProblemKind, server store.Side) []MailboxVerdict {
	switch {
	case kind != store.OtherMailbox && kind != store.EmptiedMailbox:
		return nil
	case server == store.NewSide:
		return []MailboxVerdict{MailboxAccept, MailboxAgain}
	}
	return []MailboxVerdict{MailboxAccept}
}

// DecideMailbox does with an account whose login leads to another mailbox than it did what
// somebody says.
func (a *Accounts) DecideMailbox(ctx context.Context, who Actor, domain string, id store.AccountID, v MailboxVerdict) error {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return err
	}
	x, err := a.account(ctx, d, id)
	if err != nil {
		return err
	}
	if v != MailboxAccept && v != MailboxAgain {
		return Invalid(WrongField("verdict", "unknown_value", "Expected %q or %q.", MailboxAccept, MailboxAgain))
	}
	if x.Alias != 0 { // whose mailbox it is
		id = x.Alias
	}
	switch err := a.ferry.DecideMailbox(ctx, id, v); {
	case errors.Is(err, ErrMailboxKnown):
		return Conflict("mailbox_not_in_question", "Nothing is known against this mailbox that can be answered so: look at the account again.")
	case err != nil:
		return err
	}
	a.boards.changed(d.Name)
	return a.audit.note(ctx, who, "mailbox_"+string(v), auditOf{domain: d.Name, account: x.Login})
}
