package admin

import (
	"context"
	"errors"
	"slices"

	"postferry/admin/access"
	"postferry/report"
	"postferry/store"
)

// What is done at the machine itself belongs in the audit log as well. These methods are told of it
// once it is done.

// Imported notes the accounts of a list, in each of their domains' logs.
func (o *Operator) Imported(ctx context.Context, stored []store.Account, put []store.AccountPut) error {
	places := map[string][]int{}
	var domains []string
	for i := range stored {
		d := stored[i].Domain
		if places[d] == nil {
			domains = append(domains, d)
		}
		places[d] = append(places[d], i)
	}
	slices.Sort(domains)
	var errs []error
	for _, d := range domains {
		var s []store.Account
		var p []store.AccountPut
		for _, i := range places[d] {
			s, p = append(s, stored[i]), append(p, put[i])
		}
		errs = append(errs, notePut(ctx, o.audit, access.CommandLine(), d, s, p))
	}
	return errors.Join(errs...)
}

// RotatedKey notes that the passwords of so many accounts are sealed with another key.
func (o *Operator) RotatedKey(ctx context.Context, accounts int) error {
	return o.audit.Note(ctx, access.CommandLine(), "rotate_key", access.About{Count: accounts})
}

// BackedUp notes that a copy of the state was made.
func (o *Operator) BackedUp(ctx context.Context, withKey bool) error {
	of := access.About{}
	if withKey {
		of.Detail = BackupWithKey
	}
	return o.audit.Note(ctx, access.CommandLine(), "backup", of)
}

// BackupWithKey is the detail of a backup that can be read by whoever has it.
const BackupWithKey = "with the key"

// DecidedFolder notes what somebody has said of an account's missing folder.
func (o *Operator) DecidedFolder(ctx context.Context, a store.Account, v report.FolderVerdict, title string) error {
	return o.audit.Note(ctx, access.CommandLine(), "folder_"+string(v), access.About{Domain: a.Domain, Account: a.Login, Detail: title})
}

// AnsweredAlias notes that somebody has said whose mailbox an account's is.
func (o *Operator) AnsweredAlias(ctx context.Context, a store.Account) error {
	return o.audit.Note(ctx, access.CommandLine(), "update_account", access.About{Domain: a.Domain, Account: a.Login, Detail: "alias_of"})
}

// DecidedMailbox notes what somebody has said of an account's mailbox that isn't the one it was.
func (o *Operator) DecidedMailbox(ctx context.Context, a store.Account, verdict string) error {
	return o.audit.Note(ctx, access.CommandLine(), "mailbox_"+verdict, access.About{Domain: a.Domain, Account: a.Login})
}

// Agreed notes that the owner of a mailbox has agreed that Postferry opens it.
func (o *Operator) Agreed(ctx context.Context, m store.Mailbox) error {
	return o.audit.Note(ctx, access.CommandLine(), "consent", access.About{Domain: m.Domain, Account: m.Login, Detail: string(m.Side)})
}

// ForgotConsent notes that what the owner of a mailbox had agreed to is forgotten.
func (o *Operator) ForgotConsent(ctx context.Context, m store.Mailbox) error {
	return o.audit.Note(ctx, access.CommandLine(), "forget_consent", access.About{Domain: m.Domain, Account: m.Login, Detail: string(m.Side)})
}

// RetriedMessages notes that so many refused messages of an account are tried again.
func (o *Operator) RetriedMessages(ctx context.Context, a store.Account, messages int) error {
	return o.audit.Note(ctx, access.CommandLine(), "retry_quarantined", access.About{Domain: a.Domain, Account: a.Login, Count: messages})
}
