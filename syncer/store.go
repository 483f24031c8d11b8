package syncer

import (
	"context"

	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/mailbox"
	"postferry/syncer/wayback"
)

// Store is what the engine asks of the state. What each call promises is said at store.Store.
type Store interface {
	engineStore
	accountStore
}

// engineStore knows which accounts there are, and when each has its turn.
type engineStore interface {
	AccountByID(ctx context.Context, id store.AccountID) (store.Account, error)
	Accounts(ctx context.Context) ([]store.Account, error)
	Folders(ctx context.Context, id store.AccountID) ([]store.Folder, error)
	ForgetProblems(ctx context.Context, ids []store.AccountID) error
	MoveStates(ctx context.Context, ids []store.AccountID, from []store.State, to store.State) (moved []store.AccountID, err error)
	Moves(ctx context.Context) ([]store.Move, error)
	Overview(ctx context.Context, domain string) ([]store.Overview, error)
	PutEnrolled(ctx context.Context, a store.Account, at *store.Domain) (store.Account, error)
	Schedules(ctx context.Context) ([]store.Schedule, error)
	Summary(ctx context.Context, id store.AccountID) (store.Summary, error)
}

// accountStore keeps what comes of the work on an account.
type accountStore interface {
	folders.Store
	mailbox.Store
	wayback.Store
	AddPass(ctx context.Context, id store.AccountID, p store.Pass) error
	Move(ctx context.Context, domain string) (store.Move, error)
	ProveAlias(ctx context.Context, id, of store.AccountID) error
	SetMessages(ctx context.Context, id store.AccountID, messages uint64) error
	SetProblem(ctx context.Context, id store.AccountID, p *store.Problem) error
	Usage(ctx context.Context, id store.AccountID) ([]store.Usage, error)
}
