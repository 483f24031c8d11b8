package mailbox

import (
	"context"

	"postferry/store"
)

// Store is what is asked of the state.
type Store interface {
	Accounts(ctx context.Context) ([]store.Account, error)
	AccountByID(ctx context.Context, id store.AccountID) (store.Account, error)
	Folders(ctx context.Context, id store.AccountID) ([]store.Folder, error)
	Ledger(ctx context.Context, id store.AccountID, folder store.FolderID) (store.Ledger, error)
	LedgerFrom(ctx context.Context, id store.AccountID, folder store.FolderID, from store.Key) (store.LedgerTail, error)
	SetProbe(ctx context.Context, id store.AccountID, p store.Probe) error
}
