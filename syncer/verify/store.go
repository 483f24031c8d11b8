package verify

import (
	"context"

	"postferry/store"
)

// Store is what a verification asks of the state: it notes how each account came out, and writes nothing else.
type Store interface {
	Accounts(ctx context.Context) ([]store.Account, error)
	AccountByID(ctx context.Context, id store.AccountID) (store.Account, error)
	Folders(ctx context.Context, id store.AccountID) ([]store.Folder, error)
	Ledger(ctx context.Context, id store.AccountID, folder store.FolderID) (store.Ledger, error)
	NoteVerified(ctx context.Context, id store.AccountID, v store.Verified) error
}
