package admin

import (
	"context"

	"postferry/report"
	"postferry/store"
)

// Ferry is what the page asks of the engine. Every method is safe for
// concurrent use, and returns with an error soon after its context ended.
// Unknown accounts are store.ErrNotFound.
type Ferry interface {
	// Live reports the accounts that are being worked on.
	Live(ctx context.Context) ([]report.Live, error)
	// Folders reports how far an account's folders are, those it is known to
	// have, whether it is being worked on or not.
	Folders(ctx context.Context, id store.AccountID) ([]report.Folder, error)

	// Begin makes accounts active that are waiting or stopped; their problems are
	// forgotten and they are due now. It returns those it changed.
	Begin(ctx context.Context, ids []store.AccountID) (begun []store.AccountID, err error)
	// Stop makes active accounts stopped, durably, and returns those it changed.
	// What is on its way ends at the next safe point, usually within a second:
	// Stop does not wait for that. Clients work on with the new mailbox.
	Stop(ctx context.Context, ids []store.AccountID) (stopped []store.AccountID, err error)
	// Again makes active accounts due now and forgets their problems. One that
	// a pass is running over gets another pass after it.
	Again(ctx context.Context, ids []store.AccountID) error
	// Updated tells that accounts were added or given other credentials.
	Updated(ctx context.Context, ids []store.AccountID) error
	// DomainChanged tells that a domain has other servers or another schedule.
	// Its accounts go on with those.
	DomainChanged(ctx context.Context, name string) error

	// Passes subscribes to the passes that end. The channel is closed when ctx
	// has ended. A reader that is slow gets a PassEnded with Missed set in place of
	// those that did not fit, and must read the store again.
	Passes(ctx context.Context) <-chan report.PassEnded

	// Check tries the logins of accounts on both servers and looks at what would
	// be copied, whatever their state. tell is called with each account's result,
	// one call at a time; an error ends the check. Nothing is written, neither to
	// a server nor to the store.
	Check(ctx context.Context, ids []store.AccountID, tell func(report.Check) error) error
	// Verify compares the servers, with bodies octet for octet. tell is called
	// one call at a time; an error ends the verification.
	Verify(ctx context.Context, ids []store.AccountID, bodies bool, tell func(report.VerifyEvent) error) error

	// Quarantine lists an account's messages that one of the servers refuses.
	Quarantine(ctx context.Context, id store.AccountID) ([]report.QuarantineRecord, error)
	// RetryQuarantined releases messages by their IDs; the next pass, which
	// begins soon, tries them again.
	RetryQuarantined(ctx context.Context, messages []string) (released int, err error)
	// DecideFolder does with a folder that is missing at the new server what somebody
	// says. It is store.ErrNotFound if there is no such folder, report.ErrNotMissing if there is
	// nothing to decide about it.
	DecideFolder(ctx context.Context, id store.AccountID, folder store.FolderID, v report.FolderVerdict) error
	// DecideMailbox does with an account whose login leads to another mailbox than it did what
	// somebody says. It is report.ErrSameMailbox if that is no answer to the account's problem.
	DecideMailbox(ctx context.Context, id store.AccountID, v report.MailboxVerdict) error
	// QuarantinedHeader reads the header of a message from the old server, 64 KiB
	// of it at most.
	QuarantinedHeader(ctx context.Context, message string) ([]byte, error)
}
