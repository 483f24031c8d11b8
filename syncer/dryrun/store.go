package dryrun

import (
	"context"

	"postferry/store"
)

// Store is what is read of the state.
type Store interface {
	Accounts(ctx context.Context) ([]store.Account, error)
	AccountByID(ctx context.Context, id store.AccountID) (store.Account, error)
	Folders(ctx context.Context, id store.AccountID) ([]store.Folder, error)
	Ledger(ctx context.Context, id store.AccountID, folder store.FolderID) (store.Ledger, error)
	Passes(ctx context.Context, id store.AccountID) ([]store.Pass, error)
}
