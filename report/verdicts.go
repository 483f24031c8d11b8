package report

import (
	"errors"

	"postferry/store"
)

// What asking the engine for something may come to.
var (
	// ErrStopping means that the engine ends, or has ended, and did not do what was asked.
	ErrStopping = errors.New("the engine is stopping")
	// ErrNoFolder means that the account has no such folder.
	ErrNoFolder = errors.New("there is no such folder")
	// ErrNotMissing means that there is nothing to decide about a folder.
	ErrNotMissing = errors.New("the folder is not missing")
	// ErrSameMailbox means that there is nothing to decide about an account's mailboxes.
	ErrSameMailbox = errors.New("nothing is known against the account's mailboxes")
)

// FolderVerdict is what a person says of a folder that is missing.
type FolderVerdict string

// The verdicts.
const (
	// Deleted: it was deleted on purpose. It is never made again, and what stays behind
	// because of it keeps no pass from being complete.
	FolderDeleted FolderVerdict = "deleted"
	// Recreate: it was lost. It is made again, and everything that the old server has in it is
	// copied anew.
	FolderRecreate FolderVerdict = "recreate"
)

// MailboxVerdict is what a person says of a mailbox that isn't the one it was, as far as can be seen.
type MailboxVerdict string

// The verdicts.
const (
	// Accept: the login is right. What the old mailbox has is this person's, and is copied unless it is
	// known; what the new one has not any more was removed by its user.
	MailboxAccept MailboxVerdict = "accept"
	// CopyAgain: the login is right, and the new server has lost what was there: all of it is copied again.
	MailboxAgain MailboxVerdict = "again"
)

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
